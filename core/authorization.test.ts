import test from 'ava';
import { type AuthorizationPolicy, authorize, type Clause, type ConnectionFacts, EMPTY_MATCH, type Match, type Rule, selectPolicies, type StringMatch } from './authorization.ts';
import { parseSpiffeId } from './identity.ts';
import { type IpAddress, type IpPrefix, parseIp, parsePrefix } from './ip-address.ts';
import type { Result } from './result.ts';

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}
const ip = (text: string): IpAddress => must(parseIp(text));
const net = (text: string): IpPrefix => must(parsePrefix(text));
const exact = (value: string): StringMatch => ({ kind: 'exact', value });
const prefix = (value: string): StringMatch => ({ kind: 'prefix', value });
const suffix = (value: string): StringMatch => ({ kind: 'suffix', value });
const PRESENCE: StringMatch = { kind: 'presence' };

const match = (over: Partial<Match>): Match => ({ ...EMPTY_MATCH, ...over });
/** A match that any connection of these tests fulfils, and one that none does. */
const YES = match({ destinationPorts: [80] });
const NO = match({ destinationPorts: [1] });

const policy = (name: string, over: Partial<AuthorizationPolicy> = {}): AuthorizationPolicy => ({ namespace: 'demo', name, scope: 'namespace', action: 'allow', rules: [], dryRun: false, unevaluable: undefined, ...over });
const allow = (...rules: Rule[]): AuthorizationPolicy => policy('allow', { rules });
const deny = (...rules: Rule[]): AuthorizationPolicy => policy('deny', { action: 'deny', rules });
const when = (over: Partial<Match>): AuthorizationPolicy => allow([[match(over)]]);

const PLAIN: ConnectionFacts = { sourceIp: ip('10.1.2.3'), destinationIp: ip('10.9.0.1'), destinationPort: 80, identity: undefined };
const TLS: ConnectionFacts = { ...PLAIN, identity: must(parseSpiffeId('spiffe://td.example/ns/shop/sa/cart')) };
const isAllowed = (policies: readonly AuthorizationPolicy[], facts = TLS): boolean => authorize(policies, facts).allowed;

test('conformance 11: without policies everything is allowed', (t) => {
  t.deepEqual(authorize([], PLAIN), { allowed: true, dryRun: undefined });
});

test('conformance 11: a deny that matches wins over everything', (t) => {
  t.deepEqual(authorize([allow([[YES]]), deny([[YES]])], TLS), { allowed: false, reason: 'explicitly denied by: demo/deny', policy: 'demo/deny', dryRun: undefined });
});

test('conformance 11: without an allow policy what is not denied is allowed', (t) => {
  t.true(isAllowed([deny([[NO]])]));
});

test('conformance 11: with allow policies one of them must match', (t) => {
  t.true(isAllowed([allow([[NO]]), allow([[YES]])]));
  t.true(isAllowed([allow([[YES]]), deny([[NO]])]));
  t.deepEqual(authorize([allow([[NO]]), deny([[NO]])], TLS), { allowed: false, reason: 'allow policies exist, but none allowed', policy: undefined, dryRun: undefined });
});

test('conformance 11: a policy without rules never matches', (t) => {
  t.false(isAllowed([allow()]), 'allow nothing');
  t.true(isAllowed([deny()]));
});

test('conformance 11: a policy matches if any rule does', (t) => {
  t.true(isAllowed([allow([[NO]], [[YES]])]));
  t.false(isAllowed([allow([[NO]], [[NO]])]));
});

test('conformance 11: a rule matches if all clauses do, so also if there are none', (t) => {
  t.true(isAllowed([allow([[YES], [YES]])]));
  t.false(isAllowed([allow([[YES], [NO]])]));
  t.true(isAllowed([allow([])]));
});

test('conformance 11: a clause matches if any of its matches does, and if it is empty', (t) => {
  const clauses: [Clause, boolean][] = [[[NO, YES], true], [[NO, NO], false], [[], true]];
  for (const [clause, expected] of clauses) t.is(isAllowed([allow([clause])]), expected);
  t.false(isAllowed([allow([[], [NO]])]), 'an empty clause does not speak for others');
});

test('conformance 11: a match without fields is false', (t) => {
  t.false(isAllowed([allow([[EMPTY_MATCH]])]));
  t.true(isAllowed([allow([[EMPTY_MATCH, YES]])]));
  t.true(isAllowed([deny([[EMPTY_MATCH]])]));
});

