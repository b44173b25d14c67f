import test from 'ava';
import fc from 'fast-check';
import { type BalancePlan, EJECT_AFTER_FAILURES, EndpointChooser, MAX_EJECTION_MS } from './endpoint-chooser.ts';
import { candidateOf, planOf, seeded } from './test-plans.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'] as const;
const plan = fc.record({
  members: fc.uniqueArray(fc.record({ id: fc.constantFrom(...IDS), rank: fc.nat(2), weight: fc.integer({ min: 1, max: 9 }) }), { selector: ({ id }) => id, minLength: 1, maxLength: 5 }),
  affinity: fc.constantFrom('none' as const, 'client-address' as const),
}).map(({ members, affinity }) => planOf(affinity, ...members.sort((a, b) => a.rank - b.rank).map(({ id, ...over }) => candidateOf(id, over))));
const event = fc.oneof(
  fc.record({ kind: fc.constant('plan' as const), plan }),
  fc.record({ kind: fc.constant('connect' as const), exclude: fc.uniqueArray(fc.constantFrom(...IDS), { maxLength: 4 }), ends: fc.constantFrom('opened', 'failed', 'failed', 'abandoned', 'later') }),
  fc.record({ kind: fc.constant('settle' as const), how: fc.constantFrom('opened', 'failed', 'abandoned') }),
  fc.record({ kind: fc.constant('close' as const) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2 * MAX_EJECTION_MS }) }),
);

/** The rules of usability written down once more, without regard to speed. */
class Model {
  readonly failures = new Map<string, number>();
  readonly pending = new Map<string, number>();
  readonly open = new Map<string, number>();
  /** Until when a candidate is out at least, and at most. */
  readonly ejected = new Map<string, { readonly least: number; readonly most: number; readonly times: number }>();

  add(counts: Map<string, number>, id: string, by: number): void {
    counts.set(id, (counts.get(id) ?? 0) + by);
  }

  fail(id: string, nowMs: number): void {
    this.add(this.failures, id, 1);
    const before = this.ejected.get(id);
    if ((this.failures.get(id) ?? 0) < EJECT_AFTER_FAILURES) return;
    // Whether it was still out may depend on chance; then only the bounds are known.
    if (before !== undefined && nowMs < before.least) return;
    const times = (before?.times ?? 0) + 1;
    const step = (n: number): number => Math.min(MAX_EJECTION_MS, 1000 * 2 ** (n - 1));
    const wasSurelyOver = before === undefined || nowMs >= before.most;
    this.ejected.set(id, { least: wasSurelyOver ? nowMs + step(times) / 2 : Math.min(before.most, nowMs), most: nowMs + step(times), times });
  }

  clear(id: string): void {
    this.failures.delete(id);
    this.ejected.delete(id);
  }
}

