import { LandbridgeError } from '@landbridge/core/errors.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { type ApiServerClient, ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import { type ListAndWatch, Reflector } from '@landbridge/kubernetes/reflector.ts';
import type { Logger } from 'pino';
import { metrics } from '../../metrics.ts';
import { sweepLeftOvers } from './left-overs.ts';
import { approved, type Outcome, parseRequestObject, REQUESTS_PATH, type RequestObject, type Requester, requestObject, selectorOf } from './request-object.ts';

/** Requests at the API server at one time; who comes beyond has to come again. */
export const MAX_UNDER_WAY = 100;
/** Those of this pod, left-over ones among them. */
const MAX_WATCHED = 10 * MAX_UNDER_WAY;
/** The longest that anybody waits. Agents do not wait as long (certificate-service.ts). */
const LONGEST_MS = 60_000;
const REMOVAL_MS = 10_000;
const CONFLICT = 409;
const NOT_FOUND = 404;
const TOO_MANY_REQUESTS = 429;

export interface CertificateRequestsOptions {
  readonly watches: ListAndWatch;
  /** Over connections that are kept: three requests for each certificate. */
  readonly writes: Pick<ApiServerClient, 'get' | 'create' | 'replace' | 'remove'>;
  /** DOMAIN/PATH. */
  readonly signerName: string;
  /** Whether this service says itself that its requests may be signed; otherwise somebody else does. */
  readonly approves: boolean;
  readonly me: Requester;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
}

/**
 * Has certificates signed by CertificateSigningRequests of certificates.k8s.io/v1: makes one, perhaps approves it, waits
 * until a watch tells what became of it, and deletes it.
 */
export class CertificateRequests {
  readonly #options: CertificateRequestsOptions;
  readonly #watch: Reflector<RequestObject>;
  readonly #waiting = new Map<string, (outcome: Outcome | 'gone') => void>();
  readonly #stop = new AbortController();
  readonly #emptied = Promise.withResolvers<void>();
  #underWay = 0;

  constructor(options: CertificateRequestsOptions) {
    this.#options = options;
    const { watches, me, log } = options;
    this.#watch = new Reflector<RequestObject>(watches, { path: REQUESTS_PATH, query: { labelSelector: selectorOf(me.pod) }, parse: parseRequestObject, keyOf: ({ name }) => name, maxObjects: MAX_WATCHED }, log, { initialEvents: true });
  }

  /** Runs until the signal aborts, and what was under way then is given up and deleted. Certificates come only while it runs. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#watch.run((names) => this.#told(names), signal), sweepLeftOvers(this.#options, signal)]);
    this.#stop.abort();
    if (this.#underWay > 0) await this.#emptied.promise;
  }

  /**
   * What the signer gave, in PEM. @throws LandbridgeError `ca-failed` (retryable) where it did not, `ca-refused` where it,
   * or whoever approves, will not
   */
  async sign(requestPem: string, expirationSeconds: number, outer: AbortSignal): Promise<string> {
    if (this.#underWay >= MAX_UNDER_WAY) {
      metrics.signingRequests.inc({ outcome: 'busy' });
      throw this.#failed(`${MAX_UNDER_WAY} requests for certificates are under way already`);
    }
    metrics.signingRequestsUnderWay.set(++this.#underWay);
    const signal = AbortSignal.any([outer, this.#stop.signal, AbortSignal.timeout(LONGEST_MS)]);
    let name: string | undefined;
    let outcome = 'error';
    try {
      const { writes, signerName, me, approves } = this.#options;
      const made = await this.#attempt('made', async () => await writes.create(REQUESTS_PATH, requestObject(requestPem, signerName, expirationSeconds, me), signal), signal);
      ({ name } = this.#parsed(made));
      if (approves) await this.#approve(name, made as object, signal);
      const become = await this.#outcome(name, signal);
      outcome = become.kind === 'pending' ? 'silent' : become.kind;
      return this.#certificate(become);
    } finally {
      metrics.signingRequests.inc({ outcome });
      this.#remove(name);
    }
  }

  #certificate(outcome: Outcome): string {
    const { signerName } = this.#options;
    switch (outcome.kind) {
      case 'issued':
        return outcome.pem;
      case 'denied':
        throw new LandbridgeError('ca-refused', `the request to signer ${signerName} was denied: ${outcome.reason}`, { hint: 'Whoever approves requests for this signer has to allow what the federation service asks for: docs/certificates.md.' });
      case 'failed':
        throw this.#failed(`it can not sign: ${outcome.reason}`);
      case 'pending':
        throw this.#failed(outcome.isApproved ? 'it has neither signed nor refused in time' : 'nobody has approved the request in time');
      default:
        return outcome satisfies never;
    }
  }

  /** Somebody else may write to the object between its making and this, or may have decided. */
  async #approve(name: string, made: object, signal: AbortSignal): Promise<void> {
    const { writes, clock } = this.#options;
    let current = made;
    await this.#attempt('approved', async () => {
      try {
        await writes.replace(`${REQUESTS_PATH}/${name}/approval`, approved(current, new Date(clock())), signal);
      } catch (thrown) {
        if (!(thrown instanceof ApiServerError) || thrown.status !== CONFLICT) throw thrown;
        current = (await writes.get(`${REQUESTS_PATH}/${name}`, signal)) as object;
        const { outcome } = this.#parsed(current);
        if (outcome.kind === 'pending' && !outcome.isApproved) throw thrown;
      }
    }, signal);
  }

