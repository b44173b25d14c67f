import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { makeCertificate } from './x509.ts';

const DAY_MS = 24 * 3600 * 1000;
const ROOT_DAYS = 3650;
const SERVER_DAYS = 365;
/** Clocks of nodes may differ by this much. */
const SKEW_MS = 60_000;
export const MAX_LIFETIME_SECONDS = 24 * 3600;

/** A root certificate with its key, as the Secret landbridge-ca keeps them. */
export interface RootMaterial {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export function makeRoot(trustDomain: string, nowMs: number): RootMaterial {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = `Landbridge root of ${trustDomain}`.slice(0, 64);
  const certificatePem = makeCertificate({ subject, issuer: subject, notBefore: new Date(nowMs - SKEW_MS), notAfter: new Date(nowMs + ROOT_DAYS * DAY_MS), publicKey, isAuthority: true, names: [{ kind: 'uri', value: `spiffe://${trustDomain}` }] }, privateKey);
  return { certificatePem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/** Signs certificates of one trust domain with its root. */
export class Authority {
  readonly rootPem: string;
  readonly rootDer: Buffer;
  readonly #key: KeyObject;
  readonly #subject: string;
  readonly #notAfterMs: number;

  /** @throws LandbridgeError `bad-ca` where key and certificate do not belong together or are not this trust domain's */
  constructor(material: RootMaterial, trustDomain: string) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(material.certificatePem);
      this.#key = createPrivateKey(material.keyPem);
    } catch (thrown) {
      throw new LandbridgeError('bad-ca', 'the Secret landbridge-ca holds no certificate and key', { cause: thrown, hint: 'Delete the Secret to have a new root made; all identities of the cluster change with it.' });
    }
    if (!certificate.checkPrivateKey(this.#key) || !certificate.ca) throw new LandbridgeError('bad-ca', 'key and certificate of the Secret landbridge-ca do not belong together', { hint: 'Restore the Secret from where it came.' });
    // Certificates are signed by ECDSA only: those of another key would say so and be wrong.
    if (this.#key.asymmetricKeyType !== 'ec') throw new LandbridgeError('bad-ca', `the key of the Secret landbridge-ca is ${this.#key.asymmetricKeyType}, not an elliptic curve key`, { hint: 'Give it a P-256 key.' });
    if (certificate.subjectAltName !== `URI:spiffe://${trustDomain}`) {
      throw new LandbridgeError('bad-ca', `the root in the Secret landbridge-ca is of ${certificate.subjectAltName ?? 'no trust domain'}, not of ${trustDomain}`, { hint: 'A trust domain can not be renamed: set cluster.trustDomain back.' });
    }
    this.rootPem = material.certificatePem;
    this.rootDer = certificate.raw;
    this.#subject = certificate.subject.replace(/^CN=/, '');
    this.#notAfterMs = Date.parse(certificate.validTo);
  }

  /** A certificate for one SPIFFE ID, in PEM. */
  issue(identity: SpiffeId, publicKey: KeyObject, lifetimeSeconds: number, nowMs: number): string {
    const seconds = Math.min(Math.max(lifetimeSeconds, 60), MAX_LIFETIME_SECONDS);
    return this.#sign(publicKey, nowMs, seconds * 1000, [{ kind: 'uri', value: identity }]);
  }

  /** A certificate for the service's own TLS server. */
  issueServer(dnsNames: readonly string[], nowMs: number): { readonly certificatePem: string; readonly keyPem: string } {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificatePem = this.#sign(createPublicKey(privateKey), nowMs, SERVER_DAYS * DAY_MS, dnsNames.map((value) => ({ kind: 'dns', value })));
    return { certificatePem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign(publicKey: KeyObject, nowMs: number, lifetimeMs: number, names: readonly { kind: 'dns' | 'uri'; value: string }[]): string {
    const notAfter = new Date(Math.min(nowMs + lifetimeMs, this.#notAfterMs));
    return makeCertificate({ subject: '', issuer: this.#subject, notBefore: new Date(nowMs - SKEW_MS), notAfter, publicKey, isAuthority: false, names }, this.#key);
  }
}
