import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { connectionEnd, delta, report, trafficLabels, workloadLabels } from './test-reports.ts';
import type { ResponseFlag, SeriesDelta } from './thread-messages.ts';
import { type Metered, TrafficCounter } from './traffic-counter.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { TrafficSeries } from './traffic-series.ts';

const FLAGS: readonly ResponseFlag[] = ['-', 'DENY', 'CONNECT', 'TLS_FAILURE', 'H2_HANDSHAKE_FAILURE', 'NETWORK_POLICY', 'IDENTITY_ERROR', 'CERT_REVOKED'];
const TWO_HOURS_MS = 2 * 3600_000;

/** A connection: who carried it, to whom, in which reports it was told. */
const connection = fc.record({
  thread: fc.nat({ max: 2 }),
  workload: fc.nat({ max: 4 }),
  begin: fc.nat({ max: 7 }),
  /** Reports until its end; some outlive the test. */
  length: fc.nat({ max: 9 }),
  flag: fc.constantFrom(...FLAGS),
  sent: fc.nat({ max: 1e9 }),
  received: fc.nat({ max: 1e9 }),
});
const REPORTS = 8;

test('sums over reports equal sums over connections, whatever the threads, the time and the order', (t) => {
  fc.assert(
    fc.property(fc.array(connection, { maxLength: 40 }), fc.array(fc.constantFrom(0, 1000, TWO_HOURS_MS), { minLength: REPORTS, maxLength: REPORTS }), (connections, pauses) => {
      const table = new TrafficSeries();
      const traffic = new TrafficMetrics(table);
      const told = new Set<string>();
      let nowMs = 0;
      // Series that were removed take their values along: they are added up as they go.
      const removed = { opened: 0, sent: 0, received: 0, closed: new Map<ResponseFlag, number>() };
      const sweep = table.sweep.bind(table);
      table.sweep = (...parameters) => {
        const before = sumOf(table);
        sweep(...parameters);
        const after = sumOf(table);
        removed.opened += before.opened - after.opened;
        removed.sent += before.sent - after.sent;
        removed.received += before.received - after.received;
        for (const flag of FLAGS) removed.closed.set(flag, (removed.closed.get(flag) ?? 0) + (before.closed.get(flag) ?? 0) - (after.closed.get(flag) ?? 0));
      };
      for (let number = 0; number < REPORTS; number++) {
        nowMs += pauses[number] ?? 0;
        for (const thread of [0, 1, 2]) {
          const deltas: SeriesDelta[] = [];
          for (const workload of [4, 3, 2, 1, 0]) {
            const own = connections.filter((each) => each.thread === thread && each.workload === workload);
            const begun = own.filter(({ begin }) => begin === number);
            const ended = own.filter(({ begin, length }) => begin + length === number);
            if (begun.length + ended.length === 0) continue;
            const key = `${thread} ${workload}`;
            const flags = FLAGS.map((flag) => [flag, ended.filter((each) => each.flag === flag).length] as const).filter(([, count]) => count > 0);
            deltas.push(delta(workload, {
              labels: told.has(key) ? undefined : trafficLabels({ destination: workloadLabels(`w${workload}`) }),
              opened: begun.length,
              closed: flags,
              failed: ended.filter(({ flag }) => flag !== '-').length,
              sentBytes: ended.reduce((sum, { sent }) => sum + sent, 0),
              receivedBytes: ended.reduce((sum, { received }) => sum + received, 0),
            }));
            told.add(key);
          }
          traffic.apply(thread, report({ series: deltas }), nowMs);
        }
      }
      const begun = connections.filter(({ begin }) => begin < REPORTS);
      const ended = begun.filter(({ begin, length }) => begin + length < REPORTS);
      const sums = sumOf(table);
      const counted = { opened: sums.opened + removed.opened, sent: sums.sent + removed.sent, received: sums.received + removed.received };
      t.deepEqual(counted, { opened: begun.length, sent: ended.reduce((sum, { sent }) => sum + sent, 0), received: ended.reduce((sum, { received }) => sum + received, 0) });
      for (const flag of FLAGS) t.is((sums.closed.get(flag) ?? 0) + (removed.closed.get(flag) ?? 0), ended.filter((each) => each.flag === flag).length, flag);
      // Nothing that is open was removed, and nothing else is counted as open.
      let open = 0;
      for (let workload = 0; workload <= 4; workload++) open += table.of(trafficLabels({ destination: workloadLabels(`w${workload}`) }), nowMs).open;
      t.is(open, begun.length - ended.length);
    }),
  );
});

