/** When certificates are asked for, and asked for again. Times in milliseconds. */

/**
 * The part of its life after which a certificate is renewed. Below a half, so that an authority may be away for half of
 * it, whenever that begins; at random, so that identities which came together are not renewed together.
 */
const EARLIEST = 0.35;
const LATEST = 0.48;
const SOONEST_MS = 1000;
/** What is left of a life when it becomes urgent. */
const EXPIRING = 0.25;

/** The back-off of ztunnel: half a second, doubled, a fifth at random, up to 150 s, where what is there works still. */
const FIRST_MS = 500;
const SPREAD = 0.2;
const MOST_MS = 150_000;
/** Without a valid certificate pods of the identity can neither call nor be called. */
const MOST_WITHOUT_MS = 10_000;

export interface Lifetime {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** When to renew a certificate that has just come. `random` is in [0, 1). What of its life is over by the clock of here does not count: a clock that is hours ahead would have it renewed again and again. */
export function renewAt({ notBeforeMs, notAfterMs }: Lifetime, nowMs: number, random: number): number {
  const fromMs = Math.max(notBeforeMs, nowMs);
  return Math.max(nowMs + SOONEST_MS, fromMs + (notAfterMs - fromMs) * (EARLIEST + random * (LATEST - EARLIEST)));
}

export function isExpiring({ notBeforeMs, notAfterMs }: Lifetime, nowMs: number): boolean {
  return notAfterMs - nowMs < (notAfterMs - notBeforeMs) * EXPIRING;
}

/** How long to wait after so many failures in a row, the first of which is 1. */
export function retryAfter(failures: number, isValid: boolean, random: number): number {
  const step = Math.min(isValid ? MOST_MS : MOST_WITHOUT_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16));
  return step * (1 - SPREAD + 2 * SPREAD * random);
}
