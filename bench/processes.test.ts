import test from 'ava';
import { cpuSecondsOf, rssKiBOf } from './processes.ts';

test('what this process uses is what Node.js says it uses', (t) => {
  const before = process.cpuUsage();
  const measured = cpuSecondsOf([process.pid]);
  t.true(Math.abs((before.user + before.system) / 1e6 - measured) < 0.1);
  t.true(Math.abs(rssKiBOf([process.pid]) / (process.memoryUsage.rss() / 1024) - 1) < 0.2);
});
