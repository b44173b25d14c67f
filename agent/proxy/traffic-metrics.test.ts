import test from 'ava';
import { metrics, registry, trafficSeries } from '../metrics.ts';
import { metricsText } from '../metrics-text.ts';
import { connectionEnd, delta, report, trafficLabels, workloadLabels } from './test-reports.ts';
import { MAX_THREAD_SERIES, TrafficMetrics } from './traffic-metrics.ts';
import { FULL_SERIES_IDLE_MS, MAX_FOREIGN_SERIES, MAX_LABEL_CHARACTERS, MAX_SERIES, SERIES_IDLE_MS, TrafficSeries } from './traffic-series.ts';

async function text(): Promise<string> {
  return (await Array.fromAsync(metricsText())).join('');
}

/** Values of a counter by the labels that were asked for. */
async function valuesOf(name: string, ...labels: string[]): Promise<Record<string, number>> {
  const metric = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
  return Object.fromEntries((metric?.values ?? []).map((value) => [labels.map((label) => value.labels[label]).join(' '), value.value]));
}

test.serial("a connection is told with ztunnel's names, labels and view of bytes", async (t) => {
  const traffic = new TrafficMetrics();
  traffic.apply(0, report({ series: [delta(1, { labels: trafficLabels(), opened: 2, closed: [['-', 1]], sentBytes: 84, receivedBytes: 358 })] }), 0);
  const labels = {
    reporter: 'source',
    source_workload: 'web',
    source_canonical_service: 'web-app',
    source_canonical_revision: 'v1',
    source_workload_namespace: 'shop',
    source_principal: 'spiffe://east.landbridge/ns/shop/sa/web',
    source_app: 'web-app',
    source_version: 'v1',
    source_cluster: 'east',
    source_region: 'r1',
    source_zone: 'z1',
    destination_service: 'cart.shop.svc.cluster.local',
    destination_service_namespace: 'shop',
    destination_service_name: 'cart',
    destination_workload: 'cart',
    destination_canonical_service: 'cart-app',
    destination_canonical_revision: 'v1',
    destination_workload_namespace: 'shop',
    destination_principal: 'spiffe://east.landbridge/ns/shop/sa/cart',
    destination_app: 'cart-app',
    destination_version: 'v1',
    destination_cluster: 'east',
    destination_region: 'r1',
    destination_zone: 'z1',
    request_protocol: 'tcp',
    connection_security_policy: 'mutual_tls',
    response_flags: '-',
  };
  const told = await registry.getMetricsAsJSON();
  const toldOf = (name: string): unknown => told.find((each) => each.name === name)?.values;
  t.deepEqual(toldOf('istio_tcp_connections_opened_total'), [{ labels, value: 2 }]);
  t.deepEqual(toldOf('istio_tcp_connections_closed_total'), [{ labels, value: 1 }]);
  t.deepEqual(toldOf('istio_tcp_connections_failed_total'), []);
  // Requests are received and responses are sent, at either side.
  t.deepEqual(toldOf('istio_tcp_received_bytes_total'), [{ labels, value: 84 }]);
  t.deepEqual(toldOf('istio_tcp_sent_bytes_total'), [{ labels, value: 358 }]);
  const [line] = (await text()).split('\n').filter((each) => each.startsWith('istio_tcp_sent_bytes_total{'));
  t.regex(line ?? '', / 358$/);
  for (const [name, value] of Object.entries(labels)) t.true(line?.includes(`${name}="${value}"`), name);
  t.is(line?.split('",').length, Object.keys(labels).length);
});

