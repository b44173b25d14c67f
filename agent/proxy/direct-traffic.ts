import { setImmediate as turn } from 'node:timers/promises';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { type DirectCounts, NO_DIRECT_COUNTS } from '@landbridge/ebpf/direct-layout.ts';
import { type DirectRoute, type DirectRoutes, LEASE_MS } from '../capture/direct-routes.ts';
import { metrics } from '../metrics.ts';
import type { DirectPlan } from './direct-plan.ts';
import type { ResponseFlag, SeriesDelta } from './thread-messages.ts';
import { KERNEL, type TrafficMetrics } from './traffic-metrics.ts';

/** Destinations of all pods of the node, and endpoints of those of one pod; connections to further ones go by the agent. */
export const MAX_DESTINATIONS = 16_384;
export const MAX_POD_BACKENDS = 4096;
/** A destination without a connection leaves the kernel: its changes need not be followed any more. */
export const UNUSED_MS = 60_000;
/** How long a destination goes by the agent once a backend could not be reached: the agent tries others and leaves out what fails. */
export const TAKEN_BACK_MS = 60_000;
/** Until a connection that was under way when its destination was withdrawn has opened or failed. */
const SETTLED_MS = 10_000;

const RENEW_MS = LEASE_MS / 3;
/** Counters are read as often as takes no more than this share of the main thread's time, but not more often than that. */
const READING_SHARE = 0.01;
const MIN_READING_MS = 1000;
/** Of reading at a stretch: the main thread decides where connections go. */
const SLICE_MS = 5;

/** The pod that connects. */
export interface DirectClient {
  readonly uid: string;
  readonly netnsCookie: bigint;
  readonly labels: WorkloadLabels;
}

/** What becomes of a plan, by the key under which its owner has it. */
interface Offer {
  readonly key: string;
  readonly client: DirectClient;
  readonly destination: SocketAddress;
  readonly plan: DirectPlan;
}

/** An offer that is, or was, in the kernel. */
interface Entry extends Offer {
  readonly route: DirectRoute;
  /** By backend. */
  readonly series: readonly { readonly id: number; isTold: boolean; counted: DirectCounts }[];
  usedMs: number;
}

/** The part of {@link DirectRoutes} that tables in tests have too. */
export type DirectTable = Pick<DirectRoutes, 'add' | 'retire' | 'withdraw' | 'counts' | 'forget' | 'renew' | 'clear'>;

/**
 * Lets the kernel carry the traffic that needs no agent: for as long as its plan holds, it is used and its backends are
 * reached. What the kernel counts is added to the agent's metrics.
 */
export class DirectTraffic {
  readonly #table: DirectTable;
  readonly #metrics: Pick<TrafficMetrics, 'count'>;
  readonly #now: () => number;
  readonly #live = new Map<string, Entry>();
  /** Withdrawn, with connections that may still be open: until when they may come to be. */
  readonly #ended = new Map<Entry, { readonly settledMs: number; readonly isOrphan: boolean }>();
  /** Offers that are not made again before a time; connections that had been begun by them go on. */
  readonly #takenBack = new Map<string, { readonly entry: Entry; readonly untilMs: number }>();
  /** Backends of live and ended entries, by pod. */
  readonly #perPod = new Map<string, number>();
  #hasEnded = false;
  #nextSeries = 0;
  readonly #freeSeries: number[] = [];
  /** The kernel goes by the plan of the key no more, although it holds. */
  onUnused: (key: string) => void = () => {};

  constructor(table: DirectTable, metrics: Pick<TrafficMetrics, 'count'>, now: () => number = () => performance.now()) {
    this.#table = table;
    this.#metrics = metrics;
    this.#now = now;
  }

  /** Whether the kernel goes by the plan of the key. */
  has(key: string): boolean {
    return this.#live.has(key);
  }

  get size(): number {
    return this.#live.size;
  }

  /** The pod and the destination of a plan that the kernel goes by. */
  offered(key: string): { readonly uid: string; readonly destination: SocketAddress } | undefined {
    const entry = this.#live.get(key);
    return entry === undefined ? undefined : { uid: entry.client.uid, destination: entry.destination };
  }

