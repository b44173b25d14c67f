import test from 'ava';
import { processorsOf } from './topology.ts';

const both = (cpus: string) => ({ proxy: cpus, load: cpus });

test('each side has half of the processors', (t) => {
  t.deepEqual(processorsOf(2, 'sides'), { client: both('0'), server: both('1') });
  t.deepEqual(processorsOf(8, 'sides'), { client: both('0-3'), server: both('4-7') });
  t.deepEqual(processorsOf(3, 'sides'), { client: both('0'), server: both('1-2') });
});

test('proxies and load are apart where that is wanted', (t) => {
  const apart = { proxy: '2-3', load: '0-1' };
  t.deepEqual(processorsOf(4, 'proxies'), { client: apart, server: apart });
});

test('an only processor is shared, and so are all where nothing is pinned', (t) => {
  t.deepEqual(processorsOf(1, 'sides'), { client: both('0'), server: both('0') });
  t.deepEqual(processorsOf(4, 'none'), { client: both('0-3'), server: both('0-3') });
});
