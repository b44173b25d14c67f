import type { X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { CertificateAuthority } from './ca-client.ts';
import { makeRequest } from './csr.ts';
import { IssueQueue, type Urgency } from './issue-queue.ts';
import { readIssuedLeaf } from './issued-leaf.ts';
import { readCertificates } from './pem-certificates.ts';
import { isExpiring, renewAt, retryAfter } from './renewal.ts';

/** A certificate with its key. The key is never logged: pass this object to TLS only. */
export interface Certificate {
  readonly identity: SpiffeId;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Time as the store has it; tests have their own. */
export interface StoreTime {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Resolves after the time or when the signal is aborted, whichever is first. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
}

const REAL_TIME: StoreTime = { now: Date.now, wait: waitFor, random: Math.random };
const LIFETIME_SECONDS = 24 * 3600;
/** Requests under way (ztunnel has as many). */
const MAX_UNDER_WAY = 8;
/** Timers know no times beyond 24.8 days. */
const LONGEST_WAIT_MS = 24 * 3600 * 1000;

interface Entry {
  users: number;
  current: Certificate | undefined;
  readonly first: PromiseWithResolvers<Certificate>;
  readonly stop: AbortController;
  readonly changed: Set<() => void>;
  /** A connection could not be made for want of it. */
  isWanted: boolean;
  /** What is there has to be renewed, however new it is. */
  isStale: boolean;
  /** Of what is there, by the last review. */
  isAccepted: boolean;
  /** Ends the wait for the next attempt. */
  wake: () => void;
}

/** Keeps a valid certificate for each identity that somebody holds; renews before half of its life is over. */
export class CertificateStore {
  readonly #authority: CertificateAuthority;
  readonly #log: Logger;
  readonly #time: StoreTime;
  readonly #queue = new IssueQueue(MAX_UNDER_WAY);
  readonly #entries = new Map<SpiffeId, Entry>();
  readonly #issued = new Set<() => void>();

  constructor(authority: CertificateAuthority, log: Logger, time: StoreTime = REAL_TIME) {
    this.#authority = authority;
    this.#log = log;
    this.#time = time;
  }

  /** Begins to keep a certificate; `onChange` is called after each renewal. Disposing lets go of it. */
  hold(identity: SpiffeId, onChange: () => void): Disposable {
    let entry = this.#entries.get(identity);
    if (entry === undefined) {
      entry = { users: 0, current: undefined, first: Promise.withResolvers(), stop: new AbortController(), changed: new Set(), isWanted: false, isStale: false, isAccepted: true, wake: () => {} };
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
    if (!this.#isValid(certificate)) throw new LandbridgeError('no-certificate', `the certificate of ${identity} expired and could not be renewed`, { retryable: true });
    return certificate;
  }

  /** A connection waits for the identity's certificate, which goes before all that can wait. */
  want(identity: SpiffeId): void {
    const entry = this.#entries.get(identity);
    if (entry === undefined || entry.isWanted || this.#isValid(entry.current)) return;
    entry.isWanted = true;
    entry.wake();
  }

  /** Renews at once what is not accepted any more, such as by a root that was taken back. `isAccepted` gets leaf and intermediates. */
  review(isAccepted: (chain: readonly X509Certificate[]) => boolean): void {
    for (const [identity, entry] of this.#entries) {
      if (entry.current === undefined || isAccepted(readCertificates(entry.current.chainPem))) continue;
      this.#log.warn({ identity }, 'the certificate is not accepted any more: another one is asked for');
      // Also where a request is under way: it may have been answered before.
      entry.isStale = true;
      entry.isAccepted = false;
      entry.wake();
    }
  }

  /** Called after each certificate that has come, before its holders are told. */
  onIssued(issued: () => void): Disposable {
    this.#issued.add(issued);
    return { [Symbol.dispose]: () => this.#issued.delete(issued) };
  }

  /** What is kept, without keys. */
  *statuses(nowMs: number): Iterable<{ readonly identity: SpiffeId; readonly certificate: Omit<Certificate, 'keyPem'> | undefined }> {
    for (const [identity, { current }] of this.#entries) {
      if (current === undefined || current.notAfterMs <= nowMs) yield { identity, certificate: undefined };
      else {
        const { keyPem: _, ...certificate } = current;
        yield { identity, certificate };
      }
    }
  }

  #isValid(certificate: Certificate | undefined): boolean {
    return certificate !== undefined && certificate.notAfterMs > this.#time.now();
  }

  /** Whether connections can be made by what is there. */
  #serves({ current, isAccepted }: Entry): boolean {
    return isAccepted && this.#isValid(current);
  }

  #urgency({ current, isAccepted, isWanted }: Entry): Urgency {
    if (current !== undefined && isAccepted && !isExpiring(current, this.#time.now())) return 'renewal';
    return isWanted ? 'wanted' : 'expiring';
  }

  async #keep(identity: SpiffeId, entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    let failures = 0;
    while (!signal.aborted) {
      let nextMs: number;
      try {
        const certificate = await this.#issue(identity, entry, signal);
        entry.current = certificate;
        // What was reviewed meanwhile may have been this one.
        entry.isAccepted = !entry.isStale;
        entry.isWanted = false;
        entry.first.resolve(certificate);
        failures = 0;
        nextMs = renewAt(certificate, this.#time.now(), this.#time.random());
        this.#count();
        for (const issued of this.#issued) issued();
        for (const changed of entry.changed) changed();
      } catch (thrown) {
        if (signal.aborted) return;
        metrics.certificateFailures.inc();
        const waitMs = retryAfter(++failures, this.#serves(entry), this.#time.random());
        nextMs = this.#time.now() + waitMs;
        // The next connection that waits asks again.
        entry.isWanted = false;
        this.#log.warn({ identity, error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, this.#serves(entry) ? 'the certificate could not be renewed yet' : 'no certificate yet');
      }
      await this.#waitUntil(nextMs, entry, failures > 0);
    }
  }

  async #issue(identity: SpiffeId, entry: Entry, signal: AbortSignal): Promise<Certificate> {
    using _turn = await this.#queue.turn(() => this.#urgency(entry), signal);
    const { keyPem, requestPem } = await makeRequest(identity);
    const { chainPem, rootsPem } = await this.#authority.issue(identity, requestPem, LIFETIME_SECONDS, signal);
    const leaf = readIssuedLeaf(chainPem, identity, keyPem, this.#time.now());
    if (!leaf.ok) throw new LandbridgeError('certificate-refused', `what the authority gave for ${identity} can not be used: ${leaf.error}`, { retryable: true });
    return { identity, keyPem, chainPem, rootsPem, ...leaf.value };
  }

  /** After a failure a connection that waits makes it no sooner than the first back-off would: it may be the authority that has too much to do. */
  async #waitUntil(atMs: number, entry: Entry, hasFailed: boolean): Promise<void> {
    const { signal } = entry.stop;
    if (hasFailed) await this.#time.wait(Math.min(retryAfter(1, true, 0), atMs - this.#time.now()), signal);
    while (!signal.aborted && !entry.isWanted && !entry.isStale && this.#time.now() < atMs) {
      const woken = new AbortController();
      entry.wake = () => woken.abort();
      await this.#time.wait(Math.min(LONGEST_WAIT_MS, atMs - this.#time.now()), AbortSignal.any([signal, woken.signal]));
    }
    entry.isStale = false;
  }

  #count(): void {
    metrics.certificates.set([...this.#entries.values()].filter(({ current }) => this.#isValid(current)).length);
  }
}