test.serial('the destination reports bytes as the source does; what is not known is "unknown"', async (t) => {
  const traffic = new TrafficMetrics();
  const nobody = workloadLabels('', { namespace: '', canonicalName: '', canonicalRevision: '', cluster: '', region: '', zone: '', principal: 'spiffe://east.landbridge/ns/shop/sa/claimed' });
  traffic.apply(0, report({ series: [delta(1, { labels: trafficLabels({ direction: 'inbound', carriage: 'plain', source: nobody, service: undefined }), opened: 1, sentBytes: 3, receivedBytes: 5 })] }), 0);
  const told = await registry.getMetricsAsJSON();
  const find = (name: string) => told.find((each) => each.name === name)?.values.find(({ labels }) => labels['reporter'] === 'destination');
  t.is(find('istio_tcp_received_bytes_total')?.value, 3);
  t.is(find('istio_tcp_sent_bytes_total')?.value, 5);
  t.like(find('istio_tcp_sent_bytes_total')?.labels, {
    connection_security_policy: 'unknown',
    source_workload: 'unknown',
    source_cluster: 'unknown',
    // Without a certificate nothing was proven.
    source_principal: 'unknown',
    destination_service: 'unknown',
    destination_principal: 'spiffe://east.landbridge/ns/shop/sa/cart',
  });
});

test.serial('connections inside the node are no TLS, and have a counter of their own', async (t) => {
  const traffic = new TrafficMetrics();
  const before = (await valuesOf('landbridge_connections_total', 'direction', 'carriage'))['outbound local'] ?? 0;
  const local = trafficLabels({ carriage: 'local', destination: workloadLabels('near') });
  traffic.apply(0, report({ series: [delta(1, { labels: local, opened: 3 }), delta(2, { labels: { ...local, service: undefined }, opened: 4 })] }), 0);
  t.is((await valuesOf('landbridge_connections_total', 'direction', 'carriage'))['outbound local'], before + 7);
  t.is((await valuesOf('istio_tcp_connections_opened_total', 'destination_workload', 'connection_security_policy', 'destination_service_name'))['near unknown cart'], 3);
});

test.serial('failures bear their response flag; without one there is no failure, as an application may reset its connection', async (t) => {
  const traffic = new TrafficMetrics();
  const labels = trafficLabels({ destination: workloadLabels('failing') });
  traffic.apply(0, report({ series: [delta(1, { labels, opened: 9, closed: [['-', 2], ['DENY', 3], ['TLS_FAILURE', 1]], failed: 5 })] }), 0);
  const failed = await valuesOf('istio_tcp_connections_failed_total', 'destination_workload', 'response_flags');
  t.is(failed['failing DENY'], 3);
  t.is(failed['failing TLS_FAILURE'], 1);
  t.deepEqual(Object.keys(failed).filter((key) => key.startsWith('failing')).length, 2);
  t.is((await valuesOf('istio_tcp_connections_closed_total', 'destination_workload', 'response_flags'))['failing DENY'], 3);
});

test.serial('numbers of series belong to a thread; equal labels of several threads are one series', async (t) => {
  const traffic = new TrafficMetrics();
  const a = trafficLabels({ destination: workloadLabels('shared') });
  const b = trafficLabels({ destination: workloadLabels('own') });
  traffic.apply(0, report({ series: [delta(1, { labels: a, opened: 1 })] }), 0);
  traffic.apply(1, report({ series: [delta(1, { labels: b, opened: 10 }), delta(2, { labels: a, opened: 100 })] }), 0);
  traffic.apply(0, report({ series: [delta(1, { opened: 1000 })] }), 0);
  const opened = await valuesOf('istio_tcp_connections_opened_total', 'destination_workload');
  t.is(opened['shared'], 1101);
  t.is(opened['own'], 10);
  t.is(traffic.labelsOf(1, 1), b);
  t.is(traffic.labelsOf(1, connectionEnd({ series: 77 }).series).source.workload, '', 'a series that was never told');
});

