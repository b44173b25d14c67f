import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { ConnectionEnd, ConnectionTuning, ConnectionView, Direction, ResponseFlag, SeriesDelta, TrafficLabels } from './thread-messages.ts';

/** Connections with the same labels, counted since the last report. */
export interface Series {
  /** Of this thread, for as long as it is not forgotten. */
  id: number;
  readonly key: string;
  readonly labels: TrafficLabels;
  /** Connections under way. */
  live: number;
  /** Its number may belong to other labels by now: it gets another one when it is used again. */
  isForgotten: boolean;
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

/** How a connection ended. */
export type Outcome = Pick<ConnectionEnd, 'flag' | 'error'>;

/** What the access log says of it besides. */
export type EndDetails = Omit<ConnectionEnd, keyof Outcome | 'series' | 'sentBytes' | 'receivedBytes' | 'durationMs'>;

/** Ends that wait for a report; more are counted only. */
const MAX_ENDS = 20_000;
/**
 * Label sets that a thread keeps apart. Peers say some of the labels: where there is no room, one that no connection has
 * is forgotten, and where each has some, connections count without those of workloads.
 */
export const MAX_SERIES = 4096;
/** Series that are looked at for one that can be forgotten. */
const LOOKED_AT = 64;

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
  /** By cluster: at most as many as there are members. */
  readonly #dials = new Map<string, [string, number, number]>();
  #nextId = 0;
  readonly #freeIds: number[] = [];
  readonly #maxSeries: number;
  mode: ConnectionTuning['accessLog'];

  constructor(mode: ConnectionTuning['accessLog'], maxSeries = MAX_SERIES) {
    this.mode = mode;
    this.#maxSeries = maxSeries;
  }

  get open(): number {
    return this.#live.size;
  }

  /** The series of these labels; callers keep it with what the labels are of. */
  seriesOf(labels: TrafficLabels): Series {
    const key = keyOf(labels);
    const found = this.#series.get(key);
    if (found !== undefined) return found;
    if (this.#series.size < this.#maxSeries || this.#forgetOne()) return this.#create(key, labels);
    const few: TrafficLabels = { ...labels, source: NOBODY, destination: NOBODY, service: undefined };
    const fewKey = keyOf(few);
    return this.#series.get(fewKey) ?? this.#create(fewKey, few);
  }

  #create(key: string, { direction, carriage, source, destination, service }: TrafficLabels): Series {
    const series: Series = { id: this.#takeId(), key, labels: { direction, carriage, source, destination, service }, live: 0, isForgotten: false, isTold: false, isDirty: false, opened: 0, failed: 0, sentBytes: 0, receivedBytes: 0, closed: new Map() };
    this.#series.set(key, series);
    return series;
  }

  #takeId(): number {
    return this.#freeIds.pop() ?? this.#nextId++;
  }

  /** Makes room for one more; those that can not go are looked at later than others the next time. */
  #forgetOne(): boolean {
    let left = LOOKED_AT;
    for (const [key, series] of this.#series) {
      if (left-- === 0) return false;
      this.#series.delete(key);
      if (series.live === 0 && !series.isDirty) {
        this.#forget(series);
        return true;
      }
      this.#series.set(key, series);
    }
    return false;
  }

  #forget(series: Series): void {
    series.isForgotten = true;
    this.#freeIds.push(series.id);
  }

  opened(connection: Metered): void {
    this.#enter(connection);
    const { series } = connection;
    series.opened++;
    this.#touch(series);
  }

  /** Another process has counted that it was opened; that it ends is counted here. Of its bytes those that follow. */
  arrived(connection: Metered): void {
    connection.reportedSent = connection.sentBytes;
    connection.reportedReceived = connection.receivedBytes;
    this.#enter(connection);
  }

  #enter(connection: Metered): void {
    this.#live.add(connection);
    const { series } = connection;
    if (series.isForgotten) {
      series.isForgotten = series.isTold = false;
      series.id = this.#takeId();
      // In the place of one with the same labels, if there is one by now.
      this.#series.set(series.key, series);
    }
    series.live++;
  }

  /** Another process counts it from now on. */
  handedOver(connection: Metered): void {
    if (!this.#live.delete(connection)) return;
    this.#settle(connection);
    connection.series.live--;
  }

  /** `details` are asked for only where the access log has the connection: to write addresses costs more than to count. */
  closed(connection: Metered, outcome: Outcome, nowMs: number, details: () => EndDetails): void {
    if (!this.#live.delete(connection)) return;
    const { series } = connection;
    this.#settle(connection);
    series.live--;
    series.closed.set(outcome.flag, (series.closed.get(outcome.flag) ?? 0) + 1);
    if (outcome.error !== undefined) series.failed++;
    this.#touch(series);
    if (this.mode === 'off' || (this.mode === 'errors' && outcome.error === undefined)) return;
    if (this.#ends.length >= MAX_ENDS) this.#endsDropped++;
    else this.#ends.push({ ...details(), ...outcome, series: series.id, sentBytes: connection.sentBytes, receivedBytes: connection.receivedBytes, durationMs: nowMs - connection.startedAtMs });
  }

  /** A tunnel failed, or was refused. */
  failed(direction: Direction, reason: string): void {
    const key = `${direction} ${reason}`;
    const found = this.#failures.get(key);
    if (found === undefined) this.#failures.set(key, [direction, reason, 1]);
    else found[2]++;
  }

  /** Something in a cluster, or on the way there, took a connection or did not. */
  dialed(cluster: string, isOpen: boolean): void {
    let found = this.#dials.get(cluster);
    if (found === undefined) this.#dials.set(cluster, (found = [cluster, 0, 0]));
    found[isOpen ? 1 : 2]++;
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
  takeReport(): { readonly series: readonly SeriesDelta[]; readonly ends: readonly ConnectionEnd[]; readonly endsDropped: number; readonly failures: readonly (readonly [Direction, string, number])[]; readonly dials: readonly (readonly [string, number, number])[] } {
    for (const connection of this.#live) this.#settle(connection);
    const series = this.#dirty.map((each) => takeDelta(each));
    // Another one has its place.
    for (const each of this.#dirty) if (each.live === 0 && !each.isForgotten && this.#series.get(each.key) !== each) this.#forget(each);
    this.#dirty.length = 0;
    const [ends, endsDropped, failures, dials] = [this.#ends, this.#endsDropped, [...this.#failures.values()], [...this.#dials.values()]];
    this.#ends = [];
    this.#endsDropped = 0;
    this.#failures.clear();
    this.#dials.clear();
    return { series, ends, endsDropped, failures, dials };
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

function keyOf({ direction, carriage, source, destination, service }: TrafficLabels): string {
  return [direction, carriage, ...Object.values(source), ...Object.values(destination), service?.namespace ?? '', service?.hostname ?? ''].join('\n');
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
