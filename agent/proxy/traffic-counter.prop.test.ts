import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { connectionEnd, report, trafficLabels, workloadLabels } from './test-reports.ts';
import { type Metered, type Series, TrafficCounter } from './traffic-counter.ts';
import { TrafficMetrics } from './traffic-metrics.ts';
import { TrafficSeries } from './traffic-series.ts';

const ROOM = 3;
const WORKLOADS = 8;

const event = fc.oneof(
  /** `cached`: by the series that an earlier connection of the workload had, as sessions and routes keep it. */
  fc.record({ kind: fc.constant('open' as const), workload: fc.nat({ max: WORKLOADS - 1 }), cached: fc.boolean() }),
  fc.record({ kind: fc.constant('end' as const), which: fc.nat() }),
  fc.record({ kind: fc.constant('report' as const) }),
);

test('with room for a few label sets each connection counts once, for its own labels or without those of workloads', (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 150 }), (events) => {
      const table = new TrafficSeries();
      const traffic = new TrafficMetrics(table);
      const counter = new TrafficCounter('off', ROOM);
      const caches: (Series | undefined)[] = [];
      const live: Metered[] = [];
      const opened = Array.from({ length: WORKLOADS }, () => 0);
      const tell = (): void => traffic.apply(0, structuredClone(report(counter.takeReport())), 0);
      for (const happened of events) {
        if (happened.kind === 'report') tell();
        else if (happened.kind === 'end') {
          const [connection] = live.splice(happened.which % Math.max(live.length, 1), 1);
          if (connection !== undefined) counter.closed(connection, connectionEnd(), 0, connectionEnd);
        } else {
          const { workload, cached } = happened;
          const series = (cached ? caches[workload] : undefined) ?? counter.seriesOf(trafficLabels({ destination: workloadLabels(`w${workload}`) }));
          caches[workload] = series;
          const connection: Metered = { series, sentBytes: 1, receivedBytes: 2, reportedSent: 0, reportedReceived: 0, startedAtMs: 0, view: () => assert.fail() };
          counter.opened(connection);
          live.push(connection);
          opened[workload] = (opened[workload] ?? 0) + 1;
        }
      }
      for (const connection of live.splice(0)) counter.closed(connection, connectionEnd(), 0, connectionEnd);
      tell();
      const counted = new Map([...table.sums('opened')].map(({ shared, value }) => [shared.labels['destination_workload'], value]));
      const bytes = [...table.sums('requestBytes')].reduce((sum, { value }) => sum + value, 0);
      const total = opened.reduce((sum, each) => sum + each, 0);
      t.is([...counted.values()].reduce((sum, each) => sum + each, 0), total);
      t.is(bytes, total);
      for (const [i, count] of opened.entries()) t.true((counted.get(`w${i}`) ?? 0) <= count, `w${i}`);
      for (const { open } of [...opened.keys()].map((i) => table.of(trafficLabels({ destination: workloadLabels(`w${i}`) }), 0))) t.is(open, 0);
      t.deepEqual([...counted.keys()].filter((name) => !/^(w\d|unknown)$/.test(String(name))), []);
    }),
    { numRuns: 500 },
  );
});

test('label sets without connections make room for others, and keep theirs while they are used', (t) => {
  const counter = new TrafficCounter('off', ROOM);
  const seriesOf = (name: string): Series => counter.seriesOf(trafficLabels({ destination: workloadLabels(name) }));
  const open = (series: Series): Metered => {
    const connection: Metered = { series, sentBytes: 0, receivedBytes: 0, reportedSent: 0, reportedReceived: 0, startedAtMs: 0, view: () => assert.fail() };
    counter.opened(connection);
    return connection;
  };
  const held = open(seriesOf('held'));
  for (let i = 0; i < 100; i++) {
    const series = seriesOf(`passing-${i}`);
    t.is(series.labels.destination.workload, `passing-${i}`);
    counter.closed(open(series), connectionEnd(), 0, connectionEnd);
    counter.takeReport();
  }
  t.is(seriesOf('held'), held.series);
  t.true(seriesOf('last').id <= ROOM, 'numbers are used again');
  open(seriesOf('second'));
  open(seriesOf('third'));
  t.is(seriesOf('fourth').labels.destination.workload, '', 'while all have connections there is no room');
});

test('what the access log does not have is not written', (t) => {
  const closed = (mode: 'all' | 'errors' | 'off', error: string | undefined): readonly [asked: number, kept: number] => {
    const counter = new TrafficCounter(mode);
    const connection: Metered = { series: counter.seriesOf(trafficLabels()), sentBytes: 0, receivedBytes: 0, reportedSent: 0, reportedReceived: 0, startedAtMs: 0, view: () => assert.fail() };
    let asked = 0;
    counter.opened(connection);
    counter.closed(connection, { flag: '-', error }, 5, () => {
      asked++;
      return connectionEnd();
    });
    return [asked, counter.takeReport().ends.length];
  };
  t.deepEqual([closed('all', undefined), closed('errors', undefined), closed('errors', 'reset'), closed('off', 'reset')], [[1, 1], [0, 0], [1, 1], [0, 0]]);
});
