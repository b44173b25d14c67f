/** Case M7, invariants 7 and 10: what one member writes too fast costs the others little, and only that member waits. */
import test from 'ava';
import { floodText, runFlood } from './flood-run.ts';

/** As much as a busy machine still carries for all the others in a test; `run.ts flood` has more. */
const PER_SECOND = 2000;
const FLOOD_MS = 8000;

test('M7, invariants 7 and 10: a member that floods is named and waits; the others’ changes go on', async (t) => {
  t.timeout(300_000);
  const result = await runFlood({ perSecond: PER_SECOND, durationMs: FLOOD_MS });
  t.log(floodText(result));
  t.deepEqual(result.throttled, ['mallory'], 'nobody else waits');
  t.deepEqual(result.imports, ['shop/cart', 'shop/last-word']);
  // In a process that holds two importers, beside a hub and a flood, on as few as two processors: a bound that only a queue would break. How soon it is named depends on how soon its records are read.
  t.true(result.floodedMs < Math.max(2000, 20 * result.quietMs), `${result.floodedMs} ms`);
});
