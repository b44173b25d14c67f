import test from 'ava';
import { TestAuthority } from './test-identities.ts';
import { CertificateTrust } from './trust-source.ts';

const [old, next] = [new TestAuthority('east.example'), new TestAuthority('east.example')];
test.after.always(() => {
  for (const authority of [old, next]) authority[Symbol.dispose]();
});

test('roots are those that some certificate of now came with, each once, and told when they change', (t) => {
  const kept = new Map([['a', old.rootPem], ['b', old.rootPem]]);
  let issued = (): void => {};
  const { identity } = old.certificate('a');
  const trust = new CertificateTrust({
    *statuses() {
      yield { identity, certificate: undefined };
      for (const rootsPem of kept.values()) yield { identity, certificate: { identity, chainPem: '', rootsPem, notBeforeMs: 0, notAfterMs: 1 } };
    },
    onIssued: (listener) => {
      issued = listener;
      return { [Symbol.dispose]: () => {} };
    },
  }, 'east.example');
  const told: number[] = [];
  using _listening = trust.onBundlesChange(() => told.push(trust.bundles.get('east.example')?.length ?? 0));
  t.is(trust.bundles.size, 0);
  issued();
  issued();
  t.deepEqual(told, [1]);
  // One identity is renewed under two roots, told in one element.
  kept.set('a', next.rootPem + old.rootPem);
  issued();
  t.deepEqual(told, [1, 2]);
  kept.set('a', next.rootPem);
  issued();
  t.deepEqual(told, [1, 2, 2]);
  kept.set('b', next.rootPem);
  issued();
  t.deepEqual(told, [1, 2, 2, 1]);
  t.true(trust.bundles.get('east.example')?.[0]?.raw.equals(next.root.raw));
  kept.set('b', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  issued();
  t.is(told.at(-1), 1, 'nonsense vouches for nobody, and harms nobody');
});
