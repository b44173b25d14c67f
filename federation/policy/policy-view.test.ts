import test from 'ava';
import { exampleAuthentication, exampleAuthorization, type PolicyObject } from './example-policies.ts';
import { PolicyConverter, type PolicyView } from './policy-view.ts';

const ROOT = 'landbridge-system';
const view = (authorizationPolicies: readonly PolicyObject[], peerAuthentications: readonly PolicyObject[] = []): PolicyView => new PolicyConverter(ROOT).view({ authorizationPolicies, peerAuthentications });
const selecting = (matchLabels: object, metadata: object): PolicyObject => exampleAuthorization({ selector: { matchLabels }, rules: [{}] }, metadata);

test('a pod names the policies whose selector it meets, of its own namespace and of the root', (t) => {
  const { policies, namesFor } = view([
    selecting({ app: 'cart' }, { name: 'one' }),
    selecting({ app: 'cart', tier: 'back' }, { name: 'both' }),
    selecting({ app: 'cart' }, { name: 'elsewhere', namespace: 'bank' }),
    selecting({ tier: 'back' }, { name: 'root', namespace: ROOT }),
    exampleAuthorization({ rules: [{}] }, { name: 'wide' }),
    exampleAuthorization({ rules: [{}] }, { name: 'global', namespace: ROOT }),
  ]);
  t.deepEqual([...policies.keys()].sort(), ['bank/elsewhere', 'landbridge-system/global', 'landbridge-system/root', 'shop/both', 'shop/one', 'shop/wide']);
  t.deepEqual(namesFor('shop', { app: 'cart' }), ['shop/one']);
  t.deepEqual(namesFor('shop', { app: 'cart', tier: 'back' }), ['landbridge-system/root', 'shop/both', 'shop/one']);
  t.deepEqual(namesFor('shop', {}), []);
  t.deepEqual(namesFor(ROOT, { tier: 'back' }), ['landbridge-system/root'], 'once');
});

test('what PeerAuthentications ask is among the names', (t) => {
  const { policies, namesFor } = view([selecting({ app: 'cart' }, { name: 'one' })], [exampleAuthentication({ mtls: { mode: 'STRICT' } })]);
  t.deepEqual(namesFor('shop', { app: 'cart' }), ['landbridge-system/istio_converted_static_strict', 'shop/one']);
  t.true(policies.has('landbridge-system/istio_converted_static_strict'));
  t.deepEqual(namesFor('bank', { app: 'cart' }), []);
});

test('every policy is judged, also those that agents never see', (t) => {
  const objects = [exampleAuthorization({ action: 'CUSTOM' }, { name: 'a' }), exampleAuthorization({ targetRefs: [{}] }, { name: 'b' }), exampleAuthorization('x', { name: 'c' })];
  const { policies, judged } = view(objects, [exampleAuthentication('x')]);
  t.deepEqual(judged.map(({ verdict }) => verdict.kind), ['refused', 'elsewhere', 'refused', 'refused']);
  t.deepEqual([...policies.keys()], ['shop/c', 'landbridge-system/istio_converted_static_strict']);
});

test('an object that stays the same is the same policy, so that it need not be told again', (t) => {
  const converter = new PolicyConverter(ROOT);
  const [kept, changed] = [exampleAuthorization({}, { name: 'kept' }), exampleAuthorization({}, { name: 'changed' })];
  const before = converter.view({ authorizationPolicies: [kept, changed], peerAuthentications: [] }).policies;
  const after = converter.view({ authorizationPolicies: [exampleAuthorization({ rules: [{}] }, { name: 'changed' }), kept], peerAuthentications: [] }).policies;
  t.is(after.get('shop/kept'), before.get('shop/kept'));
  t.deepEqual(after.get('shop/changed')?.rules, [[]]);
});

test('labels whose names objects have by themselves select like others', (t) => {
  const { namesFor } = view([selecting({ constructor: 'x' }, { name: 'one' })]);
  t.deepEqual(namesFor('shop', {}), []);
  t.deepEqual(namesFor('shop', { constructor: 'x' }), ['shop/one']);
});
