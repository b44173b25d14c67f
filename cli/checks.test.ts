import { describeFeature, KERNEL_FEATURES, kernelUnfit } from '@landbridge/agent/capture/kernel-features.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok } from '@landbridge/core/result.ts';
import type { Status } from '@landbridge/federation/admin/admin-api.ts';
import test from 'ava';
import { type CheckState, DEFINITIONS, type Facts, foundProblems, judge } from './checks.ts';

const WELL = { state: 'Ready', since: 1, heard: 2, records: 3, exports: 1, version: '0.1.0', faults: [] };
const member = (cluster: string, changes = {}) => ({ cluster, trustDomain: `${cluster}.landbridge`, network: '', joinedAt: 1, complete: true, revoked: false, health: WELL, ...changes });
const DAY_MS = 24 * 3600 * 1000;
const NOW = Date.UTC(2026, 0, 1);
const status: Status = { cluster: 'east', trustDomain: 'east.landbridge', network: '', hub: { state: 'connected', version: '2.14.3' }, authority: false, members: [member('east'), member('west')], exports: 0, imports: 0, ca: { place: 'Secret cacerts', subject: 'CN=x', notAfter: NOW + 30 * DAY_MS, roots: [{ subject: 'CN=r', fingerprint: 'AB', notAfter: NOW + 90 * DAY_MS }] }, policies: { accepted: 2, partial: 0, refused: 0, faults: [] } };
const fault = { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'guard', reason: 'Invalid', message: 'It denies everything.' };
const corefile = '.:53 {\n    kubernetes cluster.local clusterset.local {\n        multicluster clusterset.local\n    }\n}\n';
const healthy: Facts = {
  cluster: ok('v1.36.3'),
  definitions: ok(new Map(DEFINITIONS.map((name) => [name, ['v1alpha1', 'v1beta1']]))),
  federation: ok({ wanted: 1, ready: 1 }),
  agents: ok({ wanted: 3, ready: 3 }),
  kernels: ok(['a', 'b', 'c'].map((node) => ({ kind: 'fit', node }))),
  status: ok(status),
  istiod: ok(undefined),
  corefile: ok(corefile),
};

function states(changes: Partial<Facts>): Record<string, CheckState> {
  return Object.fromEntries(judge({ ...healthy, ...changes }, NOW).map(({ id, state }) => [id, state]));
}

test('a healthy cluster has no findings', (t) => {
  const results = judge(healthy, NOW);
  t.deepEqual(results.map(({ id }) => id), ['cluster-reachable', 'crds-installed', 'federation-ready', 'agents-ready', 'kernels-fit', 'hub-connected', 'hub-version', 'members-synced', 'members-healthy', 'certificates-issued', 'policies-accepted', 'istio-networks', 'coredns-clusterset']);
  t.true(results.every(({ state }) => state === 'ok'));
  t.false(foundProblems(results));
});

test('each fault is found by its own check, with a hint', (t) => {
  /** With the checks that then can not look. */
  const faults: [Partial<Facts>, string, string?][] = [
    [{ definitions: ok(new Map()) }, 'crds-installed'],
    [{ definitions: ok(new Map(DEFINITIONS.map((name) => [name, ['v1alpha1']]))) }, 'crds-installed'],
    [{ federation: ok(undefined) }, 'federation-ready'],
    [{ federation: ok({ wanted: 1, ready: 0 }) }, 'federation-ready'],
    [{ agents: ok({ wanted: 3, ready: 2 }) }, 'agents-ready'],
    [{ agents: ok({ wanted: 0, ready: 0 }) }, 'agents-ready'],
    [{ kernels: ok([{ kind: 'unfit', node: 'a', lacks: 'this kernel lacks what capture needs:\n- x' }, { kind: 'unknown', node: 'b' }]) }, 'kernels-fit'],
    [{ status: ok({ ...status, hub: { state: 'connecting', lastError: 'ECONNREFUSED' } }) }, 'hub-connected', 'hub-version'],
    [{ status: ok({ ...status, hub: { state: 'connecting', lastError: 'Authorization Violation', isRefused: true } }) }, 'hub-connected', 'hub-version'],
    [{ status: ok({ ...status, hub: { state: 'connected', version: '2.14.2' } }) }, 'hub-version'],
    [{ status: ok({ ...status, members: [member('east'), member('west', { complete: false })] }) }, 'members-synced'],
    [{ status: ok({ ...status, members: [member('west')] }) }, 'members-synced'],
    [{ status: ok({ ...status, members: [member('east', { revoked: true }), member('west')] }) }, 'members-synced'],
    [{ status: ok({ ...status, members: [member('east'), member('west', { health: { ...WELL, state: 'Suspect' } })] }) }, 'members-healthy'],
    [{ status: ok({ ...status, members: [member('east'), member('west', { health: { ...WELL, faults: ['12 of its exports vanished at once; they are kept for a minute.'] } })] }) }, 'members-healthy'],
    [{ status: ok({ ...status, policies: { accepted: 1, partial: 0, refused: 1, faults: [fault] } }) }, 'policies-accepted'],
    [{ status: ok({ ...status, policies: { accepted: 1, partial: 30, refused: 0, faults: [fault] } }) }, 'policies-accepted'],
    [{ corefile: ok('.:53 {\n kubernetes cluster.local {\n  # multicluster clusterset.local\n }\n}') }, 'coredns-clusterset'],
  ];
  for (const [changes, id, blind] of faults) {
    const results = judge({ ...healthy, ...changes }, NOW);
    t.deepEqual(results.filter(({ state }) => state !== 'ok').map((result) => result.id), blind === undefined ? [id] : [id, blind]);
    t.truthy(results.find((result) => result.id === id)?.hint);
    t.true(foundProblems(results));
  }
});

