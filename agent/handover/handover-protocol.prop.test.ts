import test from 'ava';
import fc from 'fast-check';
import { given, type GiverState } from './giver-protocol.ts';
import { HELLO } from './handover-packet.ts';
import { taken } from './taker-protocol.ts';
import { faultAtTheEnd, faultIn, newWorld, steps, usualStep, type World } from './test-handover-model.ts';

const BATCHES = 3;
const PATIENCE = 1;

/** Every world that can be reached, and what is wrong in the first bad one. */
function explore(kills: number): { readonly worlds: number; readonly fault: string | undefined; readonly ends: number } {
  const queue: { readonly world: World; readonly killsLeft: number }[] = [{ world: newWorld(BATCHES, PATIENCE), killsLeft: kills }];
  const seen = new Set([JSON.stringify(queue[0])]);
  let ends = 0;
  for (let at = 0; at < queue.length; at++) {
    const { world, killsLeft } = queue[at] as (typeof queue)[number];
    const { next, killed } = steps(world);
    if (next.length === 0) ends++;
    const fault = faultIn(world) ?? (next.length === 0 ? faultAtTheEnd(world) : undefined);
    if (fault !== undefined) return { worlds: seen.size, ends, fault: `${fault}: ${JSON.stringify(world)}` };
    const followers = [...next.map((each) => ({ world: each, killsLeft })), ...(killsLeft > 0 ? killed.map((each) => ({ world: each, killsLeft: killsLeft - 1 })) : [])];
    for (const follower of followers) {
      const key = JSON.stringify(follower);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(follower);
    }
  }
  return { worlds: seen.size, ends, fault: undefined };
}

for (const kills of [0, 1, 2]) {
  test(`no schedule of ${BATCHES} batches and ${kills} kills gives a batch two owners, or none that lives, or hangs`, (t) => {
    const { worlds, ends, fault } = explore(kills);
    t.log(`${worlds} states, ${ends} of them ends`);
    t.is(fault, undefined);
    t.true(worlds > 1000);
  });
}

test('nor does any of many batches', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(), { maxLength: 400 }), fc.option(fc.tuple(fc.nat(300), fc.constantFrom(0, 1))), (batches, choices, kill) => {
      let world = newWorld(batches, 3);
      let at = 0;
      for (let choice = 0; ; at++) {
        const { next, killed } = steps(world);
        if (next.length === 0) break;
        // The first step is the usual one: packets that come, batches that go.
        choice = at < choices.length && (choices[at] as number) % 7 === 0 ? (choices[at] as number) : at % 2 === 0 ? 0 : next.length - 1;
        world = kill !== null && at === kill[0] && killed.length > 0 ? (killed[kill[1] % killed.length] as World) : (next[choice % next.length] as World);
        if (faultIn(world) !== undefined) break;
      }
      t.is(faultIn(world) ?? faultAtTheEnd(world), undefined);
    }),
    { numRuns: 1000 },
  );
});

test('all goes to the successor where nothing goes wrong', (t) => {
  let world = newWorld(5, 0);
  for (let next: World | undefined = world; next !== undefined; next = usualStep(next)) world = next;
  t.deepEqual(world.batches.map(({ giver, taker }) => `${giver} ${taker}`), Array.from({ length: 5 }, () => 'none runs'));
  t.like(world, { giver: { kind: 'ended', outcome: { kind: 'complete' } }, taker: { kind: 'ended', outcome: { kind: 'complete' } } });
});

const packet = (kind: 'take' | 'refuse', number: number) => ({ kind: 'packet', packet: { kind, number, reason: '' } }) as const;

test('only the answer about the batch that stands still counts', (t) => {
  const offered: GiverState = { kind: 'offered', number: 7 };
  t.is(given(offered, packet('take', 6), 1).kind, 'closing');
  t.is(given(offered, packet('refuse', 8), 1).kind, 'closing');
  t.like(given(offered, packet('take', 7), 1), { kind: 'settling', fate: 'given' });
  t.like(given({ kind: 'closing', number: 7 }, { kind: 'rest', packets: [packet('take', 6).packet] }, 1), { kind: 'aborting' });
  t.like(given({ kind: 'closing', number: 7 }, { kind: 'rest', packets: [packet('take', 7).packet] }, 1), { kind: 'settling', fate: 'given' });
});

test('abort is tried until it is sent', (t) => {
  const aborting: GiverState = { kind: 'aborting', number: 1 };
  t.is(given(aborting, { kind: 'busy' }, 1), aborting);
  t.is(given(aborting, { kind: 'failed', reason: 'ENOBUFS' }, 1), aborting);
});

test('a successor that does not read the format is given nothing', (t) => {
  const hello = (formats: readonly number[]) => ({ kind: 'packet', packet: { ...HELLO, formats, rehearses: false } }) as const;
  t.deepEqual(given({ kind: 'greeting' }, hello([1, 2]), 3), { kind: 'ended', outcome: { kind: 'other-format' } });
  t.deepEqual(given({ kind: 'greeting' }, hello([3, 2]), 2), { kind: 'asking', number: 1 });
});

test('only who knows rehearsals is sent some, and none of its answers is taken for another one', (t) => {
  const hello = (rehearses: boolean) => ({ kind: 'packet', packet: { ...HELLO, formats: [1], rehearses } }) as const;
  t.deepEqual(given({ kind: 'greeting' }, hello(true), 1), { kind: 'rehearsing' });
  t.deepEqual(given({ kind: 'greeting' }, hello(false), 1), { kind: 'asking', number: 1 });
  t.deepEqual(given({ kind: 'watching' }, { kind: 'packet', packet: { kind: 'rehearsed' } }, 1), { kind: 'rehearsing' });
  t.like(given({ kind: 'watching' }, packet('take', 1), 1), { kind: 'ended', outcome: { kind: 'not-taken' } });
  t.like(given({ kind: 'offered', number: 1 }, { kind: 'packet', packet: { kind: 'rehearsed' } }, 1), { kind: 'closing' });
  t.deepEqual(taken({ kind: 'waiting' }, { kind: 'packet', packet: { kind: 'rehearsal', connections: 1, bytes: 1, sockets: 2 } }), { kind: 'rehearsing' });
  t.deepEqual(taken({ kind: 'rehearsing' }, { kind: 'passed' }), { kind: 'waiting' });
});

test('a successor that had sent take goes on, one whose take found nobody finds out whose the batch is', (t) => {
  t.deepEqual(taken({ kind: 'taking', number: 3 }, { kind: 'started' }), { kind: 'waiting' });
  t.deepEqual(taken({ kind: 'taking', number: 3 }, { kind: 'unsaid' }), { kind: 'judging', number: 3 });
  t.deepEqual(taken({ kind: 'judging', number: 3 }, { kind: 'gone' }), { kind: 'starting', number: 3 });
  t.like(taken({ kind: 'starting', number: 3 }, { kind: 'started' }), { kind: 'ended', outcome: { kind: 'giver-gone' } });
});

test('sockets that come before their batch are waited with', (t) => {
  t.deepEqual(taken({ kind: 'waiting' }, { kind: 'packet', packet: { kind: 'sockets', count: 240 } }), { kind: 'waiting' });
  t.like(taken({ kind: 'greeting' }, { kind: 'packet', packet: { kind: 'sockets', count: 240 } }), { kind: 'ended', outcome: { kind: 'given-up' } });
});
