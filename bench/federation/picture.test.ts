import test from 'ava';
import { chartOf, type Row } from './picture.ts';

const row = (path: string, name: string, value: number): Row => ({ path, case: name, value, unit: '' });

test('what is better than wanted is more than 1, of whatever there shall be more or less', (t) => {
  const { groups } = chartOf([row('small', 'all known and told', 15), row('large', 'all known and told', 60), row('small', 'changes made in a second', 500), row('small', 'load average at the end', 3)]);
  t.deepEqual(groups.find(({ title }) => title === 'all known and told')?.bars, [{ label: 'small', factor: 2 }, { label: 'large', factor: 0.5 }]);
  t.deepEqual(groups.find(({ title }) => title === 'changes made in a second')?.bars, [{ label: 'small', factor: 0.5 }, { label: 'large', factor: undefined }], 'what was not measured has no bar');
  t.false(groups.some(({ title }) => title.startsWith('load')));
});
