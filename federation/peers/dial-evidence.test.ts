import test from 'ava';
import { pino } from 'pino';
import { metrics } from '../metrics.ts';
import { DialEvidence } from './dial-evidence.ts';

test('doubt lowers where a peer stands, and nothing more; whoever may act upon it is told once', async (t) => {
  let changes = 0;
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const evidence = new DialEvidence({ isPeer: (cluster) => cluster === 'west', onChange: () => (changes += 1), log: pino({ level: 'silent' }) }, stop.signal);
  const failing = new Map([['west', { opened: 0, failed: 4 }], ['north', { opened: 0, failed: 4 }]]);
  evidence.report('n1', failing);
  evidence.report('n1', failing);
  t.deepEqual([evidence.lowered('west', 'first'), changes], ['first', 0], 'one node decides nothing');
  evidence.report('n2', failing);
  evidence.report('n3', failing);
  t.deepEqual([evidence.lowered('west', 'first'), evidence.lowered('west', 'gone'), evidence.lowered('north', 'first'), changes], ['last', 'gone', 'first', 1]);
  t.is((await metrics.peersDoubted.get()).values[0]?.value, 1);
});
