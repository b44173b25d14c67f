import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { metrics, trafficSeries } from '../metrics.ts';
import { isFailureReason } from './failure-reasons.ts';
import type { ResponseFlag, SeriesDelta, ThreadGauges, TrafficLabels, TrafficReport } from './thread-messages.ts';
import type { Series, TrafficSeries } from './traffic-series.ts';

/** A thread keeps fewer label sets apart; beyond this number their labels are not remembered. */
export const MAX_THREAD_SERIES = 65_536;
const SWEEP_MS = 60_000;
/** In the place of a data thread: connections that no thread carries. */
export const KERNEL = -1;

const NOBODY: WorkloadLabels = { workload: '', namespace: '', canonicalName: '', canonicalRevision: '', cluster: '', region: '', zone: '', principal: '' };
const UNTOLD: TrafficLabels = { direction: 'outbound', carriage: 'plain', source: NOBODY, destination: NOBODY, service: undefined };

/** What a number of a thread's series stands for. */
interface Binding {
  readonly labels: TrafficLabels;
  series: Series;
  /** Of the table, when `series` was looked up. */
  generation: number;
  /** Connections of this thread under way. */
  open: number;
}

interface Thread {
  readonly bindings: Map<number, Binding>;
  gauges: ThreadGauges | undefined;
}

/** Adds up what the data threads report. Label sets are made once for each series of a thread, not for a connection or a report. */
export class TrafficMetrics {
  readonly #table: TrafficSeries;
  readonly #threads = new Map<number, Thread>();
  #nextSweepMs = 0;

  constructor(table: TrafficSeries = trafficSeries) {
    this.#table = table;
  }

  apply(threadId: number, report: TrafficReport, nowMs: number): void {
    this.count(threadId, report.series, nowMs);
    for (const [direction, reason, count] of report.failures) metrics.tunnelFailures.inc({ direction, reason: isFailureReason(reason) ? reason : 'other' }, count);
    this.#threadOf(threadId).gauges = report.gauges;
    metrics.handshakes.inc(report.gauges.handshakesDone);
    metrics.threadBusy.set({ thread: threadId }, report.gauges.busy);
    metrics.threadSockets.set({ thread: threadId }, report.gauges.sockets);
    this.#sumGauges();
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + SWEEP_MS;
    this.#table.sweep(nowMs);
  }

  /** What happened to connections of a thread, or of the {@link KERNEL}. */
  count(threadId: number, deltas: readonly SeriesDelta[], nowMs: number): void {
    const thread = this.#threadOf(threadId);
    const carried = new Map<string, [TrafficLabels, number]>();
    for (const delta of deltas) {
      const binding = this.#bindingOf(thread, delta, nowMs);
      addTo(binding, delta, nowMs);
      if (delta.opened === 0) continue;
      const { direction, carriage } = binding.labels;
      const key = `${direction} ${carriage}`;
      const found = carried.get(key);
      if (found === undefined) carried.set(key, [binding.labels, delta.opened]);
      else found[1] += delta.opened;
    }
    for (const [{ direction, carriage }, opened] of carried.values()) metrics.connections.inc({ direction, carriage }, opened);
  }

  #threadOf(threadId: number): Thread {
    let thread = this.#threads.get(threadId);
    if (thread === undefined) this.#threads.set(threadId, (thread = { bindings: new Map(), gauges: undefined }));
    return thread;
  }

  /** The labels that a thread told for its series; empty ones where it told none. */
  labelsOf(threadId: number, series: number): TrafficLabels {
    return this.#threads.get(threadId)?.bindings.get(series)?.labels ?? UNTOLD;
  }

  /** A thread is gone, and its connections with it. */
  forget(threadId: number, nowMs: number): void {
    const thread = this.#threads.get(threadId);
    if (thread === undefined) return;
    this.#threads.delete(threadId);
    for (const binding of thread.bindings.values()) {
      if (binding.open > 0) addTo(binding, { opened: 0, closed: [['CONNECT', binding.open]], sentBytes: 0, receivedBytes: 0 }, nowMs);
    }
    metrics.threadBusy.remove({ thread: threadId });
    metrics.threadSockets.remove({ thread: threadId });
    this.#sumGauges();
  }

  #bindingOf({ bindings }: Thread, { series, labels }: SeriesDelta, nowMs: number): Binding {
    const known = bindings.get(series);
    if (known !== undefined && labels === undefined) {
      const { generation } = this.#table;
      // What was removed, or had to be counted as `other`, is looked up anew, but not between a connection's begin and end.
      if (known.open > 0 || known.generation === generation) return known;
      if (known.series.isRemoved || known.series.isOther) known.series = this.#table.of(known.labels, nowMs);
      known.generation = generation;
      return known;
    }
    // The thread has given the number to other labels.
    if (known !== undefined) known.series.open -= known.open;
    const binding = this.#bind(labels ?? UNTOLD, nowMs);
    if (bindings.size < MAX_THREAD_SERIES || known !== undefined) bindings.set(series, binding);
    return binding;
  }

  #bind(labels: TrafficLabels, nowMs: number): Binding {
    return { labels, series: this.#table.of(labels, nowMs), generation: this.#table.generation, open: 0 };
  }

  #sumGauges(): void {
    let [open, client, server, handshakes] = [0, 0, 0, 0];
    for (const { gauges } of this.#threads.values()) {
      if (gauges === undefined) continue;
      open += gauges.openConnections;
      client += gauges.clientSessions;
      server += gauges.serverSessions;
      handshakes += gauges.handshakes;
    }
    metrics.openConnections.set(open);
    metrics.tunnelSessions.set({ role: 'client' }, client);
    metrics.tunnelSessions.set({ role: 'server' }, server);
    metrics.handshakesOpen.set(handshakes);
  }
}

function addTo(binding: Binding, { opened, closed, sentBytes, receivedBytes }: Omit<SeriesDelta, 'series' | 'labels' | 'failed'>, nowMs: number): void {
  const { series } = binding;
  series.usedMs = nowMs;
  series.opened += opened;
  series.requestBytes += sentBytes;
  series.responseBytes += receivedBytes;
  let ended = 0;
  for (const [flag, count] of closed) {
    ended += count;
    add(series.closed, flag, count);
    // As ztunnel: an application that resets its connection has not failed.
    if (flag !== '-') add(series.failed, flag, count);
  }
  const open = Math.max(0, binding.open + opened - ended);
  series.open += open - binding.open;
  binding.open = open;
}

function add(counts: Map<ResponseFlag, number>, flag: ResponseFlag, count: number): void {
  if (count > 0) counts.set(flag, (counts.get(flag) ?? 0) + count);
}