test('whatever happens: nothing excluded or worse than needed is chosen, and something always is where it can be', (t) => {
  fc.assert(fc.property(plan, fc.array(event, { maxLength: 60 }), fc.integer(), (first, events, seed) => {
    const chooser = new EndpointChooser(seeded(seed));
    const model = new Model();
    let current: BalancePlan = first;
    let nowMs = 0;
    const dials: string[] = [];
    const connections: string[] = [];
    const settle = (id: string, how: string): void => {
      model.add(model.pending, id, -1);
      if (how === 'opened') {
        model.clear(id);
        model.add(model.open, id, 1);
        connections.push(id);
        chooser.opened(id);
      } else if (how === 'failed') {
        model.fail(id, nowMs);
        chooser.failed(id, nowMs);
      } else chooser.abandoned(id);
    };
    for (const each of events) {
      if (each.kind === 'plan') {
        current = each.plan;
        chooser.choose(current, { sourceIp: '::1', exclude: undefined, nowMs });
        // What left without a connection is forgotten.
        for (const id of IDS) if (!current.candidates.some((candidate) => candidate.id === id) && (model.pending.get(id) ?? 0) + (model.open.get(id) ?? 0) === 0) model.clear(id);
      } else if (each.kind === 'wait') nowMs += each.ms;
      else if (each.kind === 'settle') {
        const id = dials.shift();
        if (id !== undefined) settle(id, each.how);
      } else if (each.kind === 'close') {
        const id = connections.shift();
        if (id !== undefined) {
          model.add(model.open, id, -1);
          chooser.closed(id);
        }
      } else {
        const exclude = new Set<string>(each.exclude);
        const choice = chooser.choose(current, { sourceIp: '10.0.0.1', exclude, nowMs });
        const allowed = current.candidates.filter(({ id }) => !exclude.has(id));
        if (choice.kind !== 'candidate') {
          if (choice.kind !== 'none' || allowed.length > 0) return false;
          continue;
        }
        const { id, rank } = choice.candidate;
        if (!allowed.includes(choice.candidate)) return false;
        const surely = allowed.filter((candidate) => (model.failures.get(candidate.id) ?? 0) < EJECT_AFTER_FAILURES || (nowMs >= (model.ejected.get(candidate.id)?.most ?? 0) && (model.pending.get(candidate.id) ?? 0) === 0));
        if (surely.some((candidate) => candidate.rank < rank)) return false;
        const isSurelyOut = (model.failures.get(id) ?? 0) >= EJECT_AFTER_FAILURES && nowMs < (model.ejected.get(id)?.least ?? 0);
        if (isSurelyOut && surely.length > 0) return false;
        chooser.dialing(id);
        model.add(model.pending, id, 1);
        if (each.ends === 'later') dials.push(id);
        else settle(id, each.ends);
      }
    }
    return true;
  }), { numRuns: 2000 });
  t.pass();
});

test('when everything has ended, only the candidates of the plan are remembered', (t) => {
  fc.assert(fc.property(fc.array(plan, { minLength: 1, maxLength: 8 }), fc.integer(), (plans, seed) => {
    const chooser = new EndpointChooser(seeded(seed));
    const connections: string[] = [];
    for (const [i, each] of plans.entries()) {
      const choice = chooser.choose(each, { sourceIp: '::1', exclude: undefined, nowMs: i });
      if (choice.kind !== 'candidate') return false;
      chooser.dialing(choice.candidate.id);
      if (i % 3 === 0) chooser.failed(choice.candidate.id, i);
      else {
        chooser.opened(choice.candidate.id);
        connections.push(choice.candidate.id);
      }
    }
    for (const id of connections) chooser.closed(id);
    return chooser.size === plans.at(-1)?.candidates.length;
  }));
  t.pass();
});

test('candidates that answer all get their share again after any outage', (t) => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 8 }), fc.array(fc.nat(7), { maxLength: 40 }), fc.integer(), (count, failures, seed) => {
    const chooser = new EndpointChooser(seeded(seed));
    const candidates = Array.from({ length: count }, (_, i) => candidateOf(`c${i}`));
    const all = planOf(...candidates);
    chooser.choose(all, { sourceIp: '::1', exclude: undefined, nowMs: 0 });
    for (const [i, n] of failures.entries()) {
      chooser.dialing(`c${n % count}`);
      chooser.failed(`c${n % count}`, i * 1000);
    }
    const counts = new Map<string, number>();
    for (let i = 0; i < count * 200; i++) {
      const choice = chooser.choose(all, { sourceIp: '::1', exclude: undefined, nowMs: failures.length * 1000 + MAX_EJECTION_MS + i });
      if (choice.kind !== 'candidate') return false;
      chooser.dialing(choice.candidate.id);
      chooser.opened(choice.candidate.id);
      counts.set(choice.candidate.id, (counts.get(choice.candidate.id) ?? 0) + 1);
    }
    return candidates.every(({ id }) => Math.abs((counts.get(id) ?? 0) - 200) <= 40);
  }), { numRuns: 50 });
  t.pass();
});
