import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { registry as agent } from '@landbridge/agent/metrics.ts';
import { registry as federation } from '@landbridge/federation/metrics.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8');

for (const [program, heading, registry] of [['agent', '## Node agent', agent], ['federation service', '## Federation service', federation]] as const) {
  test(`docs/metrics.md has exactly the metrics of the ${program}`, async (t) => {
    const section = page.slice(page.indexOf(heading)).split('\n## ')[0] ?? '';
    // One word for a list that is the same in many rows.
    const traffic = /`traffic` stands for the labels ([^.]*)\./.exec(section)?.[1] ?? '';
    const written = [...section.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)].map(([, name, type, labels, help]) => ({ name, type, labels: labels?.replace(/^traffic$/, traffic).replaceAll(/[`\s]/g, ''), help }));
    const metrics = await registry.getMetricsAsJSON();
    const real = metrics.map(({ name, type, help }) => ({ name, type: String(type), labels: labelsOf(registry.getSingleMetric(name)), help }));
    t.deepEqual(written, real);
  });
}

/** Names that ztunnel gave, which dashboards made for it look for. */
const FOREIGN_NAMES: ReadonlySet<string> = new Set(['istio_tcp_connections_opened_total', 'istio_tcp_connections_closed_total', 'istio_tcp_connections_failed_total', 'istio_tcp_sent_bytes_total', 'istio_tcp_received_bytes_total', 'istio_dns_requests_total', 'istio_dns_upstream_requests_total', 'istio_dns_upstream_failures_total', 'istio_dns_upstream_request_duration_seconds', 'istio_build', 'process_open_fds', 'process_max_fds']);

test('counters end in _total, and every name begins with landbridge_ unless it is a foreign one', async (t) => {
  const seen = new Set<string>();
  for (const { name, type } of [...(await agent.getMetricsAsJSON()), ...(await federation.getMetricsAsJSON())]) {
    if (FOREIGN_NAMES.has(name)) seen.add(name);
    else t.regex(name, /^landbridge_[a-z_]+$/);
    t.is(name.endsWith('_total'), String(type) === 'counter', name);
  }
  t.deepEqual(seen, FOREIGN_NAMES);
});

function labelsOf(metric: unknown): string {
  return (metric as { labelNames?: readonly string[] }).labelNames?.join() ?? '';
}
