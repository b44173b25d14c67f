import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import test from 'ava';
import { registryOf, workloadOf } from '../discovery/test-resources.ts';
import { registry } from '../metrics.ts';
import { answeringResolver } from './answering-resolver.ts';
import type { DnsClient } from './dns-resolver.ts';
import { MAX_CLIENTS, NameMetrics } from './name-metrics.ts';

const clientOf = (n: number): DnsClient => ({ uid: `u-${n}`, namespace: 'demo', name: `echo-${n}`, serviceAccount: 'echo', addresses: [`10.1.${n >> 8}.${n & 0xff}`] });
const mesh = registryOf(...Array.from({ length: MAX_CLIENTS + 2 }, (_, n) => workloadOf(n, { addresses: [`/10.1.${n >> 8}.${n & 0xff}`], canonicalName: `service-${n}`, canonicalRevision: 'v2' })));

async function counted(name: string): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric(name)?.get();
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [Object.values(labels).join(' '), value]));
}

test.beforeEach(() => registry.resetMetrics());

test.serial('each query is counted by its type, its way and who asks, whatever becomes of it', async (t) => {
  const metrics = new NameMetrics(mesh, '');
  const resolver = answeringResolver({ registry: mesh, isReady: true }, { clusterDomain: 'cluster.local', network: '', random: Math.random }, metrics.requested.bind(metrics));
  for (const transport of ['udp', 'udp', 'tcp'] as const) resolver(exampleQueryBytes('cart.shop.svc.clusterset.local'), clientOf(1), transport);
  resolver(exampleQueryBytes('example.org', 99), clientOf(1), 'udp');
  resolver(exampleQueryBytes('example.org', 'AAAA').subarray(0, 20), clientOf(1), 'udp');
  resolver(exampleQueryBytes('example.org', 'HTTPS'), { ...clientOf(1), name: 'stranger' }, 'udp');
  resolver(new Uint8Array(3), clientOf(1), 'udp');
  t.deepEqual(await counted('istio_dns_requests_total'), { 'A udp service-1 v2': 2, 'A tcp service-1 v2': 1, 'other udp service-1 v2': 2, 'HTTPS udp unknown unknown': 1 });
});

test.serial('what goes to a server is counted by how that ends', async (t) => {
  const metrics = new NameMetrics(mesh, '');
  const query = exampleQueryBytes('example.org', 'AAAA');
  metrics.forwarded(query, clientOf(2), 'udp')(true);
  metrics.forwarded(query, clientOf(2), 'udp')(false);
  metrics.forwarded(query, clientOf(2), 'udp');
  t.deepEqual(await counted('istio_dns_upstream_requests_total'), { 'AAAA udp service-2 v2': 3 });
  t.deepEqual(await counted('istio_dns_upstream_failures_total'), { 'AAAA udp service-2 v2': 1 });
  metrics.refused('tcp');
  t.deepEqual(await counted('landbridge_dns_refused_total'), { tcp: 1 });
  t.regex(await registry.getSingleMetricAsString('istio_dns_upstream_request_duration_seconds'), /_count\{[^}]*service-2[^}]*\} 2/);
});

test.serial('the client that was silent longest is forgotten when there are too many', async (t) => {
  const metrics = new NameMetrics(mesh, '');
  for (let n = 0; n < MAX_CLIENTS; n++) metrics.requested(1, clientOf(n), 'udp');
  metrics.requested(1, clientOf(0), 'udp');
  metrics.requested(1, clientOf(MAX_CLIENTS), 'udp');
  const names = Object.keys(await counted('istio_dns_requests_total'));
  t.is(names.length, MAX_CLIENTS);
  t.true(names.includes('A udp service-0 v2'));
  t.false(names.includes('A udp service-1 v2'));
});
