import test from 'ava';
import fc from 'fast-check';
import { exampleAuthentication, exampleAuthorization, NAMESPACES, type PolicyObject } from './example-policies.ts';
import { PolicyConverter, type PolicyView } from './policy-view.ts';

const ROOT = 'landbridge-system';
const labels = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('a', 'b'), { maxKeys: 2 });
const where = fc.record({ namespace: fc.constantFrom(...NAMESPACES, ROOT), matchLabels: fc.option(labels, { nil: undefined }), kind: fc.constantFrom('authorization', 'authentication'), isOdd: fc.boolean() });
type Where = typeof where extends fc.Arbitrary<infer T> ? T : never;

function objectOf({ namespace, matchLabels, kind, isOdd }: Where, i: number): PolicyObject {
  const selector = matchLabels === undefined ? {} : { selector: { matchLabels } };
  const metadata = { namespace, name: `p${i}` };
  return kind === 'authorization' ? exampleAuthorization({ ...selector, action: 'DENY', rules: isOdd ? 'odd' : [{}] }, metadata) : exampleAuthentication({ ...selector, mtls: { mode: isOdd ? 'odd' : 'STRICT' } }, metadata);
}

function viewOf(objects: readonly PolicyObject[]): PolicyView {
  const of = (kind: string): readonly PolicyObject[] => objects.filter((object) => object.kind === kind);
  return new PolicyConverter(ROOT).view({ authorizationPolicies: of('AuthorizationPolicy'), peerAuthentications: of('PeerAuthentication') });
}

test('what agents are told, and what pods name, does not depend on the order in which the API server lists policies', (t) => {
  fc.assert(fc.property(fc.array(where, { maxLength: 8 }).chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length }))), fc.constantFrom(...NAMESPACES, ROOT), labels, ([all, order], namespace, pod) => {
    const objects = all.map(objectOf);
    const [view, again] = [viewOf(objects), viewOf(order.map((i) => objects[i] as PolicyObject))];
    t.deepEqual([...again.policies].sort(), [...view.policies].sort());
    t.deepEqual(again.namesFor(namespace, pod), view.namesFor(namespace, pod));
  }));
});

test('a pod names exactly the policies with a selector that its labels meet, and each of them is told', (t) => {
  fc.assert(fc.property(fc.array(where, { maxLength: 8 }), fc.constantFrom(...NAMESPACES, ROOT), labels, (all, namespace, pod) => {
    const view = viewOf(all.map(objectOf));
    const names = view.namesFor(namespace, pod);
    for (const name of names) t.is(view.policies.get(name)?.scope, 'workload', name);
    const expected = all.flatMap((each, i) => {
      const asked = Object.entries(each.matchLabels ?? {});
      const isSelected = each.kind === 'authorization' && asked.length > 0 && (each.namespace === namespace || each.namespace === ROOT) && asked.every(([key, value]) => pod[key] === value);
      return isSelected ? [`${each.namespace}/p${i}`] : [];
    });
    t.deepEqual(names.filter((name) => !name.includes('_')), expected.sort());
  }));
});