test.serial('gauges add up over the threads, and leave with a thread', async (t) => {
  const traffic = new TrafficMetrics();
  traffic.apply(0, report({ gauges: { openConnections: 3, clientSessions: 1, serverSessions: 2, handshakes: 4, handshakesDone: 7, sockets: 9, busy: 0.5 } }), 0);
  traffic.apply(1, report({ gauges: { openConnections: 30, clientSessions: 10, serverSessions: 20, handshakes: 40, handshakesDone: 70, sockets: 90, busy: 0.25 } }), 0);
  const gauge = async (name: string, label = ''): Promise<Record<string, number>> => await valuesOf(name, label);
  t.deepEqual(await gauge('landbridge_open_connections'), { '': 33 });
  t.deepEqual(await gauge('landbridge_tunnel_sessions', 'role'), { client: 11, server: 22 });
  t.deepEqual(await gauge('landbridge_tunnel_handshakes'), { '': 44 });
  t.deepEqual(await gauge('landbridge_thread_busy_ratio', 'thread'), { 0: 0.5, 1: 0.25 });
  const before = (await gauge('landbridge_tunnel_handshakes_total'))[''] ?? 0;
  traffic.apply(1, report({ gauges: { handshakesDone: 5 } }), 1000);
  t.is((await gauge('landbridge_tunnel_handshakes_total'))[''], before + 5);
  traffic.forget(0, 2000);
  t.deepEqual(await gauge('landbridge_thread_busy_ratio', 'thread'), { 1: 0 });
  t.deepEqual(await gauge('landbridge_thread_sockets', 'thread'), { 1: 0 });
  t.deepEqual(await gauge('landbridge_open_connections'), { '': 0 });
});

test.serial('reasons of failures are a closed set', async (t) => {
  new TrafficMetrics().apply(0, report({ failures: [['inbound', 'tls-alert', 2], ['outbound', 'made-up', 3], ['outbound', 'constructor', 1]] }), 0);
  t.deepEqual(await valuesOf('landbridge_tunnel_failures_total', 'direction', 'reason'), { 'inbound tls-alert': 2, 'outbound other': 4 });
});

test.serial('connections of a thread that is gone are closed', async (t) => {
  const table = new TrafficSeries();
  const traffic = new TrafficMetrics(table);
  traffic.apply(4, report({ series: [delta(1, { labels: trafficLabels(), opened: 5, closed: [['-', 2]] })] }), 0);
  traffic.forget(4, 0);
  traffic.forget(4, 0);
  const series = table.of(trafficLabels(), 0);
  t.is(series.open, 0);
  t.deepEqual([...series.closed], [['-', 2], ['CONNECT', 3]]);
  t.deepEqual([...series.failed], [['CONNECT', 3]]);
});

test.serial('beyond the limit, connections count as "other", until there is room', (t) => {
  const table = new TrafficSeries();
  const traffic = new TrafficMetrics(table);
  const numbered = (n: number) => trafficLabels({ destination: workloadLabels(`w${n}`) });
  traffic.apply(0, report({ series: Array.from({ length: MAX_SERIES + 2 }, (_, n) => delta(n, { labels: numbered(n), opened: 1, closed: n === 0 ? [] : [['-', 1]] })) }), 0);
  t.is(table.size, MAX_SERIES);
  t.is(table.folded, 2);
  const others = () => [...table.sums('opened')].filter(({ shared }) => shared.labels.destination_workload === 'other');
  t.deepEqual(others().map(({ value }) => value), [2]);
  t.like(others()[0]?.shared.labels, { reporter: 'source', connection_security_policy: 'mutual_tls', source_workload: 'other', source_principal: 'other', destination_service: 'other', request_protocol: 'tcp' });
  // All but the first, which has a connection open, make room once they are idle.
  const later = FULL_SERIES_IDLE_MS + 1;
  traffic.apply(0, report({ series: [delta(MAX_SERIES + 5, { labels: numbered(MAX_SERIES + 5), opened: 1 }), delta(MAX_SERIES, { opened: 1 }), delta(5, { opened: 1 })] }), later);
  t.is(table.size, 4);
  t.deepEqual([...table.sums('opened')].map(({ shared, value }) => [shared.labels.destination_workload, value]), [['w0', 1], ['w4005', 1], ['w4000', 1], ['w5', 1], ['other', 2]]);
});

