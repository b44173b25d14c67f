import test from 'ava';
import fc from 'fast-check';
import { type Health, type HealthContext, type HealthEvent, type MemberFacts, noHealth, type PeerPhase, reduceHealth } from './peer-health.ts';
import { DEFAULT_TIMES } from './peer-times.ts';

const context: HealthContext = { cluster: 'east', times: DEFAULT_TIMES, intervalMs: 5000 };
const { suspectMs, staleMs, holdMs } = DEFAULT_TIMES;
const TICK_MS = 1000;
const WELL: MemberFacts = { complete: true, revoked: false, beats: true };

interface Second {
  readonly connected: boolean;
  /** Whether the own beat comes back. */
  readonly echo: boolean;
  readonly west: boolean;
  readonly facts: MemberFacts;
  /** The process was stopped for so long before it. */
  readonly stoppedMs: number;
}

const facts: fc.Arbitrary<MemberFacts> = fc.record({ complete: fc.boolean(), revoked: fc.boolean(), beats: fc.boolean() });
const second: fc.Arbitrary<Second> = fc.record({ connected: fc.boolean(), echo: fc.boolean(), west: fc.boolean(), facts: fc.oneof(fc.constant(WELL), facts), stoppedMs: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3_600_000) }) });

/** A day in the life: the states after each second. */
function live(seconds: readonly Second[], start: Health = noHealth(0)): { readonly nowMs: number; readonly health: Health }[] {
  let health = start;
  let nowMs = start.atMs;
  let sequence = 0;
  return seconds.map(({ connected, echo, west, facts: of, stoppedMs }) => {
    nowMs += TICK_MS + stoppedMs;
    const events: HealthEvent[] = [{ kind: 'tick', connected, members: new Map([['west', of]]) }];
    const version = { epoch: 1, gen: ++sequence };
    if (connected && echo) events.push({ kind: 'beat', cluster: 'east', version, intervalMs: 5000 });
    if (connected && west) events.push({ kind: 'beat', cluster: 'west', version, intervalMs: 5000 });
    for (const event of events) health = reduceHealth(health, event, nowMs, context);
    return { nowMs, health };
  });
}

const silence = (count: number, more: Partial<Second> = {}): Second[] => Array.from({ length: count }, () => ({ connected: true, echo: true, west: false, facts: WELL, stoppedMs: 0, ...more }));
const well = (count: number): Second[] => silence(count, { west: true });
const phases = (lived: readonly { readonly health: Health }[]): (PeerPhase | undefined)[] => lived.map(({ health }) => health.peers.get('west')?.phase);
const last = (seconds: readonly Second[]): PeerPhase | undefined => phases(live(seconds)).at(-1);

test('a peer that falls silent is Suspect after 15 seconds and Stale after 60, and Ready when it is heard again', (t) => {
  t.is(last([...well(5), ...silence(14)]), 'ready');
  t.is(last([...well(5), ...silence(16)]), 'suspect');
  t.is(last([...well(5), ...silence(59)]), 'suspect');
  t.is(last([...well(5), ...silence(61)]), 'stale');
  t.is(last([...well(5), ...silence(95), ...well(2)]), 'ready');
});

test('one that was never heard is judged where its records say that it beats, and only there', (t) => {
  t.is(last(silence(62)), 'stale');
  t.is(last(silence(300, { facts: { ...WELL, beats: false } })), 'ready');
});

test('without records it is Syncing however it beats, and revoked it is Removed at once', (t) => {
  t.is(last(silence(100, { facts: { ...WELL, complete: false } })), 'syncing');
  t.is(last([...well(5), ...silence(1, { facts: { ...WELL, revoked: true } })]), 'removed');
});

test('whoever does not hear itself judges nobody: no time counts, whatever it was told', (t) => {
  fc.assert(
    fc.property(fc.array(second, { maxLength: 60 }), fc.integer({ min: 1, max: 400 }), (before, count) => {
      const lived = live([...before, ...well(1)]);
      const start = lived.at(-1)?.health ?? noHealth(0);
      // The last echo may be as late as an echo may be.
      const cut = live(silence(count, { echo: false }), start).map(({ health }) => health.peers.get('west')?.silentMs ?? 0);
      t.true(Math.max(...cut) <= 5000 + DEFAULT_TIMES.echoMs);
      const off = live(silence(count, { connected: false }), start).map(({ health }) => health.peers.get('west')?.silentMs ?? 0);
      t.true(Math.max(...off) <= 0);
    }),
  );
  const cut = live([...well(5), ...silence(20, { echo: false })]).at(-1);
  t.is(cut?.health.isolated, true);
  t.is(cut?.health.peers.get('west')?.phase, 'ready');
  t.is(live([...well(5), ...silence(20, { connected: false }), ...silence(1)]).at(-1)?.health.isolated, false);
});

