import { type AuthorizationPolicy, authorize, policyKey } from '@landbridge/core/authorization.ts';
import { parseSpiffeId } from '@landbridge/core/identity.ts';
import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { exampleAuthentication } from './example-policies.ts';
import { parsePeerAuthentication, type PeerAuthentication, PeerAuthentications } from './peer-authentication.ts';

const ROOT = 'landbridge-system';
const STRICT = 'landbridge-system/istio_converted_static_strict';
const parsed = parseIp('10.0.0.1');
const ip = (parsed.ok ? parsed.value : '') as IpAddress;
const peer = parseSpiffeId('spiffe://west.landbridge/ns/shop/sa/cart');

interface Spec {
  readonly mode?: string;
  readonly app?: string;
  readonly ports?: Readonly<Record<string, string>>;
  /** Seconds. */
  readonly age?: number;
  readonly namespace?: string;
}

let made = 0;
function parse({ mode, app, ports, age = 0, namespace = 'shop' }: Spec, name = `p${++made}`): PeerAuthentication {
  const spec = { ...(mode === undefined ? {} : { mtls: { mode } }), ...(app === undefined ? {} : { selector: { matchLabels: { app } } }), ...(ports === undefined ? {} : { portLevelMtls: Object.fromEntries(Object.entries(ports).map(([port, each]) => [port, { mode: each }])) }) };
  const found = parsePeerAuthentication(exampleAuthentication(spec, { namespace, name, creationTimestamp: new Date(1_700_000_000_000 - age * 1000) }), ROOT);
  if (found === undefined) throw new Error('it has a name');
  return found;
}

/** Ports on which plaintext is taken by a pod, of some. */
function plaintextPorts(all: readonly PeerAuthentication[], labels: Readonly<Record<string, string>> = { app: 'cart' }, namespace = 'shop'): number[] {
  const authentications = new PeerAuthentications(all, ROOT);
  const policies = new Map(authentications.policies().map((policy) => [policyKey(policy), policy]));
  const own = authentications.namesFor(namespace, labels).map((name): AuthorizationPolicy => {
    const policy = policies.get(name);
    if (policy === undefined) throw new Error(`${name} is named and not told`);
    return policy;
  });
  return [80, 8080, 9090].filter((destinationPort) => {
    const facts = { sourceIp: ip, destinationIp: ip, destinationPort };
    if (!peer.ok || !authorize(own, { ...facts, identity: peer.value }).allowed) throw new Error('mutual TLS is always taken');
    return authorize(own, { ...facts, identity: undefined }).allowed;
  });
}
const ALL = [80, 8080, 9090];

test('the narrowest that says something decides: workload, namespace, mesh', (t) => {
  const mesh = (mode: string): Spec => ({ mode, namespace: ROOT });
  const own = (mode: string): Spec => ({ mode, app: 'cart' });
  const cases: [Spec[], number[]][] = [
    [[], ALL],
    [[mesh('STRICT')], []],
    [[mesh('PERMISSIVE')], ALL],
    [[mesh('STRICT'), { mode: 'PERMISSIVE' }], ALL],
    [[mesh('STRICT'), { mode: 'DISABLE' }], ALL],
    [[mesh('STRICT'), { mode: 'UNSET' }], []],
    [[mesh('STRICT'), {}], []],
    [[mesh('PERMISSIVE'), { mode: 'STRICT' }], []],
    [[{ mode: 'STRICT' }, own('PERMISSIVE')], ALL],
    [[{ mode: 'STRICT' }, own('UNSET')], []],
    [[mesh('STRICT'), own('UNSET')], []],
    [[mesh('STRICT'), { mode: 'PERMISSIVE' }, own('STRICT')], []],
    [[{ mode: 'STRICT', app: 'other' }], ALL],
    [[{ mode: 'STRICT', namespace: 'bank' }], ALL],
    [[{ mode: 'STRICT', app: 'cart', namespace: 'bank' }], ALL],
  ];
  for (const [specs, expected] of cases) t.deepEqual(plaintextPorts(specs.map((spec) => parse(spec))), expected, JSON.stringify(specs));
});

test('ports of a workload differ from what holds for it', (t) => {
  const ports = (mode: string | undefined, of: Record<string, string>): Spec => ({ ...(mode === undefined ? {} : { mode }), app: 'cart', ports: of });
  const cases: [Spec[], number[]][] = [
    [[ports('STRICT', { 9090: 'PERMISSIVE' })], [9090]],
    [[ports('STRICT', { 9090: 'PERMISSIVE', 8080: 'DISABLE' })], [8080, 9090]],
    [[ports('STRICT', { 9090: 'STRICT' })], []],
    [[ports('STRICT', { 9090: 'UNSET' })], []],
    [[ports('PERMISSIVE', { 9090: 'STRICT' })], [80, 8080]],
    [[ports('PERMISSIVE', { 9090: 'STRICT', 8080: 'STRICT', 80: 'PERMISSIVE' })], [80]],
    [[ports(undefined, { 9090: 'STRICT' })], [80, 8080]],
    [[{ mode: 'STRICT' }, ports(undefined, { 9090: 'PERMISSIVE' })], [9090]],
    [[{ mode: 'STRICT', namespace: ROOT }, ports(undefined, { 9090: 'DISABLE' })], [9090]],
    // istiod loses this one: it names a policy that it does not send.
    [[{ mode: 'STRICT', namespace: ROOT }, {}, ports(undefined, { 9090: 'PERMISSIVE' })], [9090]],
    [[{ mode: 'STRICT' }, ports('PERMISSIVE', { 9090: 'STRICT' })], [80, 8080]],
    [[{ mode: 'PERMISSIVE' }, ports(undefined, { 9090: 'PERMISSIVE' })], ALL],
  ];
  for (const [specs, expected] of cases) t.deepEqual(plaintextPorts(specs.map((spec) => parse(spec))), expected, JSON.stringify(specs));
});