test.serial("one foreign trust domain can not take the others' room", (t) => {
  const table = new TrafficSeries();
  const peer = (domain: string, n: number) => trafficLabels({ direction: 'inbound', source: workloadLabels(`w${n}`, { principal: `spiffe://${domain}/ns/a/sa/b` }) });
  for (let n = 0; n < MAX_FOREIGN_SERIES + 10; n++) table.of(peer('west.landbridge', n), 0);
  t.is(table.size, MAX_FOREIGN_SERIES);
  t.true(table.of(peer('west.landbridge', MAX_FOREIGN_SERIES), 0).isOther);
  t.false(table.of(peer('north.landbridge', 0), 0).isOther);
  for (let n = 0; n < MAX_FOREIGN_SERIES + 10; n++) t.false(table.of(peer('east.landbridge', n), 0).isOther);
  table.sweep(SERIES_IDLE_MS);
  t.is(table.size, 0);
  t.false(table.of(peer('west.landbridge', MAX_FOREIGN_SERIES), SERIES_IDLE_MS).isOther, 'what was removed does not count');
});

test.serial('series without connections are removed after a long time, not before', (t) => {
  const table = new TrafficSeries();
  const traffic = new TrafficMetrics(table);
  const busy = trafficLabels({ destination: workloadLabels('busy') });
  traffic.apply(0, report({ series: [delta(1, { labels: trafficLabels(), opened: 1, closed: [['-', 1]] }), delta(2, { labels: busy, opened: 1 })] }), 0);
  traffic.apply(0, report(), SERIES_IDLE_MS - 1);
  t.is(table.size, 2);
  traffic.apply(0, report(), SERIES_IDLE_MS + 60_000);
  t.deepEqual([...table.sums('opened')].map(({ shared }) => shared.labels.destination_workload), ['busy']);
  // The thread does not know of it and tells no labels again.
  traffic.apply(0, report({ series: [delta(1, { opened: 2 })] }), SERIES_IDLE_MS + 60_001);
  t.deepEqual([...table.sums('opened')].map(({ shared, value }) => [shared.labels.destination_workload, value]), [['busy', 1], ['cart', 2]]);
});

test.serial('a thread may give a number to other labels', (t) => {
  const table = new TrafficSeries();
  const traffic = new TrafficMetrics(table);
  const next = trafficLabels({ destination: workloadLabels('next') });
  traffic.apply(0, report({ series: [delta(1, { labels: trafficLabels(), opened: 1 })] }), 0);
  traffic.apply(0, report({ series: [delta(1, { labels: next, opened: 1 })] }), 0);
  t.is(traffic.labelsOf(0, 1), next);
  t.is(table.of(trafficLabels(), 0).open, 0);
  t.is(table.of(next, 0).open, 1);
});

test.serial('what a thread could do wrong costs no memory without end', (t) => {
  const table = new TrafficSeries();
  const traffic = new TrafficMetrics(table);
  traffic.apply(0, report({ series: Array.from({ length: MAX_THREAD_SERIES + 1 }, (_, n) => delta(n, { opened: 1 })) }), 0);
  t.is(table.size, 1);
  t.deepEqual([...table.sums('opened')].map(({ value }) => value), [MAX_THREAD_SERIES + 1]);
  const long = trafficLabels({ destination: workloadLabels('x'.repeat(MAX_LABEL_CHARACTERS + 1)) });
  t.is(table.of(long, 0).shared.labels.destination_workload?.toString().length, MAX_LABEL_CHARACTERS);
});

test.serial('values of labels are escaped', async (t) => {
  new TrafficMetrics().apply(0, report({ series: [delta(1, { labels: trafficLabels({ destination: workloadLabels('a"b\\c\nd') }), opened: 1 })] }), 0);
  t.true((await text()).includes('destination_workload="a\\"b\\\\c\\nd"'));
  t.true(trafficSeries.size > 0);
  t.is((await metrics.trafficSeries.get()).values[0]?.value, trafficSeries.size);
});