  /** What became of it: when the signal aborts, that nothing has. */
  async #outcome(name: string, signal: AbortSignal): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome | 'gone'>();
    this.#waiting.set(name, resolve);
    try {
      // The watch may have been faster than the answer.
      if (this.#watch.objects.has(name)) this.#told(new Set([name]));
      const outcome = await orAborted(promise, signal);
      if (outcome === 'gone') throw this.#failed('somebody has deleted the request');
      return outcome;
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
      return this.#watch.objects.get(name)?.outcome ?? { kind: 'pending', isApproved: this.#options.approves };
    } finally {
      this.#waiting.delete(name);
    }
  }

  #told(names: ReadonlySet<string>): void {
    for (const name of names) {
      const outcome = this.#watch.objects.get(name)?.outcome ?? 'gone';
      if (outcome === 'gone' || outcome.kind !== 'pending') this.#waiting.get(name)?.(outcome);
    }
  }

  /** Tries until it succeeds, is refused for good, or the signal aborts. */
  async #attempt<T>(what: string, act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await act();
      } catch (thrown) {
        if (signal.aborted && !(thrown instanceof ApiServerError)) throw this.#failed(`a request could not be ${what} in time`, thrown);
        const status = thrown instanceof ApiServerError ? thrown.status : undefined;
        const isPassing = status === 0 || status === CONFLICT || status === TOO_MANY_REQUESTS || (status !== undefined && status >= 500);
        if (isPassing) await waitFor(Math.max(thrown instanceof ApiServerError ? (thrown.retryAfterMs ?? 0) : 0, retryDelay(failures)), signal);
        if (!isPassing || signal.aborted) throw this.#failed(`a request could not be ${what}: ${LandbridgeError.from(thrown).message}`, thrown);
      }
    }
  }

  /** Goes on by itself, and its place is free when it has ended. What can not be deleted now is deleted when it is old. */
  #remove(name: string | undefined): void {
    const { writes, log } = this.#options;
    const signal = AbortSignal.timeout(REMOVAL_MS);
    const remove = async (): Promise<void> => {
      if (name === undefined) return;
      await this.#attempt('deleted', async () => {
        await writes.remove(`${REQUESTS_PATH}/${name}`, {}, signal).catch((thrown: unknown) => {
          if (!(thrown instanceof ApiServerError) || thrown.status !== NOT_FOUND) throw thrown;
        });
      }, signal);
    };
    void remove()
      .catch((thrown: unknown) => log.warn({ name, error: LandbridgeError.from(thrown).message }, 'a request for a certificate stays behind'))
      .finally(() => {
        metrics.signingRequestsUnderWay.set(--this.#underWay);
        if (this.#underWay === 0 && this.#stop.signal.aborted) this.#emptied.resolve();
      });
  }

  #parsed(value: unknown): RequestObject {
    const parsed = parseRequestObject(value);
    if (!parsed.ok) throw this.#failed(parsed.error);
    return parsed.value;
  }

  #failed(reason: string, cause?: unknown): LandbridgeError {
    return new LandbridgeError('ca-failed', `signer ${this.#options.signerName}: ${reason}`, { retryable: true, ...(cause === undefined ? {} : { cause }) });
  }
}
