import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { labelText, type Sample, type SharedLabels } from './series-counter.ts';
import type { ResponseFlag, TrafficLabels } from './thread-messages.ts';

/** Labels of a side, by the suffix that they have in Istio's metrics. */
const SIDE = ['workload', 'canonical_service', 'canonical_revision', 'workload_namespace', 'principal', 'app', 'version', 'cluster', 'region', 'zone'] as const;
const SERVICE = ['destination_service', 'destination_service_namespace', 'destination_service_name'] as const;
const BOUNDED = ['reporter', 'request_protocol', 'connection_security_policy'] as const;
/** What a flood of workloads could make many of. */
const NAMED = [...SIDE.map((name) => `source_${name}` as const), ...SERVICE, ...SIDE.map((name) => `destination_${name}` as const)] as const;
export const TRAFFIC_LABELS = [...BOUNDED, ...NAMED, 'response_flags'] as const;
export type TrafficLabel = (typeof TRAFFIC_LABELS)[number];

/** Label sets with values of their own; connections with further ones count under `other`. */
export const MAX_SERIES = 4000;
/** Of these, those that the peers of one foreign trust domain may cause: a member can not hide the others' traffic. */
export const MAX_FOREIGN_SERIES = 1000;
/** A label set is forgotten when no connection of it was open for so long: its workloads are gone, or might as well be. */
export const SERIES_IDLE_MS = 6 * 3600_000;
/** The same, where there is no room for another one. */
export const FULL_SERIES_IDLE_MS = 600_000;
/** Longer values are cut. A SPIFFE ID of a Kubernetes workload is at most as long. */
export const MAX_LABEL_CHARACTERS = 600;

const UNKNOWN = 'unknown';
const OTHER = 'other';
/** How often room is sought while there is none: looking at all series for each connection would cost too much. */
const FULL_SWEEP_MS = 10_000;

/** Connections that are counted together, in the words of Istio's metrics. */
export interface Series {
  readonly shared: SharedLabels<TrafficLabel>;
  /** The foreign trust domain that it counts for; undefined for one's own. */
  readonly origin: string | undefined;
  readonly isOther: boolean;
  isRemoved: boolean;
  usedMs: number;
  /** Connections under way. */
  open: number;
  opened: number;
  /** From client to server. */
  requestBytes: number;
  responseBytes: number;
  readonly closed: Map<ResponseFlag, number>;
  readonly failed: Map<ResponseFlag, number>;
}

/** All series of the agent: a bounded table. */
export class TrafficSeries {
  readonly #series = new Map<string, Series>();
  readonly #others = new Map<string, Series>();
  readonly #perOrigin = new Map<string, number>();
  #nextFullSweepMs = 0;
  /** Rises when series were removed: what was counted under `other` may find room. */
  generation = 0;
  /** Label sets that found no room. */
  folded = 0;

  get size(): number {
    return this.#series.size;
  }

  of(traffic: TrafficLabels, nowMs: number): Series {
    const values = valuesOf(traffic);
    const key = values.join('\n');
    const found = this.#series.get(key);
    if (found !== undefined) return found;
    const origin = foreignOrigin(traffic);
    if (!this.#hasRoom(origin, nowMs)) {
      this.folded++;
      return this.#other(values, nowMs);
    }
    const series = createSeries(values, origin, false, nowMs);
    this.#series.set(key, series);
    if (origin !== undefined) this.#perOrigin.set(origin, (this.#perOrigin.get(origin) ?? 0) + 1);
    return series;
  }

  #hasRoom(origin: string | undefined, nowMs: number): boolean {
    const isFree = (): boolean => this.#series.size < MAX_SERIES && (origin === undefined || (this.#perOrigin.get(origin) ?? 0) < MAX_FOREIGN_SERIES);
    if (isFree()) return true;
    if (nowMs < this.#nextFullSweepMs) return false;
    this.#nextFullSweepMs = nowMs + FULL_SWEEP_MS;
    this.sweep(nowMs, FULL_SERIES_IDLE_MS);
    return isFree();
  }

