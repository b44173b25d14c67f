import { formatPrefix } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { exampleCandidate, examplePolicy } from './example-policies.ts';
import { type Candidate, decideImport } from './import-decision.ts';
import { MAX_POLICIES, readImportPolicies } from './import-policies.ts';

function decide(specs: readonly unknown[], changes: Partial<Candidate> = {}): string {
  const policies = readImportPolicies(specs.map((spec, i) => examplePolicy(spec, `p${i}`))).map(({ policy }) => policy);
  const decision = decideImport(policies, exampleCandidate(changes));
  if (decision.kind === 'refused') return `${decision.reason} ${decision.policy ?? ''}`.trim();
  const ranges = decision.ranges.map((rules) => rules.map(({ prefixes }) => prefixes.map(formatPrefix).join()).join('|'));
  return ['allowed', ...ranges, ...(decision.maxSharePercent === undefined ? [] : [`${decision.maxSharePercent} %`])].join(' ');
}

test('without a policy everything is imported but into namespaces of the system, and under the name of the API server', (t) => {
  t.is(decide([]), 'allowed');
  t.is(decide([], { isLocal: true }), 'allowed');
  for (const namespace of ['kube-system', 'kube-public', 'kube-node-lease', 'landbridge-system', 'istio-system']) t.is(decide([{ allow: [{}] }], { namespace }), 'closed', namespace);
  t.is(decide([{ allow: [{}] }], { namespace: 'default', name: 'kubernetes' }), 'closed');
  t.is(decide([], { namespace: 'default' }), 'allowed');
});

test('a policy allows what one of its rules names, by cluster, namespace and service, and nothing else', (t) => {
  const west = { allow: [{ clusters: ['west'], namespaces: ['shop'], services: ['cart'] }, { clusters: ['north'] }] };
  t.is(decide([west]), 'allowed');
  for (const changes of [{ cluster: 'south' }, { namespace: 'bank' }, { name: 'till' }]) t.is(decide([west], changes), 'policy p0', JSON.stringify(changes));
  t.is(decide([west], { cluster: 'north', namespace: 'bank' }), 'allowed');
  t.is(decide([{ allow: [] }]), 'policy p0');
});

test('every policy that governs an import has to allow it, whatever its name', (t) => {
  const open = { allow: [{}] };
  const onlyNorth = { governs: { namespaces: ['shop'] }, allow: [{ clusters: ['north'] }] };
  for (const specs of [[open, onlyNorth], [onlyNorth, open]]) {
    t.regex(decide(specs), /^policy p[01]$/);
    t.is(decide(specs, { namespace: 'bank' }), 'allowed');
    t.is(decide(specs, { cluster: 'north' }), 'allowed');
  }
  t.is(decide([{ governs: { services: ['till'] }, allow: [] }]), 'allowed');
});

test('names that this cluster has itself can be kept out', (t) => {
  const spec = { allow: [{ unlessLocal: true }] };
  t.is(decide([spec]), 'allowed');
  t.is(decide([spec], { isLocal: true }), 'policy p0');
});

test('of rules that allow the same the wider counts, of policies the narrower', (t) => {
  const narrow = { allow: [{ ranges: ['10.2.0.0/16'], maxSharePercent: 20 }, { clusters: ['west'], ranges: ['10.3.0.0/16', 'fd00::/48'], maxSharePercent: 30 }] };
  t.is(decide([narrow]), 'allowed 10.2.0.0/16|10.3.0.0/16,fd00::/48 30 %');
  t.is(decide([narrow], { cluster: 'north' }), 'allowed 10.2.0.0/16 20 %');
  t.is(decide([narrow, { allow: [{ ranges: ['10.2.4.0/24'], maxSharePercent: 10 }] }]), 'allowed 10.2.0.0/16|10.3.0.0/16,fd00::/48 10.2.4.0/24 10 %');
  t.is(decide([{ allow: [...narrow.allow, {}] }]), 'allowed');
});

test('a policy that can not be read denies what it surely governs, and all where that can not be read; the others go on', (t) => {
  const wrong = [{ allow: [{ cluster: ['west'] }] }, { allow: [{ ranges: ['10.2.0.0/33'] }] }, { allow: [{ ranges: ['0177.0.0.1/8'] }] }, { allow: [{ maxSharePercent: 0 }] }, { allow: [{ clusters: [] }] }, { allow: [{ clusters: ['West'] }] }, { allow: {} }, {}, 7, null, undefined];
  for (const spec of wrong) t.is(decide([{ allow: [{}] }, spec]), 'invalid-policy p1', JSON.stringify(spec));
  for (const spec of wrong.slice(0, 7)) {
    const governing = { governs: { namespaces: ['bank'] }, ...(spec as object) };
    t.is(decide([{ allow: [{}] }, governing]), 'allowed', JSON.stringify(spec));
    t.is(decide([{ allow: [{}] }, governing], { namespace: 'bank' }), 'invalid-policy p1', JSON.stringify(spec));
  }
  t.is(decide([{ governs: { namespaces: ['bank'], more: 1 }, allow: [{}] }]), 'invalid-policy p0');
});

test('policies beyond the limit are not read, and so deny', (t) => {
  const many = Array.from({ length: MAX_POLICIES + 1 }, (_, i) => examplePolicy({ governs: { services: i < MAX_POLICIES ? ['cart'] : ['till'] }, allow: [{}] }, `p${String(i).padStart(4, '0')}`));
  const policies = readImportPolicies(many.toReversed()).map(({ policy }) => policy);
  t.is(decideImport(policies, exampleCandidate()).kind, 'allowed');
  t.like(decideImport(policies, exampleCandidate({ name: 'till' })), { kind: 'refused', policy: `p0${MAX_POLICIES}` });
});
