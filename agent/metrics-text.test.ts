import test from 'ava';
import { registry, tellVersion } from './metrics.ts';
import { metricsText } from './metrics-text.ts';
import { delta, report, trafficLabels, workloadLabels } from './proxy/test-reports.ts';
import { TrafficMetrics } from './proxy/traffic-metrics.ts';

const SERIES = 2000;

test.serial('the text says what the registry says', async (t) => {
  tellVersion('1.2.3');
  new TrafficMetrics().apply(0, report({ series: [delta(1, { labels: trafficLabels({ destination: workloadLabels('a"b\\c\nd') }), opened: 5, closed: [['DENY', 2]], failed: 2, sentBytes: 7 })], failures: [['inbound', 'identity', 1]] }), 0);
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !/^process_open_fds/.test(line)).map(sortLabels).sort();
  const own = (await Array.fromAsync(metricsText())).join('');
  t.deepEqual(lines(own), lines(await registry.metrics()));
  t.true(own.includes('istio_build{component="ztunnel",tag="landbridge-1.2.3"} 1\n'));
});

test.serial('others get their turn while a long text is made', async (t) => {
  new TrafficMetrics().apply(0, report({ series: Array.from({ length: SERIES }, (_, n) => delta(n, { labels: trafficLabels({ destination: workloadLabels(`w${n}`) }), opened: 1 })) }), 0);
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const pieces = await Array.fromAsync(metricsText());
  isOver = true;
  t.true(turns > 10, `${turns} turns`);
  t.is(pieces.join('').split('\n').filter((line) => line.startsWith('istio_tcp_connections_opened_total{')).length, SERIES + 1);
});

/** Their order means nothing. */
function sortLabels(line: string): string {
  const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
  return name === '' ? line : `${name}{${(labels.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? []).sort().join()}} ${value}`;
}
