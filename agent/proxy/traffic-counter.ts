import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { ConnectionEnd, ConnectionTuning, ConnectionView, Direction, ResponseFlag, SeriesDelta, TrafficLabels } from './thread-messages.ts';

/** Connections with the same labels, counted since the last report. */
export interface Series {
  readonly id: number;
  readonly labels: TrafficLabels;
  isTold: boolean;
  isDirty: boolean;
  opened: number;
  failed: number;
  sentBytes: number;
  receivedBytes: number;
  readonly closed: Map<ResponseFlag, number>;
}

/** A connection under way. */
export interface Metered {
  readonly series: Series;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Of the bytes, those that a report has told. */
  reportedSent: number;
  reportedReceived: number;
  readonly startedAtMs: number;
  view(nowMs: number): ConnectionView;
}

/** Ends that wait for a report; more are counted only. */
const MAX_ENDS = 20_000;
/** Label sets that a thread keeps apart; connections with further ones count for the last that fits nowhere. */
const MAX_SERIES = 20_000;

const NOBODY: WorkloadLabels = { workload: '', namespace: '', canonicalName: '', canonicalRevision: '', cluster: '', region: '', zone: '', principal: '' };
export const UNKNOWN_WORKLOAD = NOBODY;

/** Counts what a data thread carries, between two reports. Nothing is done for a byte, and little for a connection. */
export class TrafficCounter {
  readonly #series = new Map<string, Series>();
  readonly #dirty: Series[] = [];
  readonly #live = new Set<Metered>();
  #ends: ConnectionEnd[] = [];
  #endsDropped = 0;
  readonly #failures = new Map<string, [Direction, string, number]>();
  #nextId = 0;
  mode: ConnectionTuning['accessLog'];

  constructor(mode: ConnectionTuning['accessLog']) {
    this.mode = mode;
  }

  get open(): number {
    return this.#live.size;
  }

  /** The series of these labels; callers keep it with what the labels are of. */
  seriesOf(labels: TrafficLabels): Series {
    const { direction, carriage, source, destination, service } = this.#series.size < MAX_SERIES ? labels : { ...labels, source: NOBODY, destination: NOBODY, service: undefined };
    const key = [direction, carriage, ...Object.values(source), ...Object.values(destination), service?.namespace ?? '', service?.hostname ?? ''].join('\n');
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { id: this.#nextId++, labels: { direction, carriage, source, destination, service }, isTold: false, isDirty: false, opened: 0, failed: 0, sentBytes: 0, receivedBytes: 0, closed: new Map() };
      this.#series.set(key, series);
    }
    return series;
  }

  opened(connection: Metered): void {
    this.#live.add(connection);
    connection.series.opened++;
    this.#touch(connection.series);
  }

  closed(connection: Metered, end: Omit<ConnectionEnd, 'series' | 'sentBytes' | 'receivedBytes' | 'durationMs'>, nowMs: number): void {
    if (!this.#live.delete(connection)) return;
    const { series } = connection;
    this.#settle(connection);
    series.closed.set(end.flag, (series.closed.get(end.flag) ?? 0) + 1);
    if (end.error !== undefined) series.failed++;
    this.#touch(series);
    this.#keepEnd(end, series, connection, nowMs);
  }

  #keepEnd(end: Omit<ConnectionEnd, 'series' | 'sentBytes' | 'receivedBytes' | 'durationMs'>, series: Series, { sentBytes, receivedBytes, startedAtMs }: Metered, nowMs: number): void {
    if (this.mode === 'off' || (this.mode === 'errors' && end.error === undefined)) return;
    if (this.#ends.length >= MAX_ENDS) this.#endsDropped++;
    else this.#ends.push({ ...end, series: series.id, sentBytes, receivedBytes, durationMs: nowMs - startedAtMs });
  }

  /** A tunnel failed, or was refused. */
  failed(direction: Direction, reason: string): void {
    const key = `${direction} ${reason}`;
    const found = this.#failures.get(key);
    if (found === undefined) this.#failures.set(key, [direction, reason, 1]);
    else found[2]++;
  }

  #touch(series: Series): void {
    if (series.isDirty) return;
    series.isDirty = true;
    this.#dirty.push(series);
  }

  #settle(connection: Metered): void {
    const [sent, received] = [connection.sentBytes - connection.reportedSent, connection.receivedBytes - connection.reportedReceived];
    if (sent === 0 && received === 0) return;
    connection.reportedSent += sent;
    connection.reportedReceived += received;
    connection.series.sentBytes += sent;
    connection.series.receivedBytes += received;
    this.#touch(connection.series);
  }

  /** What happened since the last call. */
  takeReport(): { readonly series: readonly SeriesDelta[]; readonly ends: readonly ConnectionEnd[]; readonly endsDropped: number; readonly failures: readonly (readonly [Direction, string, number])[] } {
    for (const connection of this.#live) this.#settle(connection);
    const series = this.#dirty.map((each) => takeDelta(each));
    this.#dirty.length = 0;
    const [ends, endsDropped, failures] = [this.#ends, this.#endsDropped, [...this.#failures.values()]];
    this.#ends = [];
    this.#endsDropped = 0;
    this.#failures.clear();
    return { series, ends, endsDropped, failures };
  }

  views(nowMs: number, most: number): ConnectionView[] {
    const views: ConnectionView[] = [];
    for (const connection of this.#live) {
      if (views.length >= most) break;
      views.push(connection.view(nowMs));
    }
    return views;
  }
}

function takeDelta(series: Series): SeriesDelta {
  const { id, labels, isTold, opened, failed, sentBytes, receivedBytes } = series;
  const delta: SeriesDelta = { series: id, labels: isTold ? undefined : labels, opened, failed, sentBytes, receivedBytes, closed: [...series.closed] };
  series.isTold = true;
  series.isDirty = false;
  series.opened = series.failed = series.sentBytes = series.receivedBytes = 0;
  series.closed.clear();
  return delta;
}
