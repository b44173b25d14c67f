/** Objects of an API server, and random ones, for tests. */
import type { KubernetesObject } from '@kubernetes/client-node';
import fc from 'fast-check';
import type { OracleRule } from './policy-oracle.ts';

export type PolicyObject = KubernetesObject & { readonly spec?: unknown };

export function exampleAuthorization(spec: unknown, metadata: object = {}): PolicyObject {
  return { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: 'shop', name: 'guard', ...metadata }, spec };
}

export function exampleAuthentication(spec: unknown, metadata: object = {}): PolicyObject {
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { namespace: 'shop', name: 'default', creationTimestamp: new Date('2026-01-01T00:00:00Z'), ...metadata }, spec };
}

/** Few, so that policies and callers meet. */
export const NAMESPACES = ['shop', 'bank'] as const;
const ACCOUNTS = ['cart', 'till'] as const;
const TRUST_DOMAINS = ['east.landbridge', 'west.landbridge'] as const;

const few = (values: fc.Arbitrary<string>): fc.Arbitrary<string[]> => fc.array(values, { maxLength: 3 });
const text = fc.constantFrom('shop', 'bank', '*', 's*', '*k', 'sh*');
const principal = fc.oneof(fc.constantFrom('*', 'west.landbridge/*', '*/sa/cart', 'west.landbridge/ns/shop/*'), fc.tuple(fc.constantFrom(...TRUST_DOMAINS), fc.constantFrom(...NAMESPACES), fc.constantFrom(...ACCOUNTS)).map(([domain, namespace, account]) => `${domain}/ns/${namespace}/sa/${account}`));
const account = fc.constantFrom('cart', 'till', 'shop/cart', 'bank/till');
const block = fc.constantFrom('10.0.0.1', '10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '::ffff:10.0.0.1', 'fd00::/8');
const port = fc.constantFrom('80', '443', '65535');
/** What people write, and nobody can evaluate. */
const odd = { text: fc.constantFrom('*x*', 's*p', '**'), principal: fc.constantFrom('spiffe://west.landbridge/ns/shop/sa/cart', 'a*b'), account: fc.constantFrom('*', 'shop/*', 'ca.*', 'shop/c[ab]rt', 'a/b/c', '/cart'), block: fc.constantFrom('0177.0.0.1', '10.0.0.0/33', '1', 'fe80::1%eth0', '10.0.0.1/8/8', 'any'), port: fc.constantFrom('0', '65536', '+80', '080', '80-90', 'http') };

function sourceOf(kind: (plain: fc.Arbitrary<string>, strange: fc.Arbitrary<string>) => fc.Arbitrary<string>, more: Record<string, fc.Arbitrary<string[]>>): fc.Arbitrary<Record<string, string[]>> {
  const [principals, namespaces, serviceAccounts, ipBlocks] = [few(kind(principal, odd.principal)), few(kind(text, odd.text)), few(kind(account, odd.account)), few(kind(block, odd.block))];
  return fc.record({ principals, notPrincipals: principals, namespaces, notNamespaces: namespaces, serviceAccounts, notServiceAccounts: serviceAccounts, ipBlocks, notIpBlocks: ipBlocks, ...more }, { requiredKeys: [] });
}

function ruleOf(isPlain: boolean): fc.Arbitrary<OracleRule> {
  const kind = (plain: fc.Arbitrary<string>, strange: fc.Arbitrary<string>): fc.Arbitrary<string> => (isPlain ? plain : fc.oneof({ weight: 9, arbitrary: plain }, { weight: 1, arbitrary: strange }));
  const opaque = few(fc.constantFrom('GET', '/x'));
  const says = (lists: Record<string, string[]>): boolean => !isPlain || Object.values(lists).some((values) => values.length > 0);
  const source = sourceOf(kind, isPlain ? {} : { requestPrincipals: opaque, notRemoteIpBlocks: opaque }).filter(says);
  const ports = few(kind(port, odd.port));
  const operation = fc.record({ ports, notPorts: ports, ...(isPlain ? {} : { methods: opaque, notPaths: opaque }) }, { requiredKeys: [] }).filter((lists) => says(lists as Record<string, string[]>)) as fc.Arbitrary<Record<string, string[]>>;
  const condition = fc.constantFrom('source.ip', 'source.namespace', 'source.principal', 'destination.ip', 'destination.port', ...(isPlain ? [] : ['request.headers[x]', 'source.namespce'])).chain((key) => {
    const values = few(key.endsWith('.ip') ? kind(block, odd.block) : key.endsWith('.port') ? kind(port, odd.port) : key.endsWith('.principal') ? kind(principal, odd.principal) : kind(text, odd.text));
    return fc.record({ key: fc.constant(key), values, notValues: values }).filter((lists) => says({ values: lists.values, notValues: lists.notValues }));
  });
  return fc.record({ from: fc.array(fc.record({ source }), { maxLength: 2 }), to: fc.array(fc.record({ operation }), { maxLength: 2 }), when: fc.array(condition, { maxLength: 2 }) }, { requiredKeys: [] });
}

export interface RandomPolicy {
  readonly action: 'ALLOW' | 'DENY';
  readonly namespace: string;
  readonly rules: readonly OracleRule[];
}

/** `isPlain`: with nothing in it that can not be evaluated. */
export const randomPolicies = (isPlain: boolean): fc.Arbitrary<readonly RandomPolicy[]> =>
  fc.array(fc.record({ action: fc.constantFrom('ALLOW' as const, 'DENY' as const), namespace: fc.constantFrom(...NAMESPACES), rules: fc.array(ruleOf(isPlain), { maxLength: 3 }) }), { maxLength: 4 });

export const randomCaller = fc.record({
  principal: fc.option(fc.record({ trustDomain: fc.constantFrom(...TRUST_DOMAINS), namespace: fc.constantFrom(...NAMESPACES), serviceAccount: fc.constantFrom(...ACCOUNTS) }), { nil: undefined }),
  ip: fc.constantFrom('10.0.0.1', '10.1.2.3', '192.0.2.1'),
  destinationIp: fc.constantFrom('10.0.0.1', '10.1.0.9'),
  port: fc.constantFrom(80, 443, 8080),
});
