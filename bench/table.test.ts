import test from 'ava';
import { CASES, type Case } from './cases.ts';
import { foreignShare, Rows, rowsOf } from './rows.ts';
import type { Cell } from './rounds.ts';
import { ratioTable, valueTable } from './table.ts';

const find = (name: string): Case => CASES.find((one) => one.name === name)!;

function cell(path: string, name: string, rates: readonly number[], failure?: string): Cell {
  const samples = rates.map((rate) => ({ values: { rate, cpu: 2, rss: 10, p50: 5, p99: 50 }, cpuSeconds: 2, rssKiB: 10_240, foreign: 0.01 }));
  return { topology: 'veth', path, one: find(name), samples, failure };
}

const rows = new Rows(rowsOf([cell('ours', 'up-1', [1, 3, 2]), cell('rust', 'up-1', [0.5, 1, 4]), cell('haproxy', 'up-1', [1, 2], 'it ended')]));
const outline = { topology: 'veth', cases: [find('up-1')], paths: ['ours', 'rust', 'haproxy'], ours: ['ours'] };

test('values are medians, with their range where the case is about them, and failures are told', (t) => {
  t.is(
    valueTable(rows, outline),
    [
      '| case |  | ours | rust | haproxy |',
      '|---|---|---|---|---|',
      '| up, 1 connection | GiB/s | 2.00 (1.00–3.00) | 1.00 (0.500–4.00) | failed |',
      '|  | cpu, s/GiB | 2.00 | 2.00 | failed |',
      '|  | rss, MiB | 10.0 | 10.0 | failed |',
    ].join('\n'),
  );
});

test('ratios are of ours to each other path, and none where there is nothing to divide by', (t) => {
  const table = ratioTable(rows, outline);
  t.true(table?.includes('| case |  | ours / rust | ours / haproxy |'));
  t.true(table?.includes('| up, 1 connection | rate, more is better | 2.00 | – |'));
  t.true(table?.includes('|  | cpu, less is better | 1.00 | – |'));
});

test('without a path of ours there are no ratios', (t) => {
  t.is(ratioTable(rows, { ...outline, paths: ['rust', 'haproxy'], ours: [] }), undefined);
});

test('the share of others is the median of what is known', (t) => {
  const [row] = rows.all;
  t.is(foreignShare([{ ...row!, foreign: 0.5 }, { ...row!, foreign: null }, { ...row!, foreign: 0.1 }, { ...row!, foreign: 0.2 }]), 0.2);
});

test('a row holds what --json promises', (t) => {
  const row = rows.get('veth', 'ours', find('up-1'), { name: 'rate' });
  t.deepEqual(row, { topology: 'veth', path: 'ours', case: 'up-1', metric: 'rate', value: 2, min: 1, max: 3, samples: 3, unit: 'GiB/s', better: 'more', cpuSeconds: 2, rssKiB: 10_240, foreign: 0.01, failure: undefined });
});
