import test from 'ava';
import fc from 'fast-check';
import { Demand } from './demand.ts';

const LIMITS = { names: 8, idleMs: 100, absentIdleMs: 20 };
const name = fc.integer({ min: 0, max: 30 }).map((n) => `n/${n}`);
const step = fc.oneof(
  fc.record({ kind: fc.constant('need' as const), names: fc.array(name, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('answer' as const), name, isPresent: fc.boolean() }),
  fc.record({ kind: fc.constant('pin' as const), name }),
  fc.record({ kind: fc.constant('unpin' as const), name }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ kind: fc.constantFrom('expire' as const, 'again' as const, 'flush' as const, 'reconnect' as const) }),
);

test('the control plane follows exactly the names that are asked for; pinned and waited for ones stay, the others have their bound', (t) => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), fc.uniqueArray(name, { maxLength: 4 }), (steps, held) => {
    const demand = new Demand(LIMITS);
    /** As the other side keeps them. */
    let followed = new Set<string>();
    const pins = new Map<string, number>();
    const asked = new Set<string>();
    let nowMs = 0;
    const gone = (names: readonly string[]): void => {
      for (const each of names) {
        t.false((pins.get(each) ?? 0) > 0);
        asked.delete(each);
      }
    };
    const flush = (): void => {
      const { unsubscribe, subscribe } = demand.takeChanges();
      for (const each of unsubscribe) followed.delete(each);
      for (const each of subscribe) followed.add(each);
    };
    for (const each of steps) {
      switch (each.kind) {
        case 'need':
          for (const one of each.names) asked.add(one);
          t.true(demand.need(each.names, nowMs).every((waiting) => !demand.isAnswered(waiting)));
          if (demand.isFull) gone(demand.makeRoom((one) => held.includes(one)));
          t.false(demand.isFull);
          for (const one of each.names.slice(-1)) t.true(demand.has(one));
          break;
        case 'answer':
          t.is(demand.answer(each.name, each.isPresent, nowMs), asked.has(each.name));
          t.is(demand.isAnswered(each.name), asked.has(each.name));
          break;
        case 'pin':
          demand.pin(each.name, nowMs);
          asked.add(each.name);
          pins.set(each.name, (pins.get(each.name) ?? 0) + 1);
          break;
        case 'unpin':
          if ((pins.get(each.name) ?? 0) > 0) {
            demand.unpin(each.name);
            pins.set(each.name, (pins.get(each.name) ?? 0) - 1);
          }
          break;
        case 'pass':
          nowMs += each.ms;
          break;
        case 'expire':
          gone(demand.expire(nowMs, (one) => held.includes(one)));
          break;
        case 'again':
          demand.askAgain(nowMs, 10);
          break;
        case 'flush':
          flush();
          break;
        default:
          followed = new Set(demand.takeAnswered());
      }
    }
    flush();
    t.deepEqual([...followed].sort(), [...asked].sort());
    t.is(demand.size, asked.size);
  }));
});

test('those that were used longest ago go first, and those last that somebody holds or waits for', (t) => {
  const demand = new Demand(LIMITS);
  demand.need(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 0);
  for (const name of ['b', 'c', 'e', 'f', 'g', 'h']) demand.answer(name, false, 0);
  demand.need(['a'], 1);
  demand.need(['i'], 2);
  t.true(demand.isFull);
  t.deepEqual(demand.makeRoom((name) => name === 'b'), ['c', 'e']);
  t.deepEqual(demand.expire(30, (name) => name === 'b'), ['d', 'f', 'g', 'h', 'a', 'i']);
  t.true(demand.has('b'));
});
