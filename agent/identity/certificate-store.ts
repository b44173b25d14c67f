import { X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { CertificateAuthority } from './ca-client.ts';
import { makeRequest } from './csr.ts';

/** A certificate with its key. The key is never logged: pass this object to TLS only. */
export interface Certificate {
  readonly identity: SpiffeId;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
  readonly notAfterMs: number;
}

const LIFETIME_SECONDS = 24 * 3600;
const RETRY = { mostMs: 10_000 };

type Entry = { users: number; current: Certificate | undefined; readonly first: PromiseWithResolvers<Certificate>; readonly stop: AbortController; readonly changed: Set<() => void> };

/** Keeps a valid certificate for each identity that somebody holds; renews at about half of the lifetime, spread at random. */
export class CertificateStore {
  readonly #authority: CertificateAuthority;
  readonly #log: Logger;
  readonly #entries = new Map<SpiffeId, Entry>();

  constructor(authority: CertificateAuthority, log: Logger) {
    this.#authority = authority;
    this.#log = log;
  }

  /** Begins to keep a certificate; `onChange` is called after each renewal. Disposing lets go of it. */
  hold(identity: SpiffeId, onChange: () => void): Disposable {
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = { users: 0, current: undefined, first: Promise.withResolvers(), stop: new AbortController(), changed: new Set() };
      // Nobody may wait for the first certificate at the moment that it is given up.
      entry.first.promise.catch(() => {});
      this.#entries.set(identity, entry);
      void this.#keep(identity, entry);
    }
    const held = entry;
    held.users++;
    held.changed.add(onChange);
    return {
      [Symbol.dispose]: () => {
        held.changed.delete(onChange);
        if (--held.users > 0) return;
        this.#entries.delete(identity);
        held.stop.abort();
        held.first.reject(new LandbridgeError('closed', `the certificate of ${identity} is not kept any more`));
        this.#count();
      },
    };
  }

  /** The certificate of an identity that is held; waits for the first one. @throws LandbridgeError `no-certificate` */
  async get(identity: SpiffeId, signal: AbortSignal): Promise<Certificate> {
    const entry = this.#entries.get(identity);
    if (entry === undefined) throw new LandbridgeError('no-certificate', `no certificate is kept for ${identity}`);
    const certificate = entry.current ?? (await orAborted(entry.first.promise, signal));
    if (certificate.notAfterMs <= Date.now()) throw new LandbridgeError('no-certificate', `the certificate of ${identity} expired and could not be renewed`, { retryable: true });
    return certificate;
  }

  /** What is kept, without keys. */
  *statuses(nowMs: number): Iterable<{ readonly identity: SpiffeId; readonly certificate: Omit<Certificate, 'keyPem'> | undefined }> {
    for (const [identity, { current }] of this.#entries) {
      if (current === undefined || current.notAfterMs <= nowMs) yield { identity, certificate: undefined };
      else {
        const { chainPem, rootsPem, notAfterMs } = current;
        yield { identity, certificate: { identity, chainPem, rootsPem, notAfterMs } };
      }
    }
  }

  async #keep(identity: SpiffeId, entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        const { keyPem, requestPem } = await makeRequest(identity);
        const issued = await this.#authority.issue(identity, requestPem, LIFETIME_SECONDS, signal);
        const leaf = new X509Certificate(issued.chainPem);
        const notAfterMs = Date.parse(leaf.validTo);
        entry.current = { identity, keyPem, chainPem: issued.chainPem, rootsPem: issued.rootsPem, notAfterMs };
        entry.first.resolve(entry.current);
        failures = 0;
        waitMs = (notAfterMs - Date.now()) * (0.4 + Math.random() * 0.2);
        this.#count();
        for (const changed of entry.changed) changed();
      } catch (thrown) {
        if (signal.aborted) return;
        metrics.certificateFailures.inc();
        waitMs = retryDelay(failures++, RETRY);
        this.#log.warn({ identity, error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'no certificate yet');
      }
      await waitFor(waitMs, signal);
    }
  }

  #count(): void {
    metrics.certificates.set([...this.#entries.values()].filter(({ current }) => current !== undefined && current.notAfterMs > Date.now()).length);
  }
}
