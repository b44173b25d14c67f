import test from 'ava';
import { NO_TRAFFIC_POLICY, type RoutePlan, threadShare } from './route-plan.ts';

const plan = (maxConnections: number | undefined, maxPending?: number): RoutePlan => ({ kind: 'balance', service: undefined, candidates: [], ...NO_TRAFFIC_POLICY, limits: { maxConnections, maxPending } });

test('data threads share bounds, and none is left without', (t) => {
  t.deepEqual(threadShare(plan(7, 1), 2), plan(4, 1));
  t.deepEqual(threadShare(plan(8), 4), plan(2));
  t.deepEqual(threadShare(plan(7, 3), 1), plan(7, 3));
});

test('what has no bounds is as it was', (t) => {
  for (const each of [plan(undefined), { kind: 'passthrough' }, { kind: 'refuse', reason: 'r', service: undefined }] as const) t.is(threadShare(each, 2), each);
});