test('conformance 11: a match matches if all its kinds do', (t) => {
  t.true(isAllowed([when({ destinationPorts: [80], namespaces: [exact('shop')] })]));
  t.false(isAllowed([when({ destinationPorts: [80], namespaces: [exact('other')] })]));
  t.false(isAllowed([when({ destinationPorts: [81], namespaces: [exact('shop')] })]));
});

test('conformance 11: within a kind one positive is enough, and no negative may be', (t) => {
  t.true(isAllowed([when({ namespaces: [exact('x'), exact('shop')] })]));
  t.false(isAllowed([when({ namespaces: [exact('x'), exact('y')] })]));
  t.true(isAllowed([when({ notNamespaces: [exact('x'), exact('y')] })]));
  t.false(isAllowed([when({ notNamespaces: [exact('x'), exact('shop')] })]));
  t.false(isAllowed([when({ namespaces: [exact('shop')], notNamespaces: [exact('shop')] })]));
  t.true(isAllowed([when({ namespaces: [prefix('s')], notNamespaces: [exact('sales')] })]));
});

test('conformance 11: texts match exactly, by prefix, by suffix and by presence', (t) => {
  const cases: [StringMatch, boolean][] = [[exact('shop'), true], [exact('sho'), false], [exact('Shop'), false], [prefix('sh'), true], [prefix('op'), false], [suffix('op'), true], [suffix('sh'), false], [prefix(''), true], [PRESENCE, true]];
  for (const [of, expected] of cases) t.is(isAllowed([when({ namespaces: [of] })]), expected, JSON.stringify(of));
});

test('conformance 11: principals are compared without the scheme', (t) => {
  const id = 'td.example/ns/shop/sa/cart';
  const cases: [StringMatch, boolean][] = [[exact(id), true], [exact(`spiffe://${id}`), false], [prefix('td.example/'), true], [prefix('spiffe://'), false], [suffix('/sa/cart'), true], [suffix('/sa/other'), false], [PRESENCE, true]];
  for (const [of, expected] of cases) t.is(isAllowed([when({ principals: [of] })]), expected, JSON.stringify(of));
});

test('conformance 11: without an identity no principal and no service account matches, and the namespace is empty', (t) => {
  for (const text of [exact(''), prefix(''), suffix(''), PRESENCE]) t.false(isAllowed([when({ principals: [text] })], PLAIN), JSON.stringify(text));
  t.true(isAllowed([when({ notPrincipals: [PRESENCE] })], PLAIN));
  t.false(isAllowed([when({ notPrincipals: [PRESENCE] })], TLS));
  t.true(isAllowed([when({ namespaces: [exact('')] })], PLAIN));
  t.false(isAllowed([when({ namespaces: [PRESENCE] })], PLAIN));
  t.true(isAllowed([when({ notNamespaces: [exact('shop')] })], PLAIN));
  t.false(isAllowed([when({ serviceAccounts: [{ namespace: '', serviceAccount: '' }] })], PLAIN));
  t.true(isAllowed([when({ notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'cart' }] })], PLAIN));
});

test('conformance 11: service accounts match by namespace and name exactly, in any trust domain', (t) => {
  const of = (namespace: string, serviceAccount: string): boolean => isAllowed([when({ serviceAccounts: [{ namespace, serviceAccount }] })]);
  t.true(of('shop', 'cart'));
  t.false(of('shop', 'car'));
  t.false(of('sho', 'cart'));
  t.true(isAllowed([when({ serviceAccounts: [{ namespace: 'shop', serviceAccount: 'cart' }] })], { ...PLAIN, identity: must(parseSpiffeId('spiffe://other/ns/shop/sa/cart')) }));
  t.false(isAllowed([when({ notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'cart' }] })]));
});

test('conformance 11: addresses match by prefix, of their own family', (t) => {
  const cases: [IpPrefix, string, boolean][] = [
    [net('10.1.2.3/32'), '10.1.2.3', true], [net('10.1.2.3/32'), '10.1.2.4', false], [net('10.1.0.0/16'), '10.1.2.3', true], [net('10.1.2.4/31'), '10.1.2.3', false], [net('0.0.0.0/0'), '10.1.2.3', true],
    [net('::/0'), '10.1.2.3', false], [net('0.0.0.0/0'), 'fd00::1', false], [net('fd00::/8'), 'fd12::1', true], [net('fd00::/8'), 'fe80::1', false], [net('10.1.0.0/16'), '::ffff:10.1.2.3', true],
  ];
  for (const [range, address, expected] of cases) {
    t.is(isAllowed([when({ sourceIps: [range] })], { ...TLS, sourceIp: ip(address) }), expected);
    t.is(isAllowed([when({ notSourceIps: [range] })], { ...TLS, sourceIp: ip(address) }), !expected);
    t.is(isAllowed([when({ destinationIps: [range] })], { ...TLS, destinationIp: ip(address) }), expected);
    t.is(isAllowed([when({ notDestinationIps: [range] })], { ...TLS, destinationIp: ip(address) }), !expected);
  }
});

