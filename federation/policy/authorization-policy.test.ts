import { type AuthorizationPolicy, EMPTY_MATCH, type Match } from '@landbridge/core/authorization.ts';
import test from 'ava';
import { type ConvertedPolicy, convertAuthorizationPolicy } from './authorization-policy.ts';
import { exampleAuthorization } from './example-policies.ts';
import { MAX_PARTS, MAX_RULES, MAX_VALUES } from './policy-schema.ts';

const ROOT = 'landbridge-system';
const match = (over: Partial<Match>): Match => ({ ...EMPTY_MATCH, ...over });

function convert(spec: unknown, metadata: object = {}): ConvertedPolicy {
  const made = convertAuthorizationPolicy(exampleAuthorization(spec, metadata), ROOT);
  if (made === undefined) throw new Error('it has a name');
  return made;
}
const rulesOf = (spec: unknown): AuthorizationPolicy['rules'] | undefined => convert(spec).policy?.rules;
const fromNamespaces = (...namespaces: string[]): object => ({ from: [{ source: { namespaces } }] });

test('what a policy is for follows from its namespace and its selector', (t) => {
  const cases: [object, object, string][] = [
    [{}, {}, 'namespace'],
    [{ selector: { matchLabels: { app: 'cart' } } }, {}, 'workload'],
    [{ selector: {} }, {}, 'namespace'],
    [{ selector: { matchLabels: {} } }, {}, 'namespace'],
    [{}, { namespace: ROOT }, 'global'],
    [{ selector: { matchLabels: { app: 'cart' } } }, { namespace: ROOT }, 'workload'],
  ];
  for (const [spec, metadata, scope] of cases) t.is(convert(spec, metadata).policy?.scope, scope as never, JSON.stringify([spec, metadata]));
  t.deepEqual(convert({ selector: { matchLabels: { app: 'cart', tier: '' } } }).selector, [['app', 'cart'], ['tier', '']]);
});

test('all that layer 4 knows is converted', (t) => {
  const spec = {
    action: 'DENY',
    rules: [{
      from: [{ source: { principals: ['west.landbridge/ns/shop/sa/cart'], notPrincipals: ['*'], namespaces: ['sh*'], notNamespaces: ['*k'], serviceAccounts: ['cart', 'bank/till'], notServiceAccounts: ['x'], ipBlocks: ['10.0.0.0/8'], notIpBlocks: ['10.0.0.1'] } }, { source: { namespaces: ['bank'] } }],
      to: [{ operation: { ports: ['80'], notPorts: ['443'] } }],
      when: [{ key: 'source.ip', values: ['10.1.0.0/16'], notValues: ['10.1.1.1'] }, { key: 'source.namespace', values: ['a'] }, { key: 'source.principal', notValues: ['b'] }, { key: 'destination.ip', values: ['10.2.0.0/16'] }, { key: 'destination.port', values: ['90'], notValues: ['91'] }],
    }],
  };
  const ip = (bytes: readonly number[], bits: number) => ({ bytes: Uint8Array.from(bytes), bits });
  t.deepEqual(convert(spec), {
    selector: [],
    verdict: { kind: 'accepted', message: 'In force.' },
    policy: {
      namespace: 'shop', name: 'guard', scope: 'namespace', action: 'deny', dryRun: false, unevaluable: undefined,
      rules: [[
        [match({ destinationPorts: [80], notDestinationPorts: [443] })],
        [
          match({ principals: [{ kind: 'exact', value: 'west.landbridge/ns/shop/sa/cart' }], notPrincipals: [{ kind: 'presence' }], namespaces: [{ kind: 'prefix', value: 'sh' }], notNamespaces: [{ kind: 'suffix', value: 'k' }], serviceAccounts: [{ namespace: 'shop', serviceAccount: 'cart' }, { namespace: 'bank', serviceAccount: 'till' }], notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'x' }], sourceIps: [ip([10, 0, 0, 0], 8)], notSourceIps: [ip([10, 0, 0, 1], 32)] }),
          match({ namespaces: [{ kind: 'exact', value: 'bank' }] }),
        ],
        [match({ sourceIps: [ip([10, 1, 0, 0], 16)], notSourceIps: [ip([10, 1, 1, 1], 32)] })],
        [match({ namespaces: [{ kind: 'exact', value: 'a' }] })],
        [match({ notPrincipals: [{ kind: 'exact', value: 'b' }] })],
        [match({ destinationIps: [ip([10, 2, 0, 0], 16)] })],
        [match({ destinationPorts: [90], notDestinationPorts: [91] })],
      ]],
    },
  });
});

