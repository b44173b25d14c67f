import test from 'ava';
import { parseDuration } from './duration.ts';
import { age, printable, textTable } from './text-table.ts';

test('columns are as wide as their widest cell, empty cells are a dash', (t) => {
  t.is(textTable(['name', 'x'], [['longer-name', '1'], ['', '22']]), 'NAME         X\nlonger-name  1\n-            22\n');
});

test('what would move a terminal’s cursor is not printed', (t) => {
  t.is(printable('a\u001b[2Jb\r\n\u202ec – “d”'), 'a?[2Jb???c – “d”');
});

test('ages are in the largest fitting unit', (t) => {
  t.deepEqual([0, 119, 120, 7199, 7200, 172_799, 172_800, -5].map((seconds) => age(0, seconds * 1000)), ['0s', '119s', '2m', '119m', '2h', '47h', '2d', '0s']);
});

test('durations have a unit', (t) => {
  for (const [text, seconds] of [['90s', 90], ['15m', 900], ['1h', 3600]] as const) t.deepEqual(parseDuration(text), { ok: true, value: seconds });
  for (const text of ['', '15', '0m', '-1m', '1.5h', '1d', '9999999s']) t.false(parseDuration(text).ok, text);
});