test('conformance 11: ports are those of the application', (t) => {
  t.true(isAllowed([when({ destinationPorts: [81, 80] })]));
  t.false(isAllowed([when({ destinationPorts: [15008] })]));
  t.false(isAllowed([when({ notDestinationPorts: [81, 80] })]));
  t.true(isAllowed([when({ notDestinationPorts: [81] })]));
});

test('conformance 11: STRICT is a policy that denies what has no principal', (t) => {
  const strict = policy('istio_converted_static_strict', { namespace: 'istio-system', scope: 'workload', action: 'deny', rules: [[[match({ notPrincipals: [PRESENCE] })]]] });
  t.true(isAllowed([strict], TLS));
  t.false(isAllowed([strict], PLAIN));
});

test('conformance 11: STRICT with a PERMISSIVE port', (t) => {
  const converted = policy('converted_peer_authentication_demo', { scope: 'workload', action: 'deny', rules: [[[match({ notPrincipals: [PRESENCE] })], [match({ notDestinationPorts: [9090] })]]] });
  t.true(isAllowed([converted], { ...PLAIN, destinationPort: 9090 }));
  t.false(isAllowed([converted], { ...PLAIN, destinationPort: 80 }));
  t.true(isAllowed([converted], { ...TLS, destinationPort: 80 }));
});

test('a deny that can not be evaluated denies everything, an allow allows nothing', (t) => {
  const unevaluable = 'a field that is not known';
  t.deepEqual(authorize([policy('odd', { action: 'deny', unevaluable })], TLS), { allowed: false, reason: 'demo/odd denies everything, since it can not be evaluated: a field that is not known', policy: 'demo/odd', dryRun: undefined });
  t.false(isAllowed([policy('odd', { rules: [[[YES]]], unevaluable })]));
  t.true(isAllowed([policy('odd', { rules: [[[YES]]], unevaluable }), allow([[YES]])]));
});

test('conformance 11: policies on dry run change nothing, and it is said what they would change', (t) => {
  const dry = (of: AuthorizationPolicy): AuthorizationPolicy => ({ ...of, dryRun: true });
  t.deepEqual(authorize([dry(deny([[YES]]))], TLS), { allowed: true, dryRun: { allowed: false, reason: 'explicitly denied by: demo/deny', policy: 'demo/deny' } });
  t.deepEqual(authorize([dry(deny([[NO]]))], TLS), { allowed: true, dryRun: { allowed: true } });
  t.like(authorize([dry(allow([[NO]]))], TLS), { allowed: true, dryRun: { allowed: false, reason: 'allow policies exist, but none allowed' } });
  t.like(authorize([dry(allow([[YES]]))], TLS), { allowed: true, dryRun: { allowed: true } });
  t.like(authorize([allow([[NO]]), dry(allow([[YES]]))], TLS), { allowed: false, dryRun: { allowed: true } });
  t.like(authorize([allow([[YES]]), dry(deny([[YES]]))], TLS), { allowed: true, dryRun: { allowed: false, policy: 'demo/deny' } });
});

test('a workload stands under the policies of its namespace, those for all, and those that it names', (t) => {
  const all = new Map([
    policy('a'), policy('b', { namespace: 'other' }), policy('root', { namespace: 'istio-system', scope: 'global' }), policy('chosen', { scope: 'workload' }), policy('not-chosen', { scope: 'workload' }), policy('strict', { namespace: 'istio-system', scope: 'workload' }),
  ].map((each) => [`${each.namespace}/${each.name}`, each]));
  const selected = selectPolicies(all, { namespace: 'demo', authorizationPolicies: ['demo/chosen', 'istio-system/strict', 'demo/gone', 'demo/a'] });
  t.deepEqual(selected.policies.map(({ name }) => name), ['a', 'root', 'chosen', 'strict']);
  t.deepEqual(selected.missing, ['demo/gone']);
});

test('policies can be sent to another thread', (t) => {
  const policies = [when({ sourceIps: [net('10.0.0.0/8')], principals: [PRESENCE] }), deny([[match({ destinationIps: [net('fd00::/8')] })]])];
  t.deepEqual(structuredClone(policies), policies);
  t.true(isAllowed(structuredClone(policies)));
});
