import { parseIp, ipBytes } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { exampleCandidate, examplePolicy } from './example-policies.ts';
import { type Candidate, decideImport } from './import-decision.ts';
import { parseImportPolicy } from './import-policy.ts';

const some = <T>(...values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1 });
const place = { namespaces: some('shop', 'bank'), services: some('cart', 'till') };
const rule = fc.record({ ...place, clusters: some('west', 'north'), ranges: some('10.0.0.0/8', '10.2.0.0/16', '192.168.0.0/16'), maxSharePercent: fc.constantFrom(10, 50, 100), unlessLocal: fc.boolean() }, { requiredKeys: [] });
const spec = fc.oneof({ weight: 5, arbitrary: fc.record({ governs: fc.record(place, { requiredKeys: [] }), allow: fc.array(rule, { maxLength: 3 }) }, { requiredKeys: ['allow'] }) }, { weight: 1, arbitrary: fc.record({ governs: fc.record(place, { requiredKeys: [] }), allow: fc.constant([{ nonsense: 1 }]) }) });
const candidate: fc.Arbitrary<Candidate> = fc.record({ cluster: fc.constantFrom('west', 'north'), namespace: fc.constantFrom('shop', 'bank', 'kube-system'), name: fc.constantFrom('cart', 'till'), isLocal: fc.boolean() });
const ADDRESSES = ['10.1.0.1', '10.2.0.1', '192.168.0.1', '172.16.0.1'].map((text) => {
  const ip = parseIp(text);
  return ip.ok ? ipBytes(ip.value) : new Uint8Array();
});

/** What of it may be used: none of the addresses where it is refused. */
function reach(specs: readonly unknown[], asked: Candidate): { readonly addresses: readonly boolean[]; readonly share: number } {
  const decision = decideImport(specs.map((each, i) => parseImportPolicy(examplePolicy(each, `p${i}`))), asked);
  if (decision.kind === 'refused') return { addresses: ADDRESSES.map(() => false), share: 0 };
  return { addresses: ADDRESSES.map((bytes) => decision.ranges.every((rules) => rules.some((ranges) => ranges.has(bytes)))), share: decision.maxSharePercent ?? 100 };
}

const isWithin = (a: ReturnType<typeof reach>, b: ReturnType<typeof reach>): boolean => a.share <= b.share && a.addresses.every((can, i) => !can || b.addresses[i] === true);

test('a further policy never allows more, and the order of policies says nothing', (t) => {
  fc.assert(fc.property(fc.array(spec, { maxLength: 3 }), spec, candidate, (specs, further, asked) => {
    t.true(isWithin(reach([...specs, further], asked), reach(specs, asked)));
    t.deepEqual(reach([further, ...specs], asked), reach([...specs, further], asked));
  }), { numRuns: 1000 });
});

test('a further rule never allows less', (t) => {
  fc.assert(fc.property(fc.record({ allow: fc.array(rule, { maxLength: 2 }) }), rule, candidate, ({ allow }, further, asked) => {
    t.true(isWithin(reach([{ allow }], asked), reach([{ allow: [...allow, further] }], asked)));
  }), { numRuns: 1000 });
});

test('whatever an object is, it becomes a policy, and one that can not be read allows nothing', (t) => {
  fc.assert(fc.property(fc.anything(), (foreign) => {
    for (const object of [foreign, { metadata: { name: 'x' }, spec: foreign }]) {
      const policy = parseImportPolicy(object);
      if (policy.fault === undefined) continue;
      t.is(policy.allow.length, 0);
      t.true(policy.fault.length <= 400);
      t.is(decideImport([policy], exampleCandidate()).kind === 'allowed', policy.governs.namespaces?.has('shop') === false || policy.governs.services?.has('cart') === false);
    }
  }), { numRuns: 1000 });
});
