import test from 'ava';
import { cpuSecondsOf, parseCpuSeconds, rssKiBOf } from './processes.ts';

test('times are found behind any name of a process', (t) => {
  t.is(parseCpuSeconds('7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 1 1 1'), 1.75);
});

test('what this process uses is what Node.js says it uses', (t) => {
  const before = process.cpuUsage();
  const measured = cpuSecondsOf([process.pid]);
  t.true(Math.abs((before.user + before.system) / 1e6 - measured) < 0.1);
  t.true(Math.abs(rssKiBOf([process.pid]) / (process.memoryUsage.rss() / 1024) - 1) < 0.2);
});
