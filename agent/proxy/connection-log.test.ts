import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { pino } from 'pino';
import { registry } from '../metrics.ts';
import { LineBatch } from '../line-batch.ts';
import { MAX_LINE_SOURCES } from '../line-limit.ts';
import { ConnectionLog, FAILURE_LINES, LINES_PER_TURN, MAX_WAITING_ENDS } from './connection-log.ts';
import { connectionEnd, trafficLabels, workloadLabels } from './test-reports.ts';
import type { ConnectionEnd, ConnectionTuning, TrafficLabels } from './thread-messages.ts';

type Line = Readonly<Record<string, unknown>>;

function createLog(mode: ConnectionTuning['accessLog'] = 'all', labels: TrafficLabels = trafficLabels(), level = 'info') {
  const lines: Line[] = [];
  const log = new ConnectionLog(pino({ level, base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) }), mode);
  const write = (ends: readonly ConnectionEnd[], nowMs = 0, dropped = 0): readonly Line[] => {
    const before = lines.length;
    log.write(ends, dropped, (series) => (series === REFUSED ? refusedLabels : labels), nowMs);
    log.flush();
    return lines.slice(before);
  };
  return { log, write };
}

const REFUSED = 2;

/** A connection for which nothing was dialled, and what is known of such ones. */
const refusal = (over: Partial<ConnectionEnd> = {}): ConnectionEnd => connectionEnd({ series: REFUSED, destinationAddress: '10.9.0.1:8080', hboneAddress: undefined, destinationIdentity: undefined, flag: 'CONNECT', error: 'no healthy endpoint for cart.shop.svc.cluster.local:8080', sentBytes: 0, receivedBytes: 0, ...over });
const nobody = workloadLabels('', { namespace: '', canonicalName: '', canonicalRevision: '', cluster: '', region: '', zone: '', principal: '' });
const refusedLabels = trafficLabels({ carriage: 'plain', destination: nobody, service: undefined });

async function droppedLines(cause: string): Promise<number> {
  const values = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'landbridge_access_log_dropped_total')?.values ?? [];
  return values.find(({ labels }) => labels['cause'] === cause)?.value ?? 0;
}

test('a completed connection is one line, with the fields of ztunnel in their order', (t) => {
  const [line, ...others] = createLog().write([connectionEnd()]);
  t.deepEqual(Object.entries(line ?? {}), [
    ['level', 'info'],
    ['scope', 'access'],
    ['src.addr', '10.0.0.1:40000'],
    ['src.workload', 'web'],
    ['src.namespace', 'shop'],
    ['src.identity', 'spiffe://east.landbridge/ns/shop/sa/web'],
    ['src.cluster', 'east'],
    ['dst.addr', '10.0.1.1:15008'],
    ['dst.hbone_addr', '10.0.1.1:8080'],
    ['dst.service', 'cart.shop.svc.cluster.local'],
    ['dst.workload', 'cart'],
    ['dst.namespace', 'shop'],
    ['dst.identity', 'spiffe://east.landbridge/ns/shop/sa/cart'],
    ['dst.cluster', 'east'],
    ['direction', 'outbound'],
    ['tunnel', 'hbone'],
    ['bytes_sent', 84],
    ['bytes_recv', 358],
    ['duration', '12ms'],
    ['msg', 'connection complete'],
  ]);
  t.deepEqual(others, []);
});

test('what is not known is left out', (t) => {
  const [line] = createLog('all', trafficLabels({ direction: 'inbound', carriage: 'plain', source: nobody, service: undefined })).write([connectionEnd({ sourceIdentity: undefined, destinationIdentity: undefined, hboneAddress: undefined })]);
  t.deepEqual(Object.keys(line ?? {}), ['level', 'scope', 'src.addr', 'dst.addr', 'dst.workload', 'dst.namespace', 'dst.cluster', 'direction', 'tunnel', 'bytes_sent', 'bytes_recv', 'duration', 'msg']);
  t.like(line, { direction: 'inbound', tunnel: 'none', msg: 'connection complete' });
});

test('bytes are those of the pod on this node', (t) => {
  const [line] = createLog('all', trafficLabels({ direction: 'inbound' })).write([connectionEnd({ sentBytes: 84, receivedBytes: 358 })]);
  t.like(line, { bytes_sent: 358, bytes_recv: 84 });
});

test('the way of the bytes and the trace are marked', (t) => {
  for (const [carriage, tunnel] of [['hbone', 'hbone'], ['double-hbone', 'double-hbone'], ['local', 'local'], ['plain', 'none']] as const) {
    t.is(createLog('all', trafficLabels({ carriage })).write([connectionEnd()])[0]?.['tunnel'], tunnel);
  }
  t.is(createLog().write([connectionEnd({ traceId: '4bf92f3577b34da6a3ce929d0e0e4736' })])[0]?.['trace_id'], '4bf92f3577b34da6a3ce929d0e0e4736');
});

test('a connection that failed on its way is an error, one that was refused a warning', (t) => {
  const { write } = createLog();
  t.like(write([connectionEnd({ flag: 'CONNECT', error: 'reset by the peer' })])[0], { level: 'error', msg: 'connection complete', error: 'reset by the peer', bytes_sent: 84 });
  t.like(write([refusal()])[0], { level: 'warn', msg: 'connection failed', error: 'no healthy endpoint for cart.shop.svc.cluster.local:8080', 'dst.addr': '10.9.0.1:8080', 'src.workload': 'web' });
});

