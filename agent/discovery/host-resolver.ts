import { isHostname } from '@landbridge/core/hostname.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { retryDelay } from '@landbridge/core/retry-delay.ts';
import { metrics } from '../metrics.ts';

/** What the agent's own name servers say. */
export type HostAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly IpAddress[]; readonly ttlMs: number }
  /** There is no such name, or it has no address. */
  | { readonly kind: 'none' }
  /** Nobody said anything that could be understood. */
  | { readonly kind: 'failed' };

/** Never rejects. */
export type LookUp = (hostname: string, signal: AbortSignal) => Promise<HostAnswer>;

/** Who goes by what names resolve to. */
export interface HostUser {
  isUsed(hostname: string): boolean;
  /** Other addresses than before, or the first answer. */
  changed(hostname: string): void;
}

/** As many as ztunnel remembers. Of further ones nothing is known. */
export const MAX_HOSTS = 4096;
/** Names that are being asked for; others wait. */
export const MAX_LOOKUPS = 64;
/** More than what a round of a large service's addresses needs. */
export const MAX_ADDRESSES = 256;
const LEAST_TTL_MS = 5000;
/** A name server that says hours may have been wrong. */
const MOST_TTL_MS = 300_000;
const NONE_TTL_MS = 5000;
const RETRY = { firstMs: 1000, mostMs: 15_000 };

interface Known {
  /** Undefined before the first answer. */
  addresses: readonly IpAddress[] | undefined;
  failures: number;
  cancel: () => void;
}

/** Calls back after a time; what it returns prevents that. */
export type Schedule = (work: () => void, milliseconds: number) => () => void;

const byTimer: Schedule = (work, milliseconds) => {
  const timer = setTimeout(work, milliseconds).unref();
  return () => clearTimeout(timer);
};

/**
 * Looks up the names of workloads that have no addresses: at the first question, and again when an answer has lived its
 * time, for as long as somebody goes by it. Where nobody answers, what was known stays.
 */
export class HostResolver implements Disposable {
  readonly #lookUp: LookUp;
  readonly #schedule: Schedule;
  readonly #known = new Map<string, Known>();
  readonly #waiting = new Set<string>();
  readonly #stop = new AbortController();
  #user: HostUser | undefined;
  #active = 0;

  constructor(lookUp: LookUp, schedule: Schedule = byTimer) {
    this.#lookUp = lookUp;
    this.#schedule = schedule;
  }

  serve(user: HostUser): void {
    this.#user = user;
  }

  /** Undefined while the first answer is not there. */
  resolve(hostname: string): readonly IpAddress[] | undefined {
    const known = this.#known.get(hostname);
    if (known !== undefined) return known.addresses;
    if (!isHostname(hostname) || this.#known.size >= MAX_HOSTS || this.#stop.signal.aborted) return [];
    this.#known.set(hostname, { addresses: undefined, failures: 0, cancel: () => {} });
    this.#ask(hostname);
    return undefined;
  }

  #ask(hostname: string): void {
    if (this.#active >= MAX_LOOKUPS) {
      this.#waiting.add(hostname);
      return;
    }
    this.#active++;
    void this.#lookUp(hostname, this.#stop.signal).then((answer) => {
      this.#active--;
      if (this.#stop.signal.aborted) return;
      this.#take(hostname, answer);
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      this.#ask(next);
    });
  }

  #take(hostname: string, answer: HostAnswer): void {
    const known = this.#known.get(hostname);
    if (known === undefined) return;
    metrics.hostLookups.inc({ outcome: answer.kind });
    const before = known.addresses;
    known.failures = answer.kind === 'failed' ? known.failures + 1 : 0;
    if (answer.kind === 'failed') known.addresses ??= [];
    else known.addresses = answer.kind === 'found' ? [...new Set(answer.addresses)].sort().slice(0, MAX_ADDRESSES) : [];
    known.cancel = this.#schedule(() => this.#expire(hostname), delayOf(answer, known.failures));
    if (before === undefined || before.join() !== known.addresses.join()) this.#user?.changed(hostname);
  }

  #expire(hostname: string): void {
    if (this.#user?.isUsed(hostname) === true) this.#ask(hostname);
    else this.#known.delete(hostname);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const { cancel } of this.#known.values()) cancel();
  }
}

function delayOf(answer: HostAnswer, failures: number): number {
  switch (answer.kind) {
    case 'found':
      return Math.min(MOST_TTL_MS, Math.max(LEAST_TTL_MS, answer.ttlMs));
    case 'none':
      return NONE_TTL_MS;
    case 'failed':
      return retryDelay(failures, RETRY);
    default:
      return answer satisfies never;
  }
}
