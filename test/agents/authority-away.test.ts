/** The certificate authority is away for half a day: by an agent's clock, which a test moves. */
import test from 'ava';
import { pino } from 'pino';
import type { CertificateAuthority } from '@landbridge/agent/identity/ca-client.ts';
import { CertificateStore } from '@landbridge/agent/identity/certificate-store.ts';
import { TestTime } from '@landbridge/agent/identity/test-time.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Authority } from '@landbridge/federation/ca/authority.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { parseRequest } from '@landbridge/federation/ca/x509.ts';

const IDENTITIES = Array.from({ length: 20 }, (_, i) => `spiffe://west.landbridge/ns/test/sa/s${i}` as SpiffeId);
const HOUR_MS = 3_600_000;
const LOOK_EVERY_MS = HOUR_MS / 4;

/** Answers by the clock of the test, or not at all. */
class Service implements CertificateAuthority {
  isAway = false;
  asked = 0;
  readonly #authority: Authority = exampleAuthority('west.landbridge');
  readonly #time: TestTime;

  constructor(time: TestTime) {
    this.#time = time;
  }

  async issue(identity: SpiffeId, requestPem: string, lifetimeSeconds: number, signal: AbortSignal) {
    this.asked++;
    if (this.isAway) throw new LandbridgeError('certificate-refused', 'nobody answers', { retryable: true });
    const key = parseRequest(requestPem);
    if (!key.ok) throw new Error(key.error);
    return { chainPem: (await this.#authority.issue(identity, { publicKey: key.value, requestPem }, lifetimeSeconds, this.#time.now(), signal)).join(''), rootsPem: this.#authority.rootsPem };
  }
}

for (const afterHours of [6, 9, 11, 24.5]) {
  test(`an authority that goes away after ${afterHours} hours, for 12, costs nobody a valid certificate`, async (t) => {
    const time = new TestTime();
    const service = new Service(time);
    const store = new CertificateStore(service, pino({ level: 'silent' }), time);
    const held = IDENTITIES.map((identity) => store.hold(identity, () => {}));
    await time.sleeping(IDENTITIES.length);
    const pass = async (hours: number): Promise<void> => {
      for (let passedMs = 0; passedMs < hours * HOUR_MS; passedMs += LOOK_EVERY_MS) {
        await time.advance(LOOK_EVERY_MS);
        for (const identity of IDENTITIES) await t.notThrowsAsync(store.get(identity, AbortSignal.timeout(60_000)));
      }
    };
    await pass(afterHours);
    service.isAway = true;
    const before = service.asked;
    await pass(12);
    const attempts = (service.asked - before) / IDENTITIES.length;
    t.true(attempts < 12 * 3600 / 120 + 20, `${attempts} attempts for each identity`);
    service.isAway = false;
    await pass(3);
    for (const each of held) each[Symbol.dispose]();
    t.log(`${Math.round(attempts)} attempts for each identity while it was away, and none without a certificate`);
  });
}
