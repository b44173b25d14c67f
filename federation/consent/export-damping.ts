/** Exports that come and go, or change what they are, again and again: a pure reducer over what one cluster says at a time. */
import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';

/** Changes of one service that count at once; one more each {@link HOLD_MS}. */
export const MAX_CHANGES = 5;
/** How long what was applied last stays, while a service changes more than that. */
export const HOLD_MS = 30_000;
/** What is remembered of changes at most: a service that rests is free again within minutes. */
const MAX_LEVEL = MAX_CHANGES * 2;

/** By `<namespace>/<name>`. */
export interface Exports {
  readonly services: ReadonlyMap<string, ServiceRecord>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
}

interface Known {
  readonly seen: ServiceRecord | undefined;
  readonly applied: ServiceRecord | undefined;
  /** The last ones while it was exported. */
  readonly endpoints: readonly Endpoint[];
  /** Changes, less those that time has made good: as of `changedAtMs`. */
  readonly level: number;
  readonly changedAtMs: number;
  readonly appliedAtMs: number;
}

export interface Damping {
  /** Services that were seen, or still count. */
  readonly known: ReadonlyMap<string, Known>;
  /** What was said last. */
  readonly said: Exports;
  /** What counts now. */
  readonly exports: Exports;
  /** Services of which something else counts than what is said. */
  readonly held: number;
  /** When one of them is to be looked at again; undefined where nothing is held. */
  readonly nextAtMs: number | undefined;
}

/** One list, so that what has no endpoints stays the same. */
const NONE: readonly Endpoint[] = [];

const NOTHING: Exports = { services: new Map(), endpoints: new Map() };
export const NO_DAMPING: Damping = { known: new Map(), said: NOTHING, exports: NOTHING, held: 0, nextAtMs: undefined };

/** `nowMs`: of any clock that does not go back. A record that says the same is to be the same object. */
export function damp(before: Damping, said: Exports, nowMs: number): Damping {
  if (before.held === 0 && said.services === before.said.services && said.endpoints === before.said.endpoints) return before;
  const known = new Map<string, Known>();
  const services = new Map<string, ServiceRecord>();
  const endpoints = new Map<string, readonly Endpoint[]>();
  let held = 0;
  let nextAtMs: number | undefined;
  for (const key of new Set([...said.services.keys(), ...before.known.keys()])) {
    const next = look(before.known.get(key), said.services.get(key), said.endpoints.get(key) ?? NONE, nowMs);
    if (next.seen !== undefined || next.applied !== undefined || levelAt(next, nowMs) > 0) known.set(key, next);
    if (next.applied !== undefined) {
      services.set(key, next.applied);
      endpoints.set(key, next.endpoints);
    }
    if (next.seen === next.applied) continue;
    held += 1;
    nextAtMs = Math.min(nextAtMs ?? Number.POSITIVE_INFINITY, next.appliedAtMs + HOLD_MS);
  }
  return { known, said, exports: { services, endpoints }, held, nextAtMs };
}

function look(known: Known | undefined, seen: ServiceRecord | undefined, endpoints: readonly Endpoint[], nowMs: number): Known {
  if (known === undefined) return { seen, applied: seen, endpoints, level: 0, changedAtMs: nowMs, appliedAtMs: nowMs };
  const changed = seen === known.seen ? known : { ...known, seen, level: Math.min(MAX_LEVEL, levelAt(known, nowMs) + 1), changedAtMs: nowMs };
  const next = seen === undefined || endpoints === changed.endpoints ? changed : { ...changed, endpoints };
  if (seen === next.applied) return next;
  const isDue = levelAt(next, nowMs) <= MAX_CHANGES || nowMs - next.appliedAtMs >= HOLD_MS;
  return isDue ? { ...next, applied: seen, appliedAtMs: nowMs } : next;
}

const levelAt = ({ level, changedAtMs }: Known, nowMs: number): number => Math.max(0, level - (nowMs - changedAtMs) / HOLD_MS);
