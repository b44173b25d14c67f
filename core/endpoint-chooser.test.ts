import test from 'ava';
import { type BalancePlan, EJECT_AFTER_FAILURES, EndpointChooser, FIRST_EJECTION_MS, MAX_EJECTION_MS } from './endpoint-chooser.ts';
import { candidateOf, planOf, seeded } from './test-plans.ts';

const from = (sourceIp = '10.0.0.9', nowMs = 0, exclude?: ReadonlySet<string>): { sourceIp: string; nowMs: number; exclude: ReadonlySet<string> | undefined } => ({ sourceIp, nowMs, exclude });

function chosen(chooser: EndpointChooser, plan: BalancePlan, request = from()): string {
  const choice = chooser.choose(plan, request);
  return choice.kind === 'candidate' ? choice.candidate.id : choice.kind;
}

/** Dials that fail until the candidate is ejected; the time of the last one is `nowMs`. */
function eject(chooser: EndpointChooser, id: string, nowMs = 0): void {
  for (let i = 0; i < EJECT_AFTER_FAILURES; i++) fail(chooser, id, nowMs);
}

function fail(chooser: EndpointChooser, id: string, nowMs: number): void {
  chooser.dialing(id);
  chooser.failed(id, nowMs);
}

test('of no candidate that may be tried there is none to choose', (t) => {
  const chooser = new EndpointChooser(seeded(1));
  t.is(chosen(chooser, planOf(candidateOf('a')), from('::1', 0, new Set(['a']))), 'none');
});

test('short connections are shared out by weight', (t) => {
  const chooser = new EndpointChooser(seeded(2));
  const plan = planOf(candidateOf('a', { weight: 1 }), candidateOf('b', { weight: 3 }), candidateOf('c', { weight: 6 }));
  const counts = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const id = chosen(chooser, plan);
    counts.set(id, (counts.get(id) ?? 0) + 1);
    chooser.dialing(id);
    chooser.opened(id);
    chooser.closed(id);
  }
  for (const [id, share] of [['a', 0.1], ['b', 0.3], ['c', 0.6]] as const) t.true(Math.abs((counts.get(id) ?? 0) / 20_000 - share) < 0.02, `${id}: ${counts.get(id)}`);
});

test('the same shares hold where one candidate is excluded', (t) => {
  const chooser = new EndpointChooser(seeded(3));
  const plan = planOf(candidateOf('a', { weight: 1 }), candidateOf('b', { weight: 3 }), candidateOf('c', { weight: 6 }));
  let ofA = 0;
  for (let i = 0; i < 20_000; i++) if (chosen(chooser, plan, from('::1', 0, new Set(['c']))) === 'a') ofA++;
  t.true(Math.abs(ofA / 20_000 - 0.25) < 0.02, String(ofA));
});

test('connections that stay open even out by weight, dials under way among them', (t) => {
  const chooser = new EndpointChooser(seeded(4));
  const plan = planOf(candidateOf('a'), candidateOf('b'), candidateOf('c', { weight: 2 }));
  const counts = new Map([['a', 0], ['b', 0], ['c', 0]]);
  for (let i = 0; i < 800; i++) {
    const id = chosen(chooser, plan);
    counts.set(id, (counts.get(id) ?? 0) + 1);
    chooser.dialing(id);
    if (i % 2 === 0) chooser.opened(id);
  }
  t.true(Math.abs((counts.get('a') ?? 0) - 200) <= 12 && Math.abs((counts.get('c') ?? 0) - 400) <= 12, JSON.stringify([...counts]));
});

test('a worse rank is chosen only where nothing of a better one may be', (t) => {
  const chooser = new EndpointChooser(seeded(5));
  const plan = planOf(candidateOf('near'), candidateOf('far', { rank: 1 }), candidateOf('farthest', { rank: 2 }));
  for (let i = 0; i < 50; i++) t.is(chosen(chooser, plan), 'near');
  t.is(chosen(chooser, plan, from('::1', 0, new Set(['near']))), 'far');
  eject(chooser, 'near');
  t.is(chosen(chooser, plan, from('::1', 1)), 'far');
  eject(chooser, 'far');
  t.is(chosen(chooser, plan, from('::1', 1)), 'farthest');
  t.is(chosen(chooser, plan, from('::1', FIRST_EJECTION_MS)), 'near', 'the ejection is over');
});

test('failures in a row eject, one success forgives them', (t) => {
  const chooser = new EndpointChooser(seeded(6));
  const plan = planOf(candidateOf('a'), candidateOf('b'));
  const isUsed = (nowMs: number): boolean => Array.from({ length: 64 }, () => chosen(chooser, plan, from('::1', nowMs))).includes('a');
  chooser.choose(plan, from());
  for (let i = 1; i < EJECT_AFTER_FAILURES; i++) fail(chooser, 'a', 0);
  t.true(isUsed(1));
  chooser.dialing('a');
  chooser.opened('a');
  chooser.closed('a');
  for (let i = 1; i < EJECT_AFTER_FAILURES; i++) fail(chooser, 'a', 0);
  t.true(isUsed(1), 'the success in between counts');
  fail(chooser, 'a', 0);
  t.false(isUsed(1));
});