  /** One for each combination of the labels whose values are few. */
  #other(values: readonly string[], nowMs: number): Series {
    const bounded = values.slice(0, BOUNDED.length);
    const key = bounded.join('\n');
    let series = this.#others.get(key);
    if (series === undefined) this.#others.set(key, (series = createSeries([...bounded, ...NAMED.map(() => OTHER)], undefined, true, nowMs)));
    return series;
  }

  /** Removes what nobody has used for so long. */
  sweep(nowMs: number, idleMs: number = SERIES_IDLE_MS): void {
    for (const [key, series] of this.#series) {
      if (series.open > 0 || nowMs - series.usedMs < idleMs) continue;
      this.#series.delete(key);
      series.isRemoved = true;
      this.generation++;
      if (series.origin === undefined) continue;
      const left = (this.#perOrigin.get(series.origin) ?? 0) - 1;
      if (left > 0) this.#perOrigin.set(series.origin, left);
      else this.#perOrigin.delete(series.origin);
    }
  }

  *#all(): Iterable<Series> {
    yield* this.#series.values();
    yield* this.#others.values();
  }

  *sums(value: 'opened' | 'requestBytes' | 'responseBytes'): Iterable<Sample<TrafficLabel>> {
    for (const series of this.#all()) yield { shared: series.shared, label: 'response_flags', labelValue: '-', value: series[value] };
  }

  *byFlag(value: 'closed' | 'failed'): Iterable<Sample<TrafficLabel>> {
    for (const series of this.#all()) for (const [flag, count] of series[value]) yield { shared: series.shared, label: 'response_flags', labelValue: flag, value: count };
  }
}

function createSeries(values: readonly string[], origin: string | undefined, isOther: boolean, nowMs: number): Series {
  const labels = Object.fromEntries([...BOUNDED, ...NAMED].map((name, i) => [name, values[i] ?? UNKNOWN]));
  // A counter that begins with its first event would hide that event from rates.
  return { shared: { labels, text: labelText(labels) }, origin, isOther, isRemoved: false, usedMs: nowMs, open: 0, opened: 0, requestBytes: 0, responseBytes: 0, closed: new Map([['-', 0]]), failed: new Map() };
}

/** In the order of BOUNDED and NAMED. */
function valuesOf({ direction, carriage, source, destination, service }: TrafficLabels): string[] {
  // `local` is no TLS: nothing was proven on the wire.
  const isMutualTls = carriage === 'hbone' || carriage === 'double-hbone';
  return [
    direction === 'outbound' ? 'source' : 'destination',
    'tcp',
    isMutualTls ? 'mutual_tls' : UNKNOWN,
    // As ztunnel: who the client is, is told only where a certificate proved it.
    ...sideOf(source, isMutualTls ? source.principal : ''),
    text(service?.hostname),
    text(service?.namespace),
    text(service?.name),
    ...sideOf(destination, destination.principal),
  ];
}

function sideOf({ workload, canonicalName, canonicalRevision, namespace, cluster, region, zone }: WorkloadLabels, principal: string): string[] {
  const [name, revision] = [text(canonicalName), text(canonicalRevision)];
  return [text(workload), name, revision, text(namespace), text(principal), name, revision, text(cluster), text(region), text(zone)];
}

function text(value: string | undefined): string {
  if (value === undefined || value === '') return UNKNOWN;
  return value.length > MAX_LABEL_CHARACTERS ? value.slice(0, MAX_LABEL_CHARACTERS) : value;
}

/** The far side's trust domain, where it is not the near side's: what it says of itself is foreign. */
function foreignOrigin({ direction, source, destination }: TrafficLabels): string | undefined {
  const [near, far] = direction === 'outbound' ? [source, destination] : [destination, source];
  const domain = trustDomainOf(far.principal);
  return domain === trustDomainOf(near.principal) ? undefined : domain;
}

function trustDomainOf(principal: string): string | undefined {
  return principal === '' ? undefined : principal.slice('spiffe://'.length).split('/', 1)[0];
}
