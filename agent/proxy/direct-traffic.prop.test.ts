import test from 'ava';
import fc from 'fast-check';
import { UNUSED_MS } from './direct-traffic.ts';
import type { DirectPlan } from './direct-plan.ts';
import { fakeKernel } from './test-kernel.ts';
import { workloadLabels } from './test-reports.ts';

type Step =
  | { readonly do: 'offer' | 'withdraw' | 'withdraw-pod'; readonly key: number }
  | { readonly do: 'open' | 'complete' | 'break' | 'fail'; readonly route: number; readonly backend: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'read' };

const POD_KEYS = 3;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('offer' as const, 'offer' as const, 'withdraw' as const, 'withdraw-pod' as const), key: fc.nat({ max: 5 }) }),
  fc.record({ do: fc.constantFrom('open' as const, 'open' as const, 'complete' as const, 'break' as const, 'fail' as const), route: fc.nat({ max: 7 }), backend: fc.nat({ max: 2 }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(500, 11_000, UNUSED_MS) }),
  fc.record({ do: fc.constant('read' as const) }),
);

/** Connections that happen to live routes in some order, and end sooner or later. */
test('all that happened is told once, and nothing is left in the kernel that nobody goes by', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const { traffic, counts, live, known, happens, pass, deltas } = fakeKernel();
    const happened = { opened: 0, '-': 0, CONNECT: 0 };
    for (const each of steps) {
      switch (each.do) {
        case 'offer': {
          const plan: DirectPlan = { service: undefined, backends: Array.from({ length: (each.key % 3) + 1 }, (_, i) => ({ address: { ip: `10.0.0.${i + 1}`, port: 80 }, weight: 1, labels: workloadLabels(`w${i}`) })) };
          const pod = Math.trunc(each.key / POD_KEYS);
          traffic.offer(String(each.key), { uid: String(pod), netnsCookie: BigInt(pod), labels: workloadLabels(`pod-${pod}`) }, { ip: '10.96.0.1', port: each.key }, plan);
          break;
        }
        case 'withdraw':
          traffic.withdraw([String(each.key)]);
          break;
        case 'withdraw-pod':
          // Its connections end with it: none is open whose end nobody tells.
          for (const id of known()) for (const [index, { opened, completed, broken }] of counts(id).entries()) if (opened > completed + broken) {
            happened['-'] += opened - completed - broken;
            happens(id, index, { ...counts(id)[index], completed: opened - broken });
          }
          traffic.withdrawPod(String(Math.trunc(each.key / POD_KEYS)));
          break;
        case 'pass':
          pass(each.ms);
          break;
        case 'read':
          await traffic.read();
          break;
        default: {
          const routes = each.do === 'open' || each.do === 'fail' ? live() : known();
          const id = routes[each.route % routes.length];
          const before = id === undefined ? undefined : counts(id)[each.backend];
          if (id === undefined || before === undefined) break;
          if (each.do === 'open') {
            happened.opened++;
            happens(id, each.backend, { ...before, opened: before.opened + 1 });
          } else if (each.do === 'fail') {
            happened.opened++;
            happened.CONNECT++;
            happens(id, each.backend, { ...before, failed: before.failed + 1 });
          } else if (before.opened > before.completed + before.broken) {
            happened[each.do === 'complete' ? '-' : 'CONNECT']++;
            happens(id, each.backend, each.do === 'complete' ? { ...before, completed: before.completed + 1 } : { ...before, broken: before.broken + 1 });
          }
        }
      }
    }
    // All end, in order; time goes by.
    for (const id of known()) for (const [index, { opened, completed, broken }] of counts(id).entries()) {
      happened['-'] += opened - completed - broken;
      happens(id, index, { ...counts(id)[index], completed: opened - broken });
    }
    await traffic.read();
    for (let i = 0; i < 4; i++) {
      pass(UNUSED_MS);
      await traffic.read();
    }
    const closed = (of: string): number => deltas.flatMap((delta) => delta.closed).filter(([flag]) => flag === of).reduce((sum, [, count]) => sum + count, 0);
    t.deepEqual({ opened: deltas.reduce((sum, { opened }) => sum + opened, 0), '-': closed('-'), CONNECT: closed('CONNECT') }, happened);
    t.true(deltas.every(({ opened, sentBytes, closed: some }) => opened >= 0 && sentBytes >= 0 && some.every(([, count]) => count > 0)));
    t.deepEqual(known(), []);
    t.is(traffic.size, 0);
  }));
});