test('a removed member need not be complete', (t) => {
  t.is(states({ status: ok({ ...status, members: [member('east'), member('west', { revoked: true, complete: false })] }) })['members-synced'], 'ok');
});

test('what can not be seen is unknown, and unknown is no finding', (t) => {
  const hidden = err(new LandbridgeError('not-permitted', 'No.'));
  const results = judge({ cluster: ok('v1'), definitions: hidden, federation: hidden, agents: hidden, kernels: hidden, status: hidden, istiod: hidden, corefile: ok(undefined) }, NOW);
  t.deepEqual(results.map(({ state }) => state), ['ok', ...Array.from({ length: 12 }, () => 'unknown')]);
  t.false(foundProblems(results));
});

test('what a kernel lacks is named for each node', (t) => {
  const lacks = kernelUnfit(KERNEL_FEATURES.slice(2, 4), undefined)?.message ?? '';
  const result = judge({ ...healthy, kernels: ok([{ kind: 'unfit', node: 'old', lacks }, { kind: 'fit', node: 'new' }]) }, NOW).find(({ id }) => id === 'kernels-fit');
  t.is(result?.message, `old: this kernel lacks what capture needs: ${KERNEL_FEATURES.slice(2, 4).map(describeFeature).join(' ; ')}.`);
  t.is(states({ kernels: ok([{ kind: 'fit', node: 'a' }, { kind: 'unknown', node: 'b' }]) })['kernels-fit'], 'unknown', 'not every agent tells');
  t.is(states({ kernels: ok([]) })['kernels-fit'], 'unknown');
});

test('a cluster that has not joined has one finding, not two', (t) => {
  const found = states({ status: ok({ ...status, hub: { state: 'none' }, members: [] }) });
  t.deepEqual([found['hub-connected'], found['members-synced']], ['failed', 'unknown']);
});

test('the option of CoreDNS is found among other zones', (t) => {
  for (const line of ['multicluster clusterset.local', 'multicluster clusterset.local.', '\tmulticluster  other.local clusterset.local # ours']) t.is(states({ corefile: ok(`x {\n${line}\n}`) })['coredns-clusterset'], 'ok', line);
  for (const line of ['multicluster clusterset.localhost', 'multiclusters clusterset.local', 'x multicluster clusterset.local']) t.is(states({ corefile: ok(`x {\n${line}\n}`) })['coredns-clusterset'], 'failed', line);
});

test('an authority that has ended, is about to, or whose replacement is of no use, is a problem before it is felt', (t) => {
  const { ca } = status;
  const says = (changes: Partial<NonNullable<Status['ca']>> | undefined): readonly [string | undefined, string | undefined] => {
    const { ca: _, ...without } = status;
    const found = judge({ ...healthy, status: ok(changes === undefined || ca === undefined ? without : { ...status, ca: { ...ca, ...changes } }) }, NOW).find(({ id }) => id === 'certificates-issued');
    return [found?.state, found?.message];
  };
  t.deepEqual(says({}), ['ok', 'Certificates are issued by CN=x until 2026-01-31, under one root.']);
  t.deepEqual(says({ notAfter: NOW - 1 })[0], 'failed');
  t.deepEqual(says({ notAfter: NOW + 3 * DAY_MS }), ['failed', 'The certificate authority ends on 2026-01-04.']);
  t.regex(says({ fault: 'the key is not that of x' })[1] ?? '', /^Secret cacerts can not be used: the key is not that of x\. What was there before/);
  t.is(says(undefined)[0], 'unknown');
});

test('an ImportPolicy that can not be read is named', (t) => {
  const consent = { policies: { accepted: 0, refused: 2, faults: [{ name: 'imports', message: '/spec/allow must be array' }] }, members: [] };
  const found = judge({ ...healthy, status: ok({ ...status, consent }) }, NOW).find(({ id }) => id === 'policies-accepted');
  t.is(found?.state, 'failed');
  t.is(found?.message, '2 ImportPolicies can not be read; nothing is imported that such a policy governs. imports: /spec/allow must be array.');
});

test('policies that are not in force as they are written are named with what became of them', (t) => {
  const found = judge({ ...healthy, status: ok({ ...status, policies: { accepted: 1, partial: 30, refused: 1, faults: [fault] } }) }, NOW).find(({ id }) => id === 'policies-accepted');
  t.is(found?.message, 'Of 32 policies 31 are not in force as they are written. AuthorizationPolicy shop/guard: It denies everything. And 30 more.');
  t.is(states({ status: ok({ ...status, hub: { state: 'none' }, members: [] }) })['policies-accepted'], 'ok', 'a cluster that has not joined has policies too');
});

test('istiod may not look for other networks’ pods itself where a member is in another one', (t) => {
  const far = ok({ ...status, members: [member('east'), member('west', { network: 'far' })] });
  t.is(states({ istiod: ok({ multiNetwork: true }), status: far })['istio-networks'], 'failed');
  t.is(states({ istiod: ok({ multiNetwork: false }), status: far })['istio-networks'], 'ok');
  t.is(states({ istiod: ok({ multiNetwork: true }) })['istio-networks'], 'ok', 'all are in one network');
  t.is(states({ istiod: ok({ multiNetwork: true }), status: ok({ ...status, members: [member('east'), member('west', { network: 'far', revoked: true })] }) })['istio-networks'], 'ok');
});