test('each ejection without a success in between lasts twice as long, up to the most', (t) => {
  for (const random of [0, 0.999999]) {
    const chooser = new EndpointChooser(() => random);
    const plan = planOf(candidateOf('a'), candidateOf('b', { rank: 1 }));
    chooser.choose(plan, from());
    eject(chooser, 'a', 0);
    let nowMs = 0;
    for (let round = 0; round < 10; round++) {
      const step = Math.min(MAX_EJECTION_MS, FIRST_EJECTION_MS * 2 ** round) * (random === 0 ? 0.5 : 1);
      t.is(chosen(chooser, plan, from('::1', nowMs + step * 0.99)), 'b', `round ${round}`);
      nowMs += step;
      t.is(chosen(chooser, plan, from('::1', nowMs)), 'a', `round ${round}`);
      fail(chooser, 'a', nowMs);
    }
    nowMs += MAX_EJECTION_MS;
    chooser.dialing('a');
    chooser.opened('a');
    eject(chooser, 'a', nowMs);
    t.is(chosen(chooser, plan, from('::1', nowMs + FIRST_EJECTION_MS)), 'a', 'a success makes the next ejection short again');
  }
});

test('many dials that were under way at an ejection do not prolong it', (t) => {
  const chooser = new EndpointChooser(() => 0.999999);
  const plan = planOf(candidateOf('a'), candidateOf('b', { rank: 1 }));
  chooser.choose(plan, from());
  for (let i = 0; i < 50; i++) chooser.dialing('a');
  for (let i = 0; i < 50; i++) chooser.failed('a', i);
  t.is(chosen(chooser, plan, from('::1', FIRST_EJECTION_MS + 2)), 'a');
});

test('after an ejection one dial at a time tries the candidate', (t) => {
  const chooser = new EndpointChooser(seeded(7));
  const plan = planOf(candidateOf('a'), candidateOf('b', { rank: 1 }));
  chooser.choose(plan, from());
  eject(chooser, 'a');
  const after = from('::1', FIRST_EJECTION_MS);
  t.is(chosen(chooser, plan, after), 'a');
  chooser.dialing('a');
  t.is(chosen(chooser, plan, after), 'b');
  chooser.abandoned('a');
  t.is(chosen(chooser, plan, after), 'a', 'a dial without a verdict makes room for the next');
  chooser.dialing('a');
  chooser.opened('a');
  t.is(chosen(chooser, plan, after), 'a');
});

test('where all are ejected, none is', (t) => {
  const chooser = new EndpointChooser(seeded(8));
  const plan = planOf(candidateOf('a'), candidateOf('b', { rank: 1 }));
  chooser.choose(plan, from());
  eject(chooser, 'a');
  eject(chooser, 'b');
  t.is(chosen(chooser, plan, from('::1', 1)), 'a');
  t.is(chosen(chooser, plan, from('::1', 1, new Set(['a']))), 'b');
});

test('a client stays with its candidate, and most do when another one comes', (t) => {
  const chooser = new EndpointChooser(seeded(9));
  const few = planOf('client-address', candidateOf('a'), candidateOf('b'), candidateOf('c'));
  const more = planOf('client-address', candidateOf('a'), candidateOf('b'), candidateOf('c'), candidateOf('d'));
  const clients = Array.from({ length: 2000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  const before = clients.map((client) => chosen(chooser, few, from(client)));
  t.deepEqual(clients.map((client) => chosen(new EndpointChooser(seeded(10)), few, from(client))), before, 'another thread chooses the same');
  const after = clients.map((client) => chosen(chooser, more, from(client)));
  t.true(after.every((id, i) => id === before[i] || id === 'd'));
  const moved = after.filter((id) => id === 'd').length;
  t.true(Math.abs(moved / clients.length - 0.25) < 0.04, String(moved));
});

test('a client goes elsewhere while its candidate is ejected, and weights count for affinity too', (t) => {
  const chooser = new EndpointChooser(seeded(11));
  const plan = planOf('client-address', candidateOf('a', { weight: 1 }), candidateOf('b', { weight: 4 }));
  const clients = Array.from({ length: 5000 }, (_, i) => `fd00::${i.toString(16)}`);
  const ofA = clients.filter((client) => chosen(chooser, plan, from(client)) === 'a');
  t.true(Math.abs(ofA.length / clients.length - 0.2) < 0.03, String(ofA.length));
  const [client = ''] = ofA;
  eject(chooser, 'a');
  t.is(chosen(chooser, plan, from(client, 1)), 'b');
  t.is(chosen(chooser, plan, from(client, FIRST_EJECTION_MS)), 'a');
});

test('over its limits a destination takes nothing more', (t) => {
  const chooser = new EndpointChooser(seeded(12));
  const plan: BalancePlan = { ...planOf(candidateOf('a'), candidateOf('b')), limits: { maxConnections: 3, maxPending: 2 } };
  t.not(chosen(chooser, plan), 'overloaded');
  chooser.dialing('a');
  chooser.dialing('b');
  t.is(chosen(chooser, plan), 'overloaded', 'two wait');
  chooser.opened('a');
  chooser.opened('b');
  t.not(chosen(chooser, plan), 'overloaded');
  chooser.dialing('a');
  t.is(chosen(chooser, plan), 'overloaded', 'three are there, one of them waits');
  chooser.failed('a', 0);
  t.not(chosen(chooser, plan), 'overloaded');
  t.not(chosen(chooser, planOf(candidateOf('a'))), 'overloaded', 'another plan, other limits');
});

test('what is known survives a changed plan, and is forgotten with the last connection of what left it', (t) => {
  const chooser = new EndpointChooser(seeded(13));
  const both = planOf(candidateOf('a'), candidateOf('b'));
  chooser.choose(both, from());
  chooser.dialing('a');
  chooser.opened('a');
  eject(chooser, 'b');
  const changed = planOf(candidateOf('b'), candidateOf('c', { rank: 1 }));
  t.is(chosen(chooser, changed, from('::1', 1)), 'c', 'b is still ejected');
  t.is(chooser.size, 3, 'a has a connection');
  chooser.closed('a');
  t.is(chooser.size, 2);
  t.is(chosen(chooser, planOf(candidateOf('a')), from('::1', 1)), 'a');
  t.is(chooser.size, 1);
});