  /** A plan holds from now on, at once in the place of the one before: what both allow goes on. @throws SystemCallError */
  offer(key: string, client: DirectClient, destination: SocketAddress, plan: DirectPlan): void {
    const before = this.#live.get(key);
    if (this.#add({ key, client, destination, plan })) {
      this.#takenBack.delete(key);
      if (before !== undefined) this.#retain(before, false);
    } else {
      this.withdraw([key]);
    }
  }

  /** In the place of a route to the same destination; false where there is no room, or no more is offered. */
  #add(offer: Offer): boolean {
    const { key, client, destination, plan } = offer;
    const ofPod = (this.#perPod.get(client.uid) ?? 0) + plan.backends.length;
    if (this.#hasEnded || (!this.#live.has(key) && this.#live.size >= MAX_DESTINATIONS) || ofPod > MAX_POD_BACKENDS) return false;
    const route = this.#table.add(client.netnsCookie, destination, plan.backends);
    if (route === undefined) return false;
    const series = plan.backends.map(() => ({ id: this.#freeSeries.pop() ?? this.#nextSeries++, isTold: false, counted: NO_DIRECT_COUNTS }));
    this.#live.set(key, { ...offer, route, series, usedMs: this.#now() });
    this.#perPod.set(client.uid, ofPod);
    return true;
  }

  /** Plans that hold no more: from the return on no connection begins by them. @throws SystemCallError */
  withdraw(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#dropTakenBack(key);
      const entry = this.#live.get(key);
      if (entry !== undefined) this.#end(entry, false);
    }
  }

  /** A pod is not captured any more. @throws SystemCallError */
  withdrawPod(uid: string): void {
    for (const [key, { entry }] of this.#takenBack) if (entry.client.uid === uid) this.#dropTakenBack(key);
    for (const entry of [...this.#live.values()]) if (entry.client.uid === uid) {
      this.#end(entry, true);
      this.onUnused(entry.key);
    }
  }

  /** `isOrphan`: nobody may be told of the ends of its connections any more. */
  #end(entry: Entry, isOrphan: boolean): void {
    this.#table.withdraw(entry.route);
    this.#live.delete(entry.key);
    this.#retain(entry, isOrphan);
  }

  /** For the connections that have been begun. */
  #retain(entry: Entry, isOrphan: boolean): void {
    this.#ended.set(entry, { settledMs: this.#now() + SETTLED_MS, isOrphan });
  }

  #dropTakenBack(key: string): void {
    const taken = this.#takenBack.get(key);
    if (taken === undefined) return;
    this.#table.withdraw(taken.entry.route);
    this.#takenBack.delete(key);
  }

  /** Follows changes until `signal` aborts, which ends all routes, and counts what is left of their connections until `ended` does. @throws SystemCallError */
  async run(signal: AbortSignal, ended: AbortSignal): Promise<void> {
    await Promise.all([this.#keepLease(signal), this.#keepReading(ended)]);
    this.#table.clear();
  }

  async #keepLease(signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await waitFor(RENEW_MS, signal)) this.#table.renew();
    this.#hasEnded = true;
    for (const key of [...this.#takenBack.keys()]) this.#dropTakenBack(key);
    for (const entry of [...this.#live.values()]) this.#end(entry, true);
  }

  async #keepReading(signal: AbortSignal): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = signal.aborted;
      const tookMs = await this.read();
      await waitFor(Math.max(MIN_READING_MS, tookMs / READING_SHARE), signal);
    }
  }

  /** Counts what happened since the last time, and ends what is over. Returns the milliseconds of work. @throws SystemCallError */
  async read(): Promise<number> {
    let workedMs = 0;
    let sliceMs = performance.now();
    for (const entry of [...this.#live.values(), ...this.#ended.keys()]) {
      this.#readOne(entry);
      const sinceMs = performance.now() - sliceMs;
      if (sinceMs < SLICE_MS) continue;
      workedMs += sinceMs;
      await turn();
      sliceMs = performance.now();
    }
    this.#offerAgain();
    metrics.directDestinations.set(this.#live.size);
    return workedMs + performance.now() - sliceMs;
  }

  #readOne(entry: Entry): void {
    const ended = this.#ended.get(entry);
    const isLive = this.#live.get(entry.key) === entry;
    // Since the reading began.
    if (!isLive && ended === undefined) return;
    const nowMs = this.#now();
    let [failed, open] = [0, 0];
    const deltas: SeriesDelta[] = [];
    for (const [index, series] of entry.series.entries()) {
      const counts = this.#table.counts(entry.route, index);
      const before = series.counted;
      if (counts === undefined) return this.#lose(entry, nowMs);
      open += counts.opened - counts.completed - counts.broken;
      if (isSame(counts, before)) continue;
      failed += counts.failed - before.failed;
      series.counted = counts;
      deltas.push(this.#deltaOf(entry, index, counts, before));
    }
    if (deltas.length > 0) {
      this.#metrics.count(KERNEL, deltas, nowMs);
      entry.usedMs = nowMs;
    }
    if (ended !== undefined) {
      // Processors are not read at one moment: sums that have come to rest are right.
      const isOver = ended.isOrphan || (open === 0 && deltas.length === 0);
      if (isOver && nowMs >= ended.settledMs) this.#forget(entry, nowMs);
    } else if (failed > 0 && entry.series.length > 1) {
      this.#table.retire(entry.route);
      this.#live.delete(entry.key);
      this.#retain(entry, false);
      this.#takenBack.set(entry.key, { entry, untilMs: nowMs + TAKEN_BACK_MS });
    } else if (nowMs - entry.usedMs >= UNUSED_MS) {
      this.#end(entry, false);
      this.onUnused(entry.key);
    }
  }

  /** Another agent has the table. */
  #lose(entry: Entry, nowMs: number): void {
    if (this.#live.delete(entry.key)) this.onUnused(entry.key);
    this.#forget(entry, nowMs);
  }

  #deltaOf({ client, plan, series }: Entry, index: number, counts: DirectCounts, before: DirectCounts): SeriesDelta {
    const since = (of: keyof DirectCounts): number => counts[of] - before[of];
    const [one, backend] = [series[index], plan.backends[index]] as [Entry['series'][number], DirectPlan['backends'][number]];
    const labels = one.isTold ? undefined : ({ direction: 'outbound', carriage: 'plain', source: client.labels, destination: backend.labels, service: plan.service } as const);
    one.isTold = true;
    const failed = since('broken') + since('failed');
    const closed = ([['-', since('completed')], ['CONNECT', failed]] as const).filter(([, count]) => count > 0) satisfies readonly (readonly [ResponseFlag, number])[];
    // As the agent counts its own: one that could not be made was opened and closed.
    return { series: one.id, labels, opened: since('opened') + since('failed'), closed, failed, sentBytes: since('sentBytes'), receivedBytes: since('receivedBytes') };
  }

  #forget(entry: Entry, nowMs: number): void {
    this.#ended.delete(entry);
    this.#table.forget(entry.route);
    const { uid } = entry.client;
    const left = (this.#perPod.get(uid) ?? 0) - entry.series.length;
    if (left > 0) this.#perPod.set(uid, left);
    else this.#perPod.delete(uid);
    const lost = entry.series.flatMap(({ id, counted: { opened, completed, broken } }): SeriesDelta[] => {
      const open = opened - completed - broken;
      return open <= 0 ? [] : [{ series: id, labels: undefined, opened: 0, closed: [['CONNECT', open]], failed: open, sentBytes: 0, receivedBytes: 0 }];
    });
    if (lost.length > 0) this.#metrics.count(KERNEL, lost, nowMs);
    this.#freeSeries.push(...entry.series.map(({ id }) => id));
  }

  #offerAgain(): void {
    for (const [key, { entry, untilMs }] of this.#takenBack) {
      if (this.#now() < untilMs) continue;
      this.#takenBack.delete(key);
      this.#add(entry);
    }
  }
}

const isSame = (a: DirectCounts, b: DirectCounts): boolean => a.opened === b.opened && a.completed === b.completed && a.broken === b.broken && a.failed === b.failed && a.sentBytes === b.sentBytes && a.receivedBytes === b.receivedBytes;
