import { X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import pino from 'pino';
import type { CertificateAuthority, IssuedCertificate } from './ca-client.ts';
import { CertificateStore } from './certificate-store.ts';
import { TestAuthority } from './test-identities.ts';
import { TestTime } from './test-time.ts';

const east = new TestAuthority('east.example');
const other = new TestAuthority('east.example');
test.after.always(() => {
  for (const authority of [east, other]) authority[Symbol.dispose]();
});
const silent = pino({ level: 'silent' });
const identity = east.identity('a');
const HOUR_MS = 3_600_000;

type Answer = (asked: SpiffeId, requestPem: string) => IssuedCertificate | Promise<IssuedCertificate>;

/** Answers from a list, whose last entry stays: a function that throws is a refusal. */
class ScriptedAuthority implements CertificateAuthority {
  readonly asked: SpiffeId[] = [];
  answers: Answer[];

  constructor(...answers: Answer[]) {
    this.answers = answers;
  }

  async issue(asked: SpiffeId, requestPem: string): Promise<IssuedCertificate> {
    this.asked.push(asked);
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (answer === undefined) throw new Error('nothing to answer');
    return await answer(asked, requestPem);
  }
}

const by = (authority: TestAuthority, names?: string): Answer => (asked, requestPem) => ({ chainPem: authority.sign(requestPem, names ?? `URI:${asked}`), rootsPem: authority.rootPem });
const good = by(east);
const refuse: Answer = () => {
  throw new LandbridgeError('certificate-refused', 'no', { retryable: true });
};
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

test('whoever waits gets the first certificate, after refusals too', async (t) => {
  const authority = new ScriptedAuthority(refuse, refuse, good);
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  using _held = store.hold(identity, () => {});
  const both = Promise.all([store.get(identity, soon()), store.get(identity, soon())]);
  await time.sleeping(1);
  await time.advance(2000);
  const [one, two] = await both;
  t.is(one, two);
  t.is(new X509Certificate(one.chainPem).subjectAltName, `URI:${identity}`);
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

test('what an authority gives is looked at before anything depends on it', async (t) => {
  const { chainPem } = east.certify(`URI:${identity}`);
  const wrong: Answer[] = [by(east, 'URI:spiffe://east.example/ns/test/sa/b'), by(east, `URI:${identity},DNS:x`), () => ({ chainPem, rootsPem: east.rootPem }), () => ({ chainPem: 'nonsense', rootsPem: '' })];
  const authority = new ScriptedAuthority(...wrong, good);
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  using _held = store.hold(identity, () => {});
  const first = store.get(identity, soon());
  await time.sleeping(1);
  await time.advance(10_000);
  t.is(new X509Certificate((await first).chainPem).subjectAltName, `URI:${identity}`);
  t.is(authority.asked.length, 5);
});

test('it is renewed before half of its life is over, and holders are told', async (t) => {
  const authority = new ScriptedAuthority(good);
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  let told = 0;
  using _held = store.hold(identity, () => told++);
  await time.sleeping(1);
  t.is(told, 1);
  await time.advance(8 * HOUR_MS);
  t.is(told, 1);
  await time.advance(4 * HOUR_MS);
  t.true(told > 1);
});

test('a connection that waits is served before what can wait, and makes an attempt come sooner', async (t) => {
  const gates: (() => void)[] = [];
  const authority = new ScriptedAuthority(async (asked, requestPem) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return await good(asked, requestPem);
  });
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  const identities = Array.from({ length: 12 }, (_, i) => east.identity(`s${i}`));
  const held = identities.map((each) => store.hold(each, () => {}));
  while (gates.length < 8) await new Promise(setImmediate);
  store.want(identities[11] as SpiffeId);
  // One place becomes free: keys are made beside each other, so that of several the order would be by chance.
  for (let open = 0; open < 12; open++) {
    gates[open]?.();
    while (gates.length < Math.min(12, 9 + open)) await new Promise(setImmediate);
  }
  await time.sleeping(12);
  t.is(authority.asked.length, 12);
  t.is(authority.asked[8], identities[11]);
  for (const each of held) each[Symbol.dispose]();

  const failing = new ScriptedAuthority(refuse);
  const later = new TestTime();
  const patient = new CertificateStore(failing, silent, later);
  using _held = patient.hold(identity, () => {});
  await later.sleeping(1);
  await later.advance(60_000);
  const before = failing.asked.length;
  t.true(before > 6 && before < 20, `${before} attempts in a minute`);
  await later.advance(600);
  failing.answers = [good];
  patient.want(identity);
  t.truthy(await patient.get(identity, soon()), 'without its time having come');
});

test('a certificate that is not accepted any more is renewed at once, also where the answer was under way', async (t) => {
  const authority = new ScriptedAuthority(by(other));
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  const roots: string[] = [];
  using _held = store.hold(identity, () => void store.get(identity, soon()).then(({ rootsPem }) => roots.push(rootsPem)));
  await time.sleeping(1);
  const accepted = (chain: readonly X509Certificate[]): boolean => chain[0]?.verify(east.root.publicKey) === true;
  store.review(() => true);
  t.is(authority.asked.length, 1);
  authority.answers = [by(other), good];
  store.review(accepted);
  while (roots.length < 2) await new Promise(setImmediate);
  store.review(accepted);
  while (roots.length < 3) await new Promise(setImmediate);
  t.deepEqual(roots, [other.rootPem, other.rootPem, east.rootPem]);
});

test('where what is there is not accepted any more, the authority is asked as often as where there is none', async (t) => {
  const authority = new ScriptedAuthority(good);
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  using _held = store.hold(identity, () => {});
  await time.sleeping(1);
  authority.answers = [refuse];
  store.review(() => false);
  while (authority.asked.length < 2) await new Promise(setImmediate);
  await time.sleeping(1);
  await time.advance(300_000);
  const asked = authority.asked.length;
  t.true(asked > 25 && asked < 50, `${asked} in five minutes`);
});

test('a chain with something in it that is no certificate can be reviewed all the same', async (t) => {
  const authority = new ScriptedAuthority(async (asked, requestPem) => {
    const { chainPem, rootsPem } = await good(asked, requestPem);
    return { chainPem: `${chainPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, rootsPem };
  });
  const time = new TestTime();
  const store = new CertificateStore(authority, silent, time);
  using _held = store.hold(identity, () => {});
  await time.sleeping(1);
  const reviewed: number[] = [];
  store.review((chain) => reviewed.push(chain.length) > 0);
  t.deepEqual(reviewed, [1]);
});
