import test from 'ava';
import fc from 'fast-check';
import pino from 'pino';
import { parseStaticPods, StaticPods } from './static-pods.ts';
import { TestGate } from './test-gate.ts';

const log = pino({ level: 'silent' });
const cart = { uid: 'uid-1', namespace: 'shop', name: 'cart', serviceAccount: 'cart', addresses: ['10.0.0.1'], networkNamespace: '/run/netns/cart' };

test('pods of a file are known, and the gate is asked of each', async (t) => {
  const parsed = parseStaticPods(JSON.stringify([cart, { ...cart, uid: 'uid-2', name: 'till', addresses: ['10.0.0.2'] }]));
  if (!parsed.ok) return t.fail(parsed.error);
  const source = new StaticPods(parsed.value, log);
  const stop = new AbortController();
  const sets = source.watch(stop.signal)[Symbol.asyncIterator]();
  t.deepEqual((await sets.next()).value?.[0], { uid: 'uid-1', namespace: 'shop', name: 'cart', serviceAccount: 'cart', addresses: ['10.0.0.1'], announced: true, wantsAcceleration: false, probePorts: [], isInMesh: true, hasEnded: false });
  const end = sets.next();
  const gate = new TestGate();
  await source.run(gate, stop.signal);
  t.deepEqual(gate.asked.map(({ name, namespacePath }) => [name, namespacePath]), [['cart', '/run/netns/cart'], ['till', '/run/netns/cart']]);
  stop.abort();
  t.true((await end).done);
  t.true((await source.watch(stop.signal)[Symbol.asyncIterator]().next()).done);
});

test('a pod that is refused is asked for until the end', async (t) => {
  const source = new StaticPods([cart], log);
  const gate = new TestGate();
  const stop = new AbortController();
  gate.answer = async () => {
    stop.abort();
    return { kind: 'refused', reason: 'no namespace' };
  };
  await source.run(gate, stop.signal);
  t.is(gate.asked.length, 1);
});

for (const [what, text, error] of [
  ['no JSON', '[', 'not JSON'],
  ['no list', '{}', 'the list: must be array'],
  ['an unknown key', JSON.stringify([{ ...cart, nodeName: 'x' }]), '/0/nodeName: schema is false'],
  ['a uid that leads elsewhere', JSON.stringify([{ ...cart, uid: '../x' }]), '/0/uid: must match pattern "^[0-9A-Za-z-]{1,64}$"'],
  ['two addresses of a family', JSON.stringify([{ ...cart, addresses: ['10.0.0.1', '10.0.0.2'] }]), 'cart must have an address, and at most one of each family'],
  ['one uid for two', JSON.stringify([cart, { ...cart, addresses: ['10.0.0.2'] }]), 'two pods have the same uid'],
  ['one address for two', JSON.stringify([cart, { ...cart, uid: 'uid-2' }]), 'two pods have the same address'],
] as const) {
  test(`a file with ${what} is refused`, (t) => t.deepEqual(parseStaticPods(text), { ok: false, error }));
}

test('any text gives an answer', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.array(fc.record({ uid: fc.string(), addresses: fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())), networkNamespace: fc.string() }, { requiredKeys: [] })).map((value) => JSON.stringify(value))), (text) => {
      const parsed = parseStaticPods(text);
      if (!parsed.ok) t.true(parsed.error.length < 300);
    }),
  );
  t.pass();
});
