import { authorize, type AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { parseSpiffeId } from '@landbridge/core/identity.ts';
import { parseIp } from '@landbridge/core/ip-address.ts';
import type { Result } from '@landbridge/core/result.ts';
import test from 'ava';
import fc from 'fast-check';
import { convertAuthorizationPolicy } from './authorization-policy.ts';
import { exampleAuthorization, NAMESPACES, randomCaller, randomPolicies, type RandomPolicy } from './example-policies.ts';
import { type Caller, isAllowed, type Truth } from './policy-oracle.ts';

const RUNS = { numRuns: 3000 };

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

const converted = (policies: readonly RandomPolicy[]): AuthorizationPolicy[] => policies.flatMap(({ action, namespace, rules }, i) => convertAuthorizationPolicy(exampleAuthorization({ action, rules }, { namespace, name: `p${i}` }), 'root')?.policy ?? []);

function decision(policies: readonly AuthorizationPolicy[], { principal, ip, destinationIp, port }: Caller): boolean {
  const identity = principal === undefined ? undefined : must(parseSpiffeId(`spiffe://${principal.trustDomain}/ns/${principal.namespace}/sa/${principal.serviceAccount}`));
  return authorize(policies, { sourceIp: must(parseIp(ip)), destinationIp: must(parseIp(destinationIp)), destinationPort: port, identity }).allowed;
}

test('a connection that a policy denies, or may deny, is never allowed by what agents are told', (t) => {
  const seen = new Map<Truth, number>();
  fc.assert(fc.property(randomPolicies(false), randomCaller, (policies, caller) => {
    const wanted = isAllowed(policies, caller);
    seen.set(wanted, (seen.get(wanted) ?? 0) + 1);
    return wanted === 'yes' || !decision(converted(policies), caller);
  }), RUNS);
  for (const truth of ['yes', 'no', 'maybe'] as const) t.true((seen.get(truth) ?? 0) > RUNS.numRuns / 100, `${truth} ${seen.get(truth)}`);
});

test('policies that can be evaluated are decided exactly as they are written', (t) => {
  const seen = { yes: 0, no: 0 };
  fc.assert(fc.property(randomPolicies(true), randomCaller, (policies, caller) => {
    const wanted = isAllowed(policies, caller);
    if (wanted === 'maybe') return false;
    seen[wanted]++;
    return (wanted === 'yes') === decision(converted(policies), caller);
  }), RUNS);
  t.true(Math.min(seen.yes, seen.no) > RUNS.numRuns / 20, JSON.stringify(seen));
});

test('whatever an object holds, it becomes a policy that decides as well as one that is meant, and a verdict', (t) => {
  const field = fc.constantFrom('selector', 'action', 'rules', 'targetRefs', 'provider', 'from', 'to', 'when', 'source', 'operation', 'principals', 'ports', 'key', 'values', 'matchLabels', '__proto__', 'constructor');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 6 }, fc.constantFrom('ALLOW', 'DENY', 'CUSTOM', '*', '80', ''), fc.jsonValue({ maxDepth: 1 }), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(field, tie('value'), { maxKeys: 4 })),
  }));
  fc.assert(fc.property(value, fc.constantFrom(...NAMESPACES), (spec, namespace) => {
    const made = convertAuthorizationPolicy(exampleAuthorization(spec, { namespace }), 'root');
    if (made === undefined) return false;
    if (made.verdict.kind !== 'elsewhere' && made.verdict.message.length > 3000) return false;
    // What can not be read denies: nobody gets in by it.
    return made.verdict.kind !== 'refused' || made.policy === undefined || !decision([made.policy], { principal: undefined, ip: '10.0.0.1', destinationIp: '10.0.0.2', port: 80 });
  }), RUNS);
  t.pass();
});

test('what is no object with a name is nobody’s policy', (t) => {
  fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.jsonValue().map((metadata) => ({ metadata }))), (object) => {
    convertAuthorizationPolicy(object, 'root');
  }));
  t.is(convertAuthorizationPolicy(undefined, 'root'), undefined);
  t.is(convertAuthorizationPolicy({ metadata: { namespace: 'shop', name: 'a/b' } }, 'root'), undefined);
});
