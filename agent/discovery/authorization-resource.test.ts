import { create, type Message, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type AuthorizationPolicy, authorize } from '@landbridge/core/authorization.ts';
import { parseIp } from '@landbridge/core/ip-address.ts';
import { Action, AddressSchema, AuthorizationSchema, ClauseSchema, MatchSchema, RuleSchema, Scope, ServiceAccountMatchSchema, StringMatchSchema } from '@landbridge/wire/gen/authorization_pb.js';
import test from 'ava';
import fc from 'fast-check';
import { MAX_AUTHORIZATION_BYTES, parseAuthorization } from './authorization-resource.ts';

type Initial = MessageInitShape<typeof AuthorizationSchema>;
const encode = (value: Initial): Uint8Array => toBinary(AuthorizationSchema, create(AuthorizationSchema, value));
const presence = { matchType: { case: 'presence', value: {} } } as const;

function parsed(bytes: Uint8Array): AuthorizationPolicy {
  const result = parseAuthorization(bytes);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}
const withMatch = (match: MessageInitShape<typeof MatchSchema>, over: Initial = {}): AuthorizationPolicy => parsed(encode({ namespace: 'demo', name: 'p', rules: [{ clauses: [{ matches: [match] }] }], ...over }));

test('every field is understood', (t) => {
  const text = (kind: 'exact' | 'prefix' | 'suffix', value: string) => ({ matchType: { case: kind, value } }) as const;
  const policy = withMatch({
    namespaces: [text('exact', 'a')], notNamespaces: [text('prefix', 'b')], principals: [text('suffix', 'c')], notPrincipals: [presence],
    sourceIps: [{ address: Uint8Array.of(10, 1, 2, 3), length: 8 }], notSourceIps: [{ address: new Uint8Array(16), length: 0 }], destinationIps: [{ address: Uint8Array.of(10, 0, 0, 1), length: 32 }], notDestinationIps: [{ address: Uint8Array.of(10, 0, 0, 2), length: 32 }],
    destinationPorts: [80, 65535], notDestinationPorts: [81], serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }], notServiceAccounts: [{ namespace: 'm', serviceAccount: 't' }],
  }, { scope: Scope.WORKLOAD_SELECTOR, action: Action.DENY, dryRun: true });
  t.deepEqual(policy, {
    namespace: 'demo', name: 'p', scope: 'workload', action: 'deny', dryRun: true, unevaluable: undefined,
    rules: [[[{
      namespaces: [{ kind: 'exact', value: 'a' }], notNamespaces: [{ kind: 'prefix', value: 'b' }], principals: [{ kind: 'suffix', value: 'c' }], notPrincipals: [{ kind: 'presence' }],
      sourceIps: [{ bytes: Uint8Array.of(10, 0, 0, 0), bits: 8 }], notSourceIps: [{ bytes: new Uint8Array(16), bits: 0 }], destinationIps: [{ bytes: Uint8Array.of(10, 0, 0, 1), bits: 32 }], notDestinationIps: [{ bytes: Uint8Array.of(10, 0, 0, 2), bits: 32 }],
      destinationPorts: [80, 65535], notDestinationPorts: [81], serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }], notServiceAccounts: [{ namespace: 'm', serviceAccount: 't' }],
    }]]],
  });
  t.deepEqual(structuredClone(policy), policy, 'it can be sent to another thread');
  for (const [scope, expected] of [[Scope.GLOBAL, 'global'], [Scope.NAMESPACE, 'namespace']] as const) t.is(parsed(encode({ scope })).scope, expected);
  t.like(parsed(encode({})), { action: 'allow', dryRun: false, rules: [] });
});

test("Istio's STRICT does what it says", (t) => {
  const strict = withMatch({ notPrincipals: [presence] }, { action: Action.DENY });
  const ip = parseIp('10.0.0.1');
  if (!ip.ok) throw new Error(ip.error);
  t.false(authorize([strict], { sourceIp: ip.value, destinationIp: ip.value, destinationPort: 80, identity: undefined }).allowed);
});

test('a condition that can not be evaluated is no condition less', (t) => {
  t.regex(withMatch({ sourceIps: [{ address: Uint8Array.of(10, 0, 0, 0), length: 33 }] }).unevaluable ?? '', /33/);
  t.regex(withMatch({ notDestinationIps: [{ address: Uint8Array.of(1), length: 1 }] }).unevaluable ?? '', /1 bytes/);
  t.regex(withMatch({ principals: [{}] }).unevaluable ?? '', /text/);
  t.regex(withMatch({ destinationPorts: [65536] }).unevaluable ?? '', /port 65536/);
  t.regex(withMatch({ extensions: [{ name: 'example.com/geo' }] }).unevaluable ?? '', /example\.com\/geo/);
});

test('a field that is not known can not be evaluated, wherever it stands in a rule', (t) => {
  const odd = <T extends Message>(message: T): T => Object.assign(message, { $unknown: [{ no: 99, wireType: 0, data: Uint8Array.of(1) }] });
  const match = (init: MessageInitShape<typeof MatchSchema>): Initial => ({ rules: [{ clauses: [{ matches: [init] }] }] });
  const cases: Initial[] = [
    { rules: [odd(create(RuleSchema))] },
    { rules: [{ clauses: [odd(create(ClauseSchema))] }] },
    match(odd(create(MatchSchema, { destinationPorts: [80] }))),
    match({ principals: [odd(create(StringMatchSchema, presence))] }),
    match({ sourceIps: [odd(create(AddressSchema, { address: Uint8Array.of(10, 0, 0, 1), length: 32 }))] }),
    match({ notServiceAccounts: [odd(create(ServiceAccountMatchSchema, { namespace: 'a' }))] }),
  ];
  for (const each of cases) {
    const bytes = encode(each);
    t.regex(parsed(bytes).unevaluable ?? '', /field 99/, JSON.stringify(each.rules, (_, value) => (value instanceof Uint8Array ? [...value] : value)));
    t.deepEqual(parsed(bytes).rules, []);
  }
  t.is(parsed(toBinary(AuthorizationSchema, odd(create(AuthorizationSchema, { rules: [{}] })))).unevaluable, undefined, 'outside of the rules it changes no condition');
});

test('what is no policy, or one with another meaning, is refused', (t) => {
  t.regex(refusal(encode({ scope: 9 as Scope })), /scope 9/);
  t.regex(refusal(encode({ action: 9 as Action })), /action 9/);
  t.regex(refusal(Uint8Array.of(255, 255)), /not an Authorization/);
  t.regex(refusal(new Uint8Array(MAX_AUTHORIZATION_BYTES + 1)), /bytes/);
});

function refusal(bytes: Uint8Array): string {
  const result = parseAuthorization(bytes);
  return result.ok ? '' : result.error;
}

test('any bytes give an answer', (t) => {
  const good = encode({ namespace: 'demo', name: 'p', rules: [{ clauses: [{ matches: [{ principals: [presence], sourceIps: [{ address: Uint8Array.of(10, 0, 0, 1), length: 32 }], destinationPorts: [80] }] }] }] });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typeof parseAuthorization(bytes).ok === 'boolean'));
  fc.assert(fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => typeof parseAuthorization(good.with(at, byte)).ok === 'boolean'));
  t.pass();
});
