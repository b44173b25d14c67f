import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { pemOf } from './pem-certificates.ts';
import type { Signer } from './signer.ts';
import { makeRequest, type SubjectName } from './x509.ts';

const DAY_MS = 24 * 3600 * 1000;
const SERVER_DAYS = 365;
/** Clocks of nodes may differ by this much. */
export const SKEW_MS = 60_000;
const MIN_LIFETIME_SECONDS = 60;
export const MAX_LIFETIME_SECONDS = 24 * 3600;

/** Who signs for a trust domain, and under which roots. */
export interface Issuer {
  /** Another one for another issuing certificate. */
  readonly id: string;
  readonly signer: Signer;
  /** Those that may vouch; the one that the signer's certificates lead to is among them. */
  readonly roots: readonly X509Certificate[];
  /** Those of the roots that what is signed may lead to. */
  readonly anchors: readonly X509Certificate[];
  /** Of the issuing certificate, for people. */
  readonly subject: string;
  /** When the first certificate between the signer and its root ends; nothing that is signed lives longer. */
  readonly notAfterMs: number;
  /** What the signer can be asked for, in milliseconds; anything where left out. */
  readonly lifetimes?: { readonly leastMs: number; readonly mostMs: number };
}

export interface ServerCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly notAfterMs: number;
}

/** Issues the certificates of one trust domain. Who signs may change while it does. */
export class Authority {
  readonly trustDomain: string;
  #issuer: Issuer;
  readonly #changed = new Set<() => void>();

  constructor(issuer: Issuer, trustDomain: string) {
    this.trustDomain = trustDomain;
    this.#issuer = issuer;
  }

  get issuer(): Issuer {
    return this.#issuer;
  }

  /** DER. */
  get roots(): readonly Buffer[] {
    return this.#issuer.roots.map(({ raw }) => raw);
  }

  get rootsPem(): string {
    return this.#issuer.roots.map(pemOf).join('');
  }

  /** From now on others sign, or other roots count. */
  replace(issuer: Issuer): void {
    this.#issuer = issuer;
    for (const changed of this.#changed) changed();
  }

  /** Called after each replacement. */
  onChange(changed: () => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => this.#changed.delete(changed) };
  }

  /** A certificate for one SPIFFE ID: PEM, the leaf and what stands between it and a root. @throws LandbridgeError `ca-failed` (retryable) */
  async issue(identity: SpiffeId, request: { readonly publicKey: KeyObject; readonly requestPem: string }, lifetimeSeconds: number, nowMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const seconds = Math.min(Math.max(lifetimeSeconds, MIN_LIFETIME_SECONDS), MAX_LIFETIME_SECONDS);
    return await this.#sign([{ kind: 'uri', value: identity }], request, seconds * 1000, nowMs, signal);
  }

  /** A certificate for the service's own TLS server. @throws LandbridgeError `ca-failed` (retryable) */
  async issueServer(dnsNames: readonly string[], nowMs: number, signal: AbortSignal): Promise<ServerCertificate> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const names = dnsNames.map((value) => ({ kind: 'dns', value }) as const);
    const chain = await this.#sign(names, { publicKey: createPublicKey(privateKey), requestPem: makeRequest(privateKey, names) }, SERVER_DAYS * DAY_MS, nowMs, signal);
    return { chainPem: chain.join(''), keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), notAfterMs: Date.parse(new X509Certificate(chain[0] ?? '').validTo) };
  }

  async #sign(names: readonly SubjectName[], { publicKey, requestPem }: { readonly publicKey: KeyObject; readonly requestPem: string }, lifetimeMs: number, nowMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { signer, roots, notAfterMs, lifetimes = { leastMs: 0, mostMs: lifetimeMs } } = this.#issuer;
    const endMs = Math.min(nowMs + Math.min(Math.max(lifetimeMs, lifetimes.leastMs), lifetimes.mostMs), notAfterMs);
    if (endMs <= nowMs) throw new LandbridgeError('ca-failed', 'the certificate authority has expired', { hint: 'Renew it: docs/certificates.md.', retryable: true });
    const askedMs = performance.now();
    const chain = await signer.sign({ names, publicKey, requestPem, notBefore: new Date(nowMs - SKEW_MS), notAfter: new Date(endMs) }, signal);
    // A signer elsewhere lets a certificate begin when it signs.
    const fault = faultOf(chain, { names, publicKey, roots, endMs, nowMs: nowMs + performance.now() - askedMs });
    if (fault !== undefined) throw new LandbridgeError('ca-failed', `what the signer gave can not be used: ${fault}`, { retryable: true });
    return chain.map((pem) => (pem.endsWith('\n') ? pem : `${pem}\n`));
  }
}

interface Expected {
  readonly names: readonly SubjectName[];
  readonly publicKey: KeyObject;
  readonly roots: readonly X509Certificate[];
  readonly endMs: number;
  readonly nowMs: number;
}

/** serverAuth, clientAuth. */
const USAGES = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] as const;
const NAME_PREFIX = { dns: 'DNS:', uri: 'URI:' } as const;

/** Why a chain is not what was asked for. A signer elsewhere may be wrong, old or somebody else's. */
function faultOf(chain: readonly string[], { names, publicKey, roots, endMs, nowMs }: Expected): string | undefined {
  let certificates: readonly X509Certificate[];
  try {
    certificates = chain.map((pem) => new X509Certificate(pem));
  } catch {
    return 'it is no list of certificates';
  }
  const [leaf] = certificates;
  if (leaf === undefined) return 'there is no certificate';
  if (!leaf.publicKey.equals(publicKey)) return 'the certificate is for another key';
  if (leaf.subjectAltName !== names.map(({ kind, value }) => `${NAME_PREFIX[kind]}${value}`).join(', ')) return 'the certificate names somebody else';
  if (leaf.ca) return 'the certificate is an authority';
  // Node.js tells extendedKeyUsage under this name; a certificate without it is for all.
  if (leaf.keyUsage !== undefined && !USAGES.every((usage) => leaf.keyUsage?.includes(usage))) return 'the certificate is not for both sides of a connection (extendedKeyUsage)';
  if (Date.parse(leaf.validFrom) > nowMs || Date.parse(leaf.validTo) <= nowMs || Date.parse(leaf.validTo) > endMs + SKEW_MS) return `the certificate is valid from ${leaf.validFrom} to ${leaf.validTo}`;
  // Each by the next, and the last by a root: what peers are sent has to lead there.
  const isLed = certificates.every((certificate, i) => [...(certificates[i + 1] === undefined ? roots : [certificates[i + 1] as X509Certificate])].some((issuer) => issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)));
  return isLed ? undefined : 'the certificate does not lead to a root that is known';
}