test('whatever happens: Stale only after its silence, Removed only when revoked, and no two changes by beats within 30 seconds', (t) => {
  fc.assert(
    fc.property(fc.array(second, { minLength: 1, maxLength: 400 }), (seconds) => {
      let before: PeerPhase | undefined;
      let swungMs = Number.NEGATIVE_INFINITY;
      for (const [index, { nowMs, health }] of live(seconds).entries()) {
        const peer = health.peers.get('west');
        const said = seconds[index]?.facts ?? WELL;
        t.truthy(peer);
        t.is(peer?.phase === 'removed', said.revoked);
        if (!said.revoked) t.is(peer?.phase === 'syncing', !said.complete);
        if (before !== undefined && peer?.phase !== before) {
          const swings = ['ready', 'suspect', 'stale'];
          if (peer?.phase === 'suspect' && before === 'ready') t.true(peer.silentMs >= suspectMs);
          if (peer?.phase === 'stale') t.true(peer.silentMs >= staleMs);
          if (swings.includes(before) && swings.includes(peer?.phase ?? '')) {
            t.true(nowMs - swungMs >= holdMs);
            swungMs = nowMs;
          }
        }
        before = peer?.phase;
      }
    }),
    { numRuns: 300 },
  );
});

test('a peer that is heard again while its last change is young stays what it is said to be for as long as that', (t) => {
  const lived = phases(live([...well(5), ...silence(17), ...well(60)]));
  const suspectAt = lived.indexOf('suspect');
  t.is(lived.lastIndexOf('suspect') - suspectAt + 1, holdMs / TICK_MS);
  t.is(lived.at(-1), 'ready');
  const swinging = phases(live([...well(5), ...Array.from({ length: 35 }, () => [...silence(16), ...well(1)]).flat()]));
  const changes = swinging.filter((phase, index) => index > 0 && phase !== swinging[index - 1]).length;
  t.true(changes > 0 && changes <= (swinging.length * TICK_MS) / holdMs, `${changes} changes in ${swinging.length} s`);
});

test('two seconds up, two seconds down, for ten minutes: what is said does not swing', (t) => {
  const lived = phases(live([...well(5), ...Array.from({ length: 150 }, (_, index) => [...silence(2, { west: index % 3 === 0 }), ...silence(2, { connected: false })]).flat()]));
  const changes = lived.filter((phase, index) => index > 0 && phase !== lived[index - 1]).length;
  t.true(changes <= 20, `${changes} changes in ten minutes`);
});

test('a copy of an older beat shows nothing, and a beat of a newer epoch counts whatever its number', (t) => {
  const start = live(well(5)).at(-1)?.health ?? noHealth(0);
  const silent = live(silence(10), start).at(-1)?.health ?? start;
  const after = (epoch: number, gen: number): number | undefined => reduceHealth(silent, { kind: 'beat', cluster: 'west', version: { epoch, gen }, intervalMs: 5000 }, silent.atMs, context).peers.get('west')?.silentMs;
  t.true((after(1, 5) ?? 0) > 5000);
  t.true((after(0, 99) ?? 0) > 5000);
  t.is(after(1, 6), 0);
  t.is(after(2, 0), 0);
  t.is(reduceHealth(silent, { kind: 'beat', cluster: 'north', version: { epoch: 1, gen: 1 }, intervalMs: 5000 }, silent.atMs, context), silent, 'of nobody');
});

test('one that says it beats seldom has as much more time', (t) => {
  const slow = silence(200).map((each, index) => ({ ...each, west: index % 40 === 0 }));
  let health = noHealth(0);
  for (const [index, { west }] of slow.entries()) {
    const nowMs = (index + 1) * TICK_MS;
    health = reduceHealth(health, { kind: 'tick', connected: true, members: new Map([['west', WELL]]) }, nowMs, context);
    health = reduceHealth(health, { kind: 'beat', cluster: 'east', version: { epoch: 1, gen: index }, intervalMs: 5000 }, nowMs, context);
    if (west) health = reduceHealth(health, { kind: 'beat', cluster: 'west', version: { epoch: 1, gen: index + 1 }, intervalMs: 40_000 }, nowMs, context);
    t.is(health.peers.get('west')?.phase, 'ready');
  }
});
