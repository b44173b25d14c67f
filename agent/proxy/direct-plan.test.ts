import test from 'ava';
import type { Candidate, RoutePlan } from '@landbridge/core/route-plan.ts';
import { candidateOf, planOf } from '@landbridge/core/test-plans.ts';
import { directPlan, MAX_BACKENDS } from './direct-plan.ts';
import { UNKNOWN_WORKLOAD } from './traffic-counter.ts';

const destination = { ip: '10.96.0.10', port: 80 };

test('what discovery does not know is dialled as it is', (t) => {
  t.deepEqual(directPlan({ kind: 'passthrough' }, destination), { service: undefined, backends: [{ address: destination, weight: 1, labels: UNKNOWN_WORKLOAD }] });
});

test('plain endpoints of the best rank are the backends', (t) => {
  const [a, b, c] = [candidateOf('a', { weight: 70 }), candidateOf('b', { address: '10.0.0.2', port: 8080, weight: 30 }), candidateOf('c', { rank: 1 })];
  const service = { hostname: 'a.example', namespace: 'shop', name: 'a' };
  t.deepEqual(directPlan({ ...planOf(a, b, c), service }, destination), {
    service,
    backends: [
      { address: { ip: '10.0.0.1', port: 80 }, weight: 70, labels: a.labels },
      { address: { ip: '10.0.0.2', port: 8080 }, weight: 30, labels: b.labels },
    ],
  });
});

const plain = candidateOf('a');
const other = (over: Partial<Candidate>): Candidate => candidateOf('b', over);

for (const [what, plan] of [
  ['a refusal', { kind: 'refuse', reason: 'x', service: undefined }],
  ['one endpoint behind a tunnel', planOf(plain, other({ hop: 'hbone' }))],
  ['one in a worse rank behind a gateway', planOf(plain, other({ hop: 'double-hbone', rank: 1 }))],
  ['a pod that this agent serves', planOf(plain, other({ localPod: 'uid' }))],
  ['an endpoint of another family', planOf(plain, other({ address: 'fd00::1' }))],
  ['affinity', planOf('client-address', plain)],
  ['a bound of connections', { ...planOf(plain), limits: { maxConnections: 1, maxPending: undefined } }],
  ['a bound of dials', { ...planOf(plain), limits: { maxConnections: undefined, maxPending: 1 } }],
  ['too many endpoints', planOf(...Array.from({ length: MAX_BACKENDS + 1 }, (_, i) => candidateOf(String(i))))],
] as const satisfies readonly (readonly [string, RoutePlan])[]) {
  test(`needs the agent: ${what}`, (t) => {
    t.is(directPlan(plan, destination), undefined);
  });
}
