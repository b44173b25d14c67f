import test from 'ava';
import { runMixed, slopeOf } from './mixed-run.ts';

test.serial('under calls of all kinds, while applications and agents die, nothing breaks but what they carried, and nothing is left behind', async (t) => {
  const { counts, faultsMade, unexplained, left } = await runMixed({ durationMs: 12_000, callers: 24, faultEveryMs: 1500 });
  t.deepEqual(counts.faults, []);
  t.deepEqual(unexplained, []);
  t.true(faultsMade >= 3 && counts.complete > 500, `${faultsMade} faults, ${counts.complete} complete`);
  for (const { filesBefore, filesAfter, ...rest } of Object.values(left)) {
    t.is(filesAfter, filesBefore);
    t.deepEqual(rest, { connections: 0, sessions: 0, handshakes: 0 });
  }
});

test('growth is told an hour', (t) => {
  t.is(Math.round(slopeOf(Array.from({ length: 60 }, (_, i) => ({ atMs: i * 60_000, bytes: 1e8 + i * 2 ** 20 })))), 60);
});
