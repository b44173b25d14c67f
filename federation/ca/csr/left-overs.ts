import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import type { Logger } from 'pino';
import { isLeftOver, parseRequestObject, REQUESTS_PATH, type Requester, selectorOf } from './request-object.ts';

const SWEEP_MS = 3_600_000;
const RETRY = { firstMs: 1000, mostMs: 60_000 };

export interface LeftOversOptions {
  readonly watches: Pick<ApiServerClient, 'list'>;
  readonly writes: Pick<ApiServerClient, 'remove'>;
  readonly me: Requester;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
}

/**
 * Deletes requests that nobody waits for: at the start, and each hour. A service that is killed leaves some, and so does
 * an answer that is lost. Kubernetes' own controller takes a day for those that nobody has decided about. Runs until the signal aborts.
 */
export async function sweepLeftOvers(options: LeftOversOptions, signal: AbortSignal): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    let waitMs = SWEEP_MS;
    try {
      const deleted = await sweep(options, signal);
      if (deleted > 0) options.log.info({ deleted }, 'left-over requests for certificates are deleted');
      failures = 0;
    } catch (thrown) {
      if (signal.aborted) return;
      waitMs = retryDelay(failures++, RETRY);
      options.log.warn({ error: LandbridgeError.from(thrown).message, retry_ms: Math.round(waitMs) }, 'left-over requests for certificates could not be deleted');
    }
    await waitFor(waitMs, signal);
  }
}

/** How many were deleted. One that is deleted by somebody else at the same time is an error, after which all are looked at again. */
async function sweep({ watches, writes, me, clock }: LeftOversOptions, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  for (let next: string | undefined = ''; next !== undefined; ) {
    const page = await watches.list(REQUESTS_PATH, { labelSelector: selectorOf() }, next, signal);
    for (const item of page.items) {
      const parsed = parseRequestObject(item);
      if (!parsed.ok || !isLeftOver(parsed.value, me, clock())) continue;
      await writes.remove(`${REQUESTS_PATH}/${parsed.value.name}`, {}, signal);
      deleted++;
    }
    next = page.next === '' ? undefined : page.next;
  }
  return deleted;
}