test('rules are as many as are written: without any a policy never matches, an empty one always does', (t) => {
  t.deepEqual(rulesOf({}), []);
  t.deepEqual(rulesOf(undefined), [], 'the example of Istio for “allow nothing”');
  t.deepEqual(rulesOf({ action: 'DENY', rules: [] }), []);
  t.deepEqual(rulesOf({ rules: [{}] }), [[]]);
  t.deepEqual(rulesOf({ rules: [{ from: [], to: [], when: [] }] }), [[]]);
  t.is(rulesOf({ rules: [fromNamespaces('a'), fromNamespaces('b')] })?.length, 2);
});

test('a rule that allows and asks for what a request has allows nothing, others of the policy stay', (t) => {
  for (const rule of [{ to: [{ operation: { methods: ['GET'], ports: ['80'] } }] }, { from: [{ source: { requestPrincipals: ['*'] } }, { source: { namespaces: ['a'] } }] }, { when: [{ key: 'request.headers[x]', values: ['y'] }] }]) {
    const { policy, verdict } = convert({ rules: [rule, fromNamespaces('shop')] });
    t.deepEqual(policy?.rules, [[[match({ namespaces: [{ kind: 'exact', value: 'shop' }] })]]]);
    t.like(verdict, { kind: 'partial', reason: 'UnsupportedValue' });
  }
});

test('a rule that denies keeps its part of layer 4, and denies everything where it has none', (t) => {
  const port = [match({ destinationPorts: [80] })];
  const denied: [object, unknown][] = [
    [{ to: [{ operation: { methods: ['POST'], ports: ['80'] } }] }, [port]],
    [{ to: [{ operation: { methods: ['POST'] } }] }, []],
    [{ to: [{ operation: { paths: ['/admin'] } }, { operation: { ports: ['80'] } }] }, []],
    [{ to: [{ operation: { ports: ['80'] } }], when: [{ key: 'request.auth.claims[x]', values: ['y'] }] }, [port]],
    [{ to: [{ operation: { ports: ['80'] } }], from: [{ source: { requestPrincipals: ['x'] } }] }, [port]],
  ];
  for (const [rule, expected] of denied) {
    const { policy, verdict } = convert({ action: 'DENY', rules: [rule] });
    t.deepEqual(policy?.rules, [expected] as never, JSON.stringify(rule));
    t.like(verdict, { kind: 'partial', reason: 'UnsupportedValue' });
  }
});

test('lists that are empty say nothing; attributes of requests among them are no fault', (t) => {
  t.deepEqual(convert({ rules: [{ to: [{ operation: { ports: ['80'], methods: [] } }] }] }).verdict.kind, 'accepted');
});