/** What happens to one of a thread's connections: it begins, carries bytes, or ends; or the thread reports. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), workload: fc.nat({ max: 3 }) }),
  fc.record({ kind: fc.constant('carry' as const), which: fc.nat(), sent: fc.nat({ max: 1e6 }), received: fc.nat({ max: 1e6 }) }),
  fc.record({ kind: fc.constant('end' as const), which: fc.nat(), flag: fc.constantFrom(...FLAGS) }),
  fc.record({ kind: fc.constant('report' as const) }),
);

test('what the counters of the threads report adds up to what they carried', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 1 }), event), { maxLength: 120 }), (events) => {
      const table = new TrafficSeries();
      const traffic = new TrafficMetrics(table);
      const counters = [new TrafficCounter('off'), new TrafficCounter('off')];
      const live: (Metered & { sentBytes: number; receivedBytes: number })[][] = [[], []];
      const expected = { opened: 0, sent: 0, received: 0, closed: new Map<ResponseFlag, number>([['-', 0]]) };
      const tell = (thread: number): void => traffic.apply(thread, structuredClone(report((counters[thread] as TrafficCounter).takeReport())), 0);
      for (const [thread, happened] of events) {
        const [counter, own] = [counters[thread] as TrafficCounter, live[thread] as (typeof live)[number]];
        const at = 'which' in happened ? happened.which % Math.max(own.length, 1) : -1;
        const connection = own[at];
        if (happened.kind === 'open') {
          const opened = { series: counter.seriesOf(trafficLabels({ destination: workloadLabels(`w${happened.workload}`) })), sentBytes: 0, receivedBytes: 0, reportedSent: 0, reportedReceived: 0, startedAtMs: 0, view: () => assert.fail() };
          counter.opened(opened);
          own.push(opened);
          expected.opened++;
        } else if (happened.kind === 'report') {
          tell(thread);
        } else if (connection !== undefined && happened.kind === 'carry') {
          connection.sentBytes += happened.sent;
          connection.receivedBytes += happened.received;
          expected.sent += happened.sent;
          expected.received += happened.received;
        } else if (connection !== undefined && happened.kind === 'end') {
          own.splice(at, 1);
          counter.closed(connection, { flag: happened.flag, error: undefined }, 0, connectionEnd);
          expected.closed.set(happened.flag, (expected.closed.get(happened.flag) ?? 0) + 1);
        }
      }
      for (const thread of [0, 1]) tell(thread);
      const { closed, ...sums } = sumOf(table);
      t.deepEqual(sums, { opened: expected.opened, sent: expected.sent, received: expected.received });
      for (const flag of FLAGS) t.is(closed.get(flag) ?? 0, expected.closed.get(flag) ?? 0, flag);
    }),
  );
});

function sumOf(table: TrafficSeries): { readonly opened: number; readonly sent: number; readonly received: number; readonly closed: ReadonlyMap<ResponseFlag, number> } {
  const total = (value: 'opened' | 'requestBytes' | 'responseBytes'): number => [...table.sums(value)].reduce((sum, each) => sum + each.value, 0);
  const closed = new Map<ResponseFlag, number>();
  for (const { labelValue, value } of table.byFlag('closed')) {
    const flag = labelValue as ResponseFlag;
    closed.set(flag, (closed.get(flag) ?? 0) + value);
  }
  return { opened: total('opened'), sent: total('requestBytes'), received: total('responseBytes'), closed };
}
