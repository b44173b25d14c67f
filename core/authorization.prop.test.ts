import test from 'ava';
import fc from 'fast-check';
import { type AuthorizationPolicy, authorize, type ConnectionFacts, type Match } from './authorization.ts';
import { parseSpiffeId } from './identity.ts';
import { ipFromBytes, prefixFromBytes } from './ip-address.ts';
import type { Result } from './result.ts';

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}
const ip = fc.nat(3).map((last) => must(ipFromBytes(Uint8Array.of(10, 0, 0, last))));
const prefix = fc.tuple(fc.nat(3), fc.integer({ min: 29, max: 32 })).map(([last, bits]) => must(prefixFromBytes(Uint8Array.of(10, 0, 0, last), bits)));
const word = fc.constantFrom('a', 'ab', 'b');
const text = fc.oneof(fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: word }), fc.constant({ kind: 'presence' } as const));
const account = fc.record({ namespace: word, serviceAccount: word });
const few = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 2 });
const port = fc.nat(2);
const match = fc.record({
  namespaces: few(text), notNamespaces: few(text), principals: few(text), notPrincipals: few(text), sourceIps: few(prefix), notSourceIps: few(prefix), destinationIps: few(prefix), notDestinationIps: few(prefix),
  destinationPorts: few(port), notDestinationPorts: few(port), serviceAccounts: few(account), notServiceAccounts: few(account),
});
const policy: fc.Arbitrary<AuthorizationPolicy> = fc.record({
  namespace: word, name: word, scope: fc.constant('global' as const), action: fc.constantFrom('allow', 'deny'), rules: few(few(few(match))), dryRun: fc.boolean(),
  unevaluable: fc.option(fc.constant('odd'), { nil: undefined, freq: 10 }),
});
const identity = fc.tuple(word, word).map(([namespace, serviceAccount]) => must(parseSpiffeId(`spiffe://td/ns/${namespace}/sa/${serviceAccount}`)));
const facts: fc.Arbitrary<ConnectionFacts> = fc.record({ sourceIp: ip, destinationIp: ip, destinationPort: port, identity: fc.option(identity, { nil: undefined }) });
const policies = fc.array(policy, { maxLength: 5 });

test('the order of policies, and of what is in them, changes no decision', (t) => {
  const reversed = (of: AuthorizationPolicy): AuthorizationPolicy => ({ ...of, rules: of.rules.map((rule) => rule.map((clause) => [...clause].reverse()).reverse()).reverse() });
  fc.assert(fc.property(policies, facts, (list, connection) => {
    const verdict = authorize(list, connection);
    const again = authorize(list.map(reversed).reverse(), connection);
    return verdict.allowed === again.allowed && verdict.dryRun?.allowed === again.dryRun?.allowed;
  }));
  t.pass();
});

test('one more deny never allows more; one more allow never denies more where there was one', (t) => {
  fc.assert(fc.property(policies, policy, facts, (list, more, connection) => {
    const before = authorize(list, connection).allowed;
    const after = authorize([...list, { ...more, dryRun: false }], connection).allowed;
    if (more.action === 'deny') return before || !after;
    const hadAllow = list.some(({ action, dryRun }) => action === 'allow' && !dryRun);
    return !hadAllow || !before || after;
  }));
  t.pass();
});

test('a policy on dry run decides nothing, and its decision is that of the policy in force', (t) => {
  fc.assert(fc.property(policies, facts, (list, connection) => {
    const verdict = authorize(list, connection);
    const inForce = authorize(list.map((each) => ({ ...each, dryRun: false })), connection);
    const without = authorize(list.filter(({ dryRun }) => !dryRun), connection);
    return verdict.allowed === without.allowed && (verdict.dryRun === undefined ? list.every(({ dryRun }) => !dryRun) : verdict.dryRun.allowed === inForce.allowed);
  }));
  t.pass();
});

test('what a match wants and does not want is the opposite for one entry', (t) => {
  const kinds: readonly [keyof Match, keyof Match][] = [['namespaces', 'notNamespaces'], ['principals', 'notPrincipals'], ['sourceIps', 'notSourceIps'], ['destinationIps', 'notDestinationIps'], ['destinationPorts', 'notDestinationPorts'], ['serviceAccounts', 'notServiceAccounts']];
  fc.assert(fc.property(match, facts, (full, connection) => {
    const none = Object.fromEntries(Object.keys(full).map((key) => [key, []])) as unknown as Match;
    return kinds.every(([positive, negative]) => full[positive].every((entry) => {
      const allows = (over: Partial<Match>): boolean => authorize([{ namespace: 'a', name: 'a', scope: 'global', action: 'allow', rules: [[[{ ...none, ...over }]]], dryRun: false, unevaluable: undefined }], connection).allowed;
      return allows({ [positive]: [entry] }) !== allows({ [negative]: [entry] });
    }));
  }));
  t.pass();
});
