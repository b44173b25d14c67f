import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import pino from 'pino';
import type { CertificateAuthority, IssuedCertificate } from './ca-client.ts';
import { CertificateStore } from './certificate-store.ts';
import { TestAuthority } from './test-identities.ts';

const east = new TestAuthority('east.example');
test.after.always(() => east[Symbol.dispose]());
const silent = pino({ level: 'silent' });
const identity = east.identity('a');

/** Answers from a list: a function that throws is a refusal. */
class ScriptedAuthority implements CertificateAuthority {
  readonly asked: SpiffeId[] = [];
  readonly #answers: (() => IssuedCertificate)[];

  constructor(...answers: (() => IssuedCertificate)[]) {
    this.#answers = answers;
  }

  async issue(asked: SpiffeId, requestPem: string): Promise<IssuedCertificate> {
    this.asked.push(asked);
    if (!requestPem.includes('CERTIFICATE REQUEST')) throw new Error('no request');
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    if (answer === undefined) throw new Error('nothing to answer');
    return answer();
  }
}

const { chainPem } = east.certify(`URI:${identity}`);
const good = (): IssuedCertificate => ({ chainPem, rootsPem: east.rootPem });
const refuse = (): never => {
  throw new LandbridgeError('certificate-refused', 'no', { retryable: true });
};
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

test('whoever waits gets the first certificate, after refusals too', async (t) => {
  const authority = new ScriptedAuthority(refuse, refuse, good);
  const store = new CertificateStore(authority, silent);
  using _held = store.hold(identity, () => {});
  const [one, two] = await Promise.all([store.get(identity, soon()), store.get(identity, soon())]);
  t.is(one, two);
  t.is(one.chainPem, chainPem);
  t.regex(one.keyPem, /BEGIN PRIVATE KEY/);
  t.deepEqual(authority.asked, [identity, identity, identity]);
});

test('one certificate serves all holders, and the last one to go ends it', async (t) => {
  const authority = new ScriptedAuthority(good);
  const store = new CertificateStore(authority, silent);
  const first = store.hold(identity, () => {});
  const second = store.hold(identity, () => {});
  await store.get(identity, soon());
  first[Symbol.dispose]();
  t.is(authority.asked.length, 1);
  await t.notThrowsAsync(store.get(identity, soon()));
  second[Symbol.dispose]();
  await t.throwsAsync(store.get(identity, soon()), { message: /no certificate is kept/ });
});

test('an identity that nobody holds has none, and an aborted wait ends', async (t) => {
  const store = new CertificateStore(new ScriptedAuthority(refuse), silent);
  await t.throwsAsync(store.get(identity, soon()), { message: /no certificate is kept/ });
  using _held = store.hold(identity, () => {});
  await t.throwsAsync(store.get(identity, AbortSignal.timeout(50)), { name: 'TimeoutError' });
});

test('waiting for an identity that is given up ends too', async (t) => {
  const store = new CertificateStore(new ScriptedAuthority(refuse), silent);
  const held = store.hold(identity, () => {});
  const waiting = store.get(identity, soon());
  held[Symbol.dispose]();
  await t.throwsAsync(waiting, { code: 'closed' });
});
