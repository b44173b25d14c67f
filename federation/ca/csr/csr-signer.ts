import { isDeepStrictEqual } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { AuthorityCertificate } from '../authority-certificate.ts';
import type { ChainDemand } from '../issuing-chain.ts';
import { pemOf } from '../pem-certificates.ts';
import type { Signer, SigningRequest } from '../signer.ts';
import { requestDer, requestPemOf, type SubjectName } from '../x509.ts';
import type { CertificateRequests } from './certificate-requests.ts';
import { type IssuedChain, readIssuedChain } from './issued-chain.ts';
import { LEAST_EXPIRATION_SECONDS } from './request-object.ts';
import { readRequestedNames } from './requested-names.ts';

/** By how much a signer's clock may be ahead: a certificate that begins so soon is waited for. */
const MOST_AHEAD_MS = 5000;
/** A signer counts a certificate's life from when it signs, which may be so much later: what ends after an authority is not taken. */
const SIGNING_MS = 10_000;

export interface CsrSignerOptions {
  readonly requests: Pick<CertificateRequests, 'sign'>;
  readonly roots: readonly AuthorityCertificate[];
  readonly demand: Omit<ChainDemand, 'nowMs'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Has requests signed by a signer of the Kubernetes API. They go out as they came, by whoever has the key, and so they must ask for nothing else than what was decided. */
export class CsrSigner implements Signer {
  readonly #options: CsrSignerOptions;
  #authoritiesEndMs: number | undefined;

  constructor(options: CsrSignerOptions) {
    this.#options = options;
  }

  /** When the first authority ends by which the last certificate came; undefined while nobody knows. */
  get authoritiesEndMs(): number | undefined {
    const endMs = this.#authoritiesEndMs;
    return endMs !== undefined && endMs > this.#options.clock() ? endMs : undefined;
  }

  async sign({ names, requestPem, notAfter }: SigningRequest, signal: AbortSignal): Promise<readonly string[]> {
    const { requests, clock } = this.#options;
    const der = passable(requestPem, names);
    const endMs = Math.min(notAfter.getTime(), (this.authoritiesEndMs ?? Number.POSITIVE_INFINITY) - SIGNING_MS);
    const seconds = Math.max(LEAST_EXPIRATION_SECONDS, Math.ceil((endMs - clock()) / 1000));
    const chain = this.#read(await requests.sign(requestPemOf(der), seconds, signal));
    await waitFor(aheadMs(chain, clock()), signal);
    return [chain.leaf, ...chain.intermediates].map(pemOf);
  }

  /** The way to a root may be another one each time. */
  #read(pem: string): IssuedChain {
    const { roots, demand, clock } = this.#options;
    const chain = readIssuedChain(pem, roots, { ...demand, nowMs: clock() });
    if (!chain.ok) throw unusable(chain.error);
    const { leaf, authoritiesEndMs } = chain.value;
    this.#authoritiesEndMs = authoritiesEndMs;
    // Agents renew by the leaf's own end. From now on less is asked for.
    if (Date.parse(leaf.validTo) > authoritiesEndMs) throw unusable(`it ends at ${leaf.validTo}, after an authority that it depends on (${new Date(authoritiesEndMs).toISOString()})`);
    return chain.value;
  }
}

/** The request's DER, where it asks for these names and nothing else. */
function passable(requestPem: string, names: readonly SubjectName[]): Buffer {
  const der = requestDer(requestPem);
  const asked = der.ok ? readRequestedNames(der.value) : der;
  if (!der.ok || !asked.ok) throw refused(asked.ok ? '' : asked.error);
  if (!isDeepStrictEqual(asked.value, names)) throw refused(`the certificate request is for ${listed(asked.value)}, not for ${listed(names)}`);
  return der.value;
}

const listed = (names: readonly SubjectName[]): string => JSON.stringify(names.map(({ value }) => value).join(', ').slice(0, 300));

function aheadMs({ leaf }: IssuedChain, nowMs: number): number {
  const waitMs = Date.parse(leaf.validFrom) - nowMs;
  return waitMs > MOST_AHEAD_MS ? 0 : Math.max(0, waitMs);
}

const refused = (reason: string): LandbridgeError => new LandbridgeError('request-refused', reason, { hint: 'A signer elsewhere gets the request as it is: with an empty subject, and the names that are asked for as its only extension.' });
const unusable = (reason: string): LandbridgeError => new LandbridgeError('ca-failed', `what the signer gave can not be used: ${reason}`, { retryable: true });