test('converted they have the names and the form that istiod gives them', (t) => {
  const presence = [{ kind: 'presence' }];
  const policies = new PeerAuthentications([parse({ mode: 'STRICT', app: 'cart', ports: { 9090: 'PERMISSIVE' } }, 'mixed')], ROOT).policies();
  t.deepEqual(policies.map(policyKey), [STRICT, 'shop/converted_peer_authentication_mixed']);
  for (const policy of policies) t.like(policy, { scope: 'workload', action: 'deny', dryRun: false });
  t.like(policies[0]?.rules[0]?.[0]?.[0], { notPrincipals: presence });
  t.is(policies[1]?.rules.length, 1);
  t.like(policies[1]?.rules[0]?.[0]?.[0], { notPrincipals: presence, notDestinationPorts: [] });
  t.like(policies[1]?.rules[0]?.[1]?.[0], { notPrincipals: [], notDestinationPorts: [9090] });
  t.deepEqual(new PeerAuthentications([], ROOT).policies(), []);
});

test('of several for the same the oldest decides, and the name where they are as old', (t) => {
  for (const app of [undefined, 'cart']) {
    const at = (mode: string, age: number): Spec => ({ mode, age, ...(app === undefined ? {} : { app }) });
    t.deepEqual(plaintextPorts([parse(at('STRICT', 5)), parse(at('PERMISSIVE', 9))]), ALL);
    t.deepEqual(plaintextPorts([parse(at('PERMISSIVE', 5)), parse(at('STRICT', 9))]), []);
    t.deepEqual(plaintextPorts([parse(at('PERMISSIVE', 5), 'b'), parse(at('STRICT', 5), 'a')]), []);
  }
});

test('what can not be read takes no plaintext, whatever else is said', (t) => {
  const broken = (spec: unknown, namespace = 'shop'): PeerAuthentication => parsePeerAuthentication(exampleAuthentication(spec, { namespace, name: 'broken' }), ROOT) as PeerAuthentication;
  const open = parse({ mode: 'PERMISSIVE', app: 'cart', age: 99 });
  for (const spec of ['x', null, { mtls: 'STRICT' }, { mtls: { mode: 'STRIKT' } }, { mtls: { mode: 'PERMISSIVE' }, extra: 1 }, { selector: { app: 'cart' } }, { portLevelMtls: { 80: { mode: 'PERMISSIVE' } } }]) {
    const found = broken(spec);
    t.like(found.verdict, { kind: 'refused', reason: 'Invalid' }, JSON.stringify(spec));
    t.deepEqual(plaintextPorts([open, found]), [], JSON.stringify(spec));
    t.deepEqual(plaintextPorts([open, found], { app: 'cart' }, 'bank'), ALL);
  }
  for (const port of ['http', '0', '080', '65536', '-1']) t.is(broken({ selector: { matchLabels: { app: 'cart' } }, portLevelMtls: { [port]: { mode: 'PERMISSIVE' } } }).isBroken, true, port);
  t.deepEqual(plaintextPorts([open, broken({ mtls: { mode: 5 }, selector: { matchLabels: { app: 'till' } } })]), ALL, 'its selector can be read');
  t.deepEqual(plaintextPorts([open, broken('x', ROOT)], {}, 'bank'), [], 'of the root namespace it is for all');
});

test('a selector in the root namespace selects nothing, and it is said', (t) => {
  const found = parse({ mode: 'STRICT', app: 'cart', namespace: ROOT });
  t.like(found.verdict, { kind: 'refused', reason: 'UnsupportedValue' });
  for (const namespace of ['shop', ROOT]) t.deepEqual(plaintextPorts([found], { app: 'cart' }, namespace), ALL);
});

test('what follows from them does not depend on their order; every policy that is named is told', (t) => {
  const mode = fc.constantFrom('STRICT', 'PERMISSIVE', 'UNSET', 'DISABLE', 'odd');
  const spec: fc.Arbitrary<Spec> = fc.record({ mode, app: fc.constantFrom('cart', 'till'), ports: fc.dictionary(fc.constantFrom('80', '8080', '9090'), mode, { maxKeys: 2 }), age: fc.integer({ min: 0, max: 2 }), namespace: fc.constantFrom('shop', 'bank', ROOT) }, { requiredKeys: ['age', 'namespace'] });
  fc.assert(fc.property(fc.array(spec, { maxLength: 6 }).chain((specs) => fc.tuple(fc.constant(specs), fc.shuffledSubarray(specs.map((_, i) => i), { minLength: specs.length }))), fc.constantFrom('cart', 'till', 'other'), fc.constantFrom('shop', 'bank', ROOT), ([specs, order], app, namespace) => {
    const all = specs.map((each, i) => parse(each, `p${i}`));
    t.deepEqual(plaintextPorts(order.map((i) => all[i] as PeerAuthentication), { app }, namespace), plaintextPorts(all, { app }, namespace));
  }), { numRuns: 500 });
});