test('the mode says what is written', (t) => {
  const ends = [connectionEnd(), connectionEnd({ flag: 'DENY', error: 'denied' }), refusal()];
  const levels = (mode: ConnectionTuning['accessLog'], level = 'info') => createLog(mode, trafficLabels(), level).write(ends, 0, 1).map((line) => line['level']);
  t.deepEqual(levels('all'), ['info', 'error', 'warn', 'warn']);
  t.deepEqual(levels('errors'), ['error', 'warn', 'warn']);
  t.deepEqual(levels('off'), []);
  t.deepEqual(levels('all', 'error'), ['error']);
  const { log, write } = createLog('off');
  log.mode = 'all';
  t.is(write(ends).length, 3);
});

test.serial('refusals of one source get a line a second, with the number of those without', async (t) => {
  const { write } = createLog();
  const before = await droppedLines('repeated');
  const [first, ...none] = write([refusal(), refusal({ sourceAddress: '10.0.0.1:40001' }), refusal({ sourceAddress: '10.0.0.1:40002' })], 0);
  t.false('suppressed' in (first ?? {}));
  t.deepEqual(none, []);
  t.is(write([refusal({ sourceAddress: '[fd00::1]:40002' })], 10).length, 1, 'another source');
  t.deepEqual(write([refusal()], 999), []);
  const [next] = write([refusal({ sourceAddress: '10.0.0.1:40003' })], 1001);
  t.like(next, { 'src.addr': '10.0.0.1:40003', suppressed: 3, msg: 'connection failed' });
  t.is(await droppedLines('repeated'), before + 3);
});

test('a source that went quiet gets its last count', (t) => {
  const { write } = createLog();
  write([refusal(), refusal(), refusal()], 0);
  t.deepEqual(write([], 500), []);
  t.deepEqual(write([], 1500).map(({ scope: _, ...line }) => line), [{ level: 'warn', 'src.addr': '10.0.0.1', suppressed: 2, msg: 'further connections failed' }]);
  t.deepEqual(write([], 4000), []);
  t.false('suppressed' in (write([refusal()], 5000)[0] ?? {}));
});

test('failures without a byte are bounded for each source, those with bytes never', (t) => {
  const { write } = createLog();
  const denied = Array.from({ length: 100 }, (_, n) => connectionEnd({ sourceAddress: `10.0.0.1:${n}`, flag: 'DENY', error: 'denied', sentBytes: 0, receivedBytes: 0 }));
  t.is(write(denied).length, FAILURE_LINES.burst);
  t.is(write(denied.map((each) => ({ ...each, receivedBytes: 1 }))).length, 100);
  const later = write(denied, 5000);
  t.deepEqual(later.map((line) => [line['level'], line['msg'], line['suppressed']]).slice(0, 2), [['error', 'connection complete', 100 - FAILURE_LINES.burst], ['error', 'connection complete', undefined]]);
  t.is(later.length, 5);
});

test('a flood of sources costs a bounded number of lines and entries', (t) => {
  const { write } = createLog();
  const flood = Array.from({ length: MAX_LINE_SOURCES + 1000 }, (_, n) => refusal({ sourceAddress: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:1` }));
  t.is(write(flood, 0).length, MAX_LINE_SOURCES + 1);
  const later = write([], 2000);
  t.deepEqual(later.map((line) => [line['src.addr'], line['suppressed']]), [['further', 999]]);
  t.is(write(flood.slice(0, 10), 4000).length, 10, 'there is room again');
});

test.serial('lines that a thread could not keep are counted, and said now and then', async (t) => {
  const { write } = createLog();
  const before = await droppedLines('overflow');
  t.like(write([], 0, 7)[0], { level: 'warn', lines: 7 });
  t.deepEqual(write([], 1000, 5), []);
  t.deepEqual(write([], 9999), []);
  t.like(write([], 10_000, 1)[0], { lines: 6 });
  t.is(await droppedLines('overflow'), before + 13);
});

test('a large report is written in turns, and each turn in one piece', async (t) => {
  const writes: string[] = [];
  const batch = new LineBatch({ write: (lines) => writes.push(lines) });
  const log = new ConnectionLog(pino({ base: null, timestamp: false }, batch), 'all', batch);
  const count = 2 * LINES_PER_TURN + 1;
  log.write(Array.from({ length: count }, (_, n) => connectionEnd({ sourceAddress: `10.0.0.1:${n}` })), 0, () => trafficLabels(), 0);
  const lines = (): string[] => writes.join('').split('\n').slice(0, -1);
  t.is(lines().length, LINES_PER_TURN);
  t.true(writes.length < 10, `${writes.length} writes`);
  log.write([connectionEnd({ sourceAddress: 'last' })], 0, () => trafficLabels(), 0);
  t.is(lines().length, LINES_PER_TURN, 'the order is kept');
  while (lines().length <= count) await nextTurn();
  t.deepEqual(lines().map((line) => (JSON.parse(line) as Line)['src.addr']), [...Array.from({ length: count }, (_, n) => `10.0.0.1:${n}`), 'last']);
});

test.serial('what waits is bounded', async (t) => {
  const { log, write } = createLog('errors');
  const before = await droppedLines('overflow');
  const many = Array.from({ length: MAX_WAITING_ENDS }, () => connectionEnd());
  log.write(many, 0, () => trafficLabels(), 0);
  log.write(many, 0, () => trafficLabels(), 0);
  t.is(await droppedLines('overflow'), before + MAX_WAITING_ENDS);
  log.flush();
  log.write(many, 0, () => trafficLabels(), 0);
  log.flush();
  t.is(await droppedLines('overflow'), before + MAX_WAITING_ENDS, 'there is room again');
  t.deepEqual(write([], 5), []);
});
