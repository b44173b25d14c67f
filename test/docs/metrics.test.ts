import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { registry as agent } from '@landbridge/agent/metrics.ts';
import { registry as federation } from '@landbridge/federation/metrics.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8');

for (const [program, heading, registry] of [['agent', '## Node agent', agent], ['federation service', '## Federation service', federation]] as const) {
  test(`docs/metrics.md has exactly the metrics of the ${program}`, async (t) => {
    const section = page.slice(page.indexOf(heading)).split('\n## ')[0] ?? '';
    const written = [...section.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm)].map(([, name, type, labels, help]) => ({ name, type, labels: labels?.replaceAll(/[`\s]/g, ''), help }));
    const metrics = await registry.getMetricsAsJSON();
    const real = metrics.map(({ name, type, help }) => ({ name, type: String(type), labels: labelsOf(registry.getSingleMetric(name)), help }));
    t.deepEqual(written, real);
  });
}

test('counters end in _total, and every name begins with landbridge_', async (t) => {
  for (const { name, type } of [...(await agent.getMetricsAsJSON()), ...(await federation.getMetricsAsJSON())]) {
    t.regex(name, /^landbridge_[a-z_]+$/);
    t.is(name.endsWith('_total'), String(type) === 'counter', name);
  }
});

function labelsOf(metric: unknown): string {
  return (metric as { labelNames?: readonly string[] }).labelNames?.join() ?? '';
}