/** Of a rule: what is wrong with it, and what of a rule that denies port 80 besides is left. */
const UNREADABLE: [string, object, unknown][] = [
  ['an address in octal', { from: [{ source: { ipBlocks: ['10.0.0.0/8', '0177.0.0.1'] } }] }, []],
  ['a port that is none', { to: [{ operation: { ports: ['80', '65536'] } }] }, []],
  ['a star inside', { from: [{ source: { namespaces: ['a*b'] } }], to: [{ operation: { ports: ['80'] } }] }, [[match({ destinationPorts: [80] })]]],
  ['one bad list of two', { from: [{ source: { namespaces: ['a'], notIpBlocks: ['1'] } }] }, [[match({ namespaces: [{ kind: 'exact', value: 'a' }] })]]],
  ['a source that says nothing', { from: [{ source: {} }] }, []],
  ['an operation that says nothing', { to: [{ operation: { ports: [] } }] }, []],
  ['a condition that says nothing', { when: [{ key: 'source.ip' }] }, []],
  ['a field that is not known', { from: [{ source: { namespace: ['a'] } }] }, []],
  ['a number for a text', { to: [{ operation: { ports: [80] } }] }, []],
  ['a text for a list', { from: [{ source: { namespaces: 'shop' } }] }, []],
  ['a rule that is none', 'everything' as never, []],
  ['too many parts', { from: Array.from({ length: MAX_PARTS + 1 }, () => ({ source: { namespaces: ['a'] } })) }, []],
  ['too many values', { from: [{ source: { namespaces: Array.from({ length: MAX_VALUES + 1 }, () => 'a') } }] }, []],
];
for (const [what, rule, denied] of UNREADABLE) {
  test(`${what} makes a rule that allows match nothing, and one that denies deny more`, (t) => {
    const allowing = convert({ rules: [rule, fromNamespaces('shop')] });
    t.deepEqual(allowing.policy?.rules, [[[match({ namespaces: [{ kind: 'exact', value: 'shop' }] })]]]);
    const denying = convert({ action: 'DENY', rules: [rule] });
    t.deepEqual(denying.policy?.rules, [denied] as never);
    for (const { verdict } of [allowing, denying]) {
      t.like(verdict, { kind: 'partial', reason: 'PartiallyInvalid' });
      t.regex(verdict.kind === 'elsewhere' ? '' : verdict.message, /rules\[0\]/);
    }
  });
}

test('a policy that can not be read as a whole allows nothing or denies everything, to all that it may select', (t) => {
  const selector = { matchLabels: { app: 'cart' } };
  const cases: [unknown, Partial<AuthorizationPolicy>][] = [
    [{ rules: 'x', selector }, { action: 'allow', rules: [], scope: 'workload' }],
    [{ action: 'ALLOW', rules: {}, selector }, { action: 'allow', rules: [], scope: 'workload' }],
    [{ action: 'DENY', rules: 7, selector }, { action: 'deny', rules: [[]], scope: 'workload' }],
    [{ action: 'DENNY', rules: [fromNamespaces('a')], selector }, { action: 'deny', rules: [[]], scope: 'workload' }],
    [{ action: 'DENY', selector: { matchLabels: { app: 5 } }, rules: [fromNamespaces('a')] }, { action: 'deny', rules: [[]], scope: 'namespace' }],
    [{ selector: { matchExpressions: [] }, rules: [fromNamespaces('a')] }, { action: 'allow', rules: [], scope: 'namespace' }],
    [{ action: 'DENY', extra: 1 }, { action: 'deny', rules: [[]] }],
    [{ action: 'DENY', rules: Array.from({ length: MAX_RULES + 1 }, () => fromNamespaces('a')) }, { action: 'deny', rules: [[]] }],
    ['nonsense', { action: 'allow', rules: [], scope: 'namespace' }],
    [null, { action: 'allow', rules: [] }],
    [[], { action: 'allow', rules: [] }],
  ];
  for (const [spec, expected] of cases) {
    const { policy, verdict } = convert(spec);
    t.like(policy, expected, JSON.stringify(spec).slice(0, 200));
    t.like(verdict, { kind: 'refused', reason: 'Invalid' });
  }
});

test('actions of other proxies decide nothing, and it is said', (t) => {
  for (const action of ['AUDIT', 'CUSTOM']) t.like(convert({ action, rules: [{}] }), { policy: undefined, verdict: { kind: 'refused', reason: 'UnsupportedValue' } });
});

test('what is for waypoints is theirs to say', (t) => {
  for (const spec of [{ targetRefs: [{ kind: 'Gateway', name: 'w' }] }, { targetRef: { kind: 'Gateway', name: 'w' } }]) t.deepEqual(convert({ ...spec, action: 'DENY', rules: [{}] }), { policy: undefined, selector: [], verdict: { kind: 'elsewhere' } });
  t.like(convert({ targetRefs: [], rules: [{}] }).policy, { rules: [[]] });
});

test('the annotation of a dry run is read as Go reads it', (t) => {
  for (const [value, expected] of [['true', true], ['1', true], ['T', true], ['false', false], ['yes', false], ['', false]] as const) t.is(convert({}, { annotations: { 'istio.io/dry-run': value } }).policy?.dryRun, expected, value);
});
