/**
 * Holds exports of a peer that vanish many at once: a namespace deleted by accident, or an API server restored from a
 * backup of yesterday, must not take away what runs. A pure reducer. Who leaves or is revoked goes at once: that was said.
 */
import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';

/** What a peer exports; keys are `<namespace>/<name>`. */
export interface PeerExports {
  readonly services: ReadonlyMap<string, ServiceRecord>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
}

/** In milliseconds. */
export interface GuardTimes {
  /** How long an export stays that vanished, to see whether it is one of many. */
  readonly settleMs: number;
  /** How long many stay, and how long one that went counts. */
  readonly holdMs: number;
}

export const DEFAULT_GUARD_TIMES: GuardTimes = { settleMs: 1000, holdMs: 60_000 };
/** More than so many are many. */
export const HANDFUL = 5;
/** If they are more than this share of all. */
export const MANY_SHARE = 0.3;

interface Vanished {
  readonly atMs: number;
  readonly service: ServiceRecord;
  readonly endpoints: readonly Endpoint[] | undefined;
  /** It was one of many: it waits for the end of the hold, also when most others are back. */
  readonly isHeld: boolean;
}

export interface GuardState {
  /** With those that are kept. */
  readonly exports: PeerExports;
  readonly vanished: ReadonlyMap<string, Vanished>;
  /** When exports went that were kept, as long as they count. */
  readonly wentMs: readonly number[];
  /** Many vanished at once: those that are kept wait for the end of the hold. */
  readonly isHolding: boolean;
  /** When to look again, though nothing else happened. */
  readonly dueMs: number | undefined;
}

export function guardOf(exports: PeerExports): GuardState {
  return { exports, vanished: new Map(), wentMs: [], isHolding: false, dueMs: undefined };
}

/** `nowMs` by a clock that does not go back. */
export function nextGuard(state: GuardState, { services, endpoints }: PeerExports, nowMs: number, { settleMs, holdMs }: GuardTimes): GuardState {
  // Most peers say nothing new at a time.
  if (state.vanished.size === 0 && state.wentMs.length === 0 && services === state.exports.services && endpoints === state.exports.endpoints) return state;
  const vanished = new Map<string, Vanished>();
  for (const [key, service] of state.exports.services) {
    if (!services.has(key)) vanished.set(key, state.vanished.get(key) ?? { atMs: nowMs, service, endpoints: state.exports.endpoints.get(key), isHeld: false });
  }
  const wentMs = state.wentMs.filter((atMs) => nowMs - atMs < holdMs);
  const count = vanished.size + wentMs.length;
  const areMany = count > HANDFUL && count > MANY_SHARE * (services.size + count);
  let dueMs: number | undefined;
  let isHolding = false;
  for (const [key, each] of vanished) {
    const { atMs } = each;
    const isHeld = each.isHeld || areMany;
    const keepMs = isHeld ? holdMs : settleMs;
    if (nowMs - atMs >= keepMs) {
      vanished.delete(key);
      wentMs.push(nowMs);
    } else {
      if (isHeld && !each.isHeld) vanished.set(key, { ...each, isHeld });
      isHolding ||= isHeld;
      dueMs = Math.min(dueMs ?? Number.POSITIVE_INFINITY, atMs + keepMs);
    }
  }
  return { exports: withVanished({ services, endpoints }, vanished), vanished, wentMs, isHolding, dueMs };
}

/** Maps that did not change stay the same ones. */
function withVanished(exports: PeerExports, vanished: ReadonlyMap<string, Vanished>): PeerExports {
  if (vanished.size === 0) return exports;
  const services = new Map(exports.services);
  const endpoints = new Map(exports.endpoints);
  for (const [key, each] of vanished) {
    services.set(key, each.service);
    if (each.endpoints !== undefined) endpoints.set(key, each.endpoints);
  }
  return { services, endpoints };
}
