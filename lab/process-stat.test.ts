import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseProcessStat } from './process-stat.ts';

test('fields are found behind any name of a program', (t) => {
  t.deepEqual(parseProcessStat('7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 4711 1 1 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 2 0 0 0'), { program: 'a) b (c', parent: 1, seconds: 1.75, startTicks: 4711, policy: 2 });
});

test('it says of this process what Node.js says', (t) => {
  const { user, system } = process.cpuUsage();
  const { program, parent, seconds, startTicks, policy } = parseProcessStat(readFileSync('/proc/self/stat', 'utf8'));
  t.deepEqual([program, parent, policy], [readFileSync('/proc/self/comm', 'utf8').trim(), process.ppid, 0]);
  t.true(Math.abs((user + system) / 1e6 - seconds) < 0.1);
  t.true(startTicks > 0);
});
