import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { Authority, ServerCertificate } from './authority.ts';

/** Looked at again at least so often, as timers know no times beyond 24.8 days. */
const LONGEST_WAIT_MS = 24 * 3600 * 1000;

export interface ServerCertificateOptions {
  readonly authority: Authority;
  readonly dnsNames: readonly string[];
  /** The one that is served at the start. */
  readonly first: ServerCertificate;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
}

/** Signers are asked again so often while agents wait for the service to start. */
const FIRST_RETRY = { firstMs: 500, mostMs: 15_000 };

/** The first certificate of a service that starts, whenever the authority gives it; undefined where the signal aborts before. */
export async function firstServerCertificate({ authority, dnsNames, clock, log }: Omit<ServerCertificateOptions, 'first'>, signal: AbortSignal): Promise<ServerCertificate | undefined> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await authority.issueServer(dnsNames, clock(), signal);
    } catch (thrown) {
      if (signal.aborted) break;
      const { code, message, hint } = LandbridgeError.from(thrown);
      const waitMs = retryDelay(failures, FIRST_RETRY);
      log.warn({ code, error: message, hint, retry_ms: Math.round(waitMs) }, 'the service has no certificate yet, and agents can not reach it');
      await waitFor(waitMs, signal);
    }
  }
  return undefined;
}

/** Keeps the service's own certificate: a new one after half of its life, and whenever the authority is another one. Runs until the signal aborts. */
export async function renewServerCertificate({ authority, dnsNames, first, clock, log }: ServerCertificateOptions, serve: (certificate: ServerCertificate) => void, signal: AbortSignal): Promise<void> {
  let changed = new AbortController();
  using _listening = authority.onChange(() => changed.abort());
  let renewAtMs = halfWay(first, clock());
  for (let failures = 0; !signal.aborted; ) {
    await waitFor(Math.min(LONGEST_WAIT_MS, Math.max(0, renewAtMs - clock())), AbortSignal.any([signal, changed.signal]));
    if (signal.aborted) return;
    if (!changed.signal.aborted && clock() < renewAtMs) continue;
    changed = new AbortController();
    try {
      const certificate = await authority.issueServer(dnsNames, clock(), signal);
      serve(certificate);
      renewAtMs = halfWay(certificate, clock());
      failures = 0;
    } catch (thrown) {
      if (signal.aborted) return;
      const waitMs = retryDelay(failures++);
      renewAtMs = clock() + waitMs;
      log.warn({ error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'the certificate of the service could not be renewed');
    }
  }
}

const halfWay = ({ notAfterMs }: ServerCertificate, nowMs: number): number => nowMs + (notAfterMs - nowMs) / 2;
