import type { V1Condition } from '@kubernetes/client-node';
import test from 'ava';
import { exampleAuthentication, exampleAuthorization, type PolicyObject } from './example-policies.ts';
import { policyConditions } from './policy-conditions.ts';
import { policyReport } from './policy-report.ts';
import { type JudgedPolicy, PolicyConverter } from './policy-view.ts';

const [THEN, NOW] = [new Date(1), new Date(2)];

function judge(object: PolicyObject): JudgedPolicy {
  const { kind } = object;
  const { judged } = new PolicyConverter('root').view({ authorizationPolicies: kind === 'AuthorizationPolicy' ? [object] : [], peerAuthentications: kind === 'PeerAuthentication' ? [object] : [] });
  return judged[0] as JudgedPolicy;
}
const withStatus = (object: PolicyObject, conditions: readonly V1Condition[] | undefined, generation = 1): PolicyObject => ({ ...object, metadata: { ...object.metadata, generation }, status: { conditions } }) as PolicyObject;
const words = (conditions: readonly V1Condition[] | undefined): string[] | undefined => conditions?.map(({ type, status, reason, observedGeneration }) => `${type}=${status} ${reason} ${observedGeneration}`);

test('each kind says what became of it, and then has nothing more to say', (t) => {
  const cases: [PolicyObject, string[]][] = [
    [exampleAuthorization({ rules: [{}] }), ['Accepted=True Accepted 1', 'ZtunnelAccepted=True Accepted 1']],
    [exampleAuthorization({ rules: [{ to: [{ operation: { methods: ['GET'] } }] }] }), ['Accepted=True UnsupportedValue 1', 'ZtunnelAccepted=True UnsupportedValue 1']],
    [exampleAuthorization({ rules: [{ to: [{ operation: { ports: ['x'] } }] }] }), ['Accepted=True PartiallyInvalid 1', 'ZtunnelAccepted=True PartiallyInvalid 1']],
    [exampleAuthorization('x'), ['Accepted=False Invalid 1', 'ZtunnelAccepted=False Invalid 1']],
    [exampleAuthorization({ action: 'CUSTOM' }), ['Accepted=False UnsupportedValue 1', 'ZtunnelAccepted=False UnsupportedValue 1']],
    [exampleAuthentication({ mtls: { mode: 'STRICT' } }), ['Accepted=True Accepted 1']],
    [exampleAuthentication('x'), ['Accepted=False Invalid 1']],
  ];
  for (const [object, expected] of cases) {
    const conditions = policyConditions(judge(withStatus(object, undefined)), NOW);
    t.deepEqual(words(conditions), expected);
    t.is(policyConditions(judge(withStatus(object, conditions)), new Date(3)), undefined);
  }
});

test('a change is said with its generation; since when it holds changes with the status alone', (t) => {
  const good = exampleAuthentication({ mtls: { mode: 'STRICT' } });
  const before = policyConditions(judge(withStatus(good, undefined)), THEN);
  const same = policyConditions(judge(withStatus(good, before, 2)), NOW);
  t.deepEqual(words(same), ['Accepted=True Accepted 2']);
  t.deepEqual(same?.[0]?.lastTransitionTime, THEN);
  const broken = policyConditions(judge(withStatus(exampleAuthentication('x'), same, 3)), NOW);
  t.deepEqual(words(broken), ['Accepted=False Invalid 3']);
  t.deepEqual(broken?.[0]?.lastTransitionTime, NOW);
});

test('conditions of others stay, and what istiod says of the same is not corrected', (t) => {
  const condition = (type: string, reason: string): V1Condition => ({ type, status: 'False', reason, message: 'theirs', lastTransitionTime: THEN });
  const object = exampleAuthorization({ rules: [{}] });
  t.deepEqual(words(policyConditions(judge(withStatus(object, [condition('WaypointAccepted', 'X')])), NOW)), ['WaypointAccepted=False X undefined', 'Accepted=True Accepted 1', 'ZtunnelAccepted=True Accepted 1']);
  const beside = policyConditions(judge(withStatus(object, [condition('ZtunnelAccepted', 'X')])), NOW);
  t.deepEqual(words(beside), ['ZtunnelAccepted=False X undefined', 'Accepted=True Accepted 1']);
  t.is(policyConditions(judge(withStatus(object, beside)), NOW), undefined);
});

test('a policy that becomes a waypoint’s loses what we said of it', (t) => {
  const before = policyConditions(judge(withStatus(exampleAuthorization({ rules: [{}] }), undefined)), THEN);
  const waypoint = exampleAuthorization({ targetRefs: [{}] });
  t.deepEqual(policyConditions(judge(withStatus(waypoint, before)), NOW), []);
  t.is(policyConditions(judge(withStatus(waypoint, [])), NOW), undefined);
});

test('a report counts all and names the first, the worst before others', (t) => {
  const many = Array.from({ length: 30 }, (_, i) => judge(exampleAuthorization({ action: 'AUDIT' }, { name: `audit-${i}` })));
  const report = policyReport([...many, judge(exampleAuthorization('x', { name: 'broken' })), judge(exampleAuthorization({})), judge(exampleAuthorization({ targetRefs: [{}] }))]);
  t.like(report, { accepted: 1, partial: 0, refused: 31 });
  t.is(report.faults.length, 20);
  t.like(report.faults[0], { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'broken', reason: 'Invalid' });
});
