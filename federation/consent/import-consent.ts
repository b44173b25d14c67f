import type { KubernetesObject, V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';
import type { ObjectSources, TakenChanges } from '../clusterset/object-sources.ts';
import { isOurs } from '../kubernetes/types.ts';
import type { Constituent } from '../merge/merge.ts';
import { AddressRanges } from './address-ranges.ts';
import { type ClusterConsent, type ConsentReport, MAX_REPORTED_REFUSALS, type Refusal } from './consent-report.ts';
import { type Claim, type Declaration, judgeClaims } from './declared-ranges.ts';
import { type Confined, confine, type Confinement, type DropReason, type PolicyRanges } from './endpoint-confinement.ts';
import { damp, type Damping, type Exports, NO_DAMPING } from './export-damping.ts';
import { decideImport, type RefusalReason, type Refused } from './import-decision.ts';
import type { ImportPolicy } from './import-policy.ts';
import { type JudgedImportPolicy, readImportPolicies } from './import-policies.ts';
import { OwnPlacesIndex } from './own-places.ts';

/** Services of one cluster that count; the first by name. Each is several objects at the API server of every other cluster. */
export const MAX_SERVICES_PER_CLUSTER = 5000;

/** What a cluster says, and what the founder and it itself have said of it. */
export interface OtherCluster extends Constituent {
  /** Milliseconds since 1970. */
  readonly joinedAt: number;
  /** Where its endpoints are to be found; undefined where it has not said so. */
  readonly ranges: readonly string[] | undefined;
}

export interface ImportConsentOptions {
  readonly network: string;
  /** `ADDRESS/BITS`; what objects say where empty. */
  readonly podRanges: readonly string[];
  readonly serviceRanges: readonly string[];
}

const NONE: readonly Endpoint[] = [];
const NOWHERE = new AddressRanges([]);

interface Filtered {
  readonly constituent: Constituent;
  readonly consent: ClusterConsent;
  /** Of what it follows. */
  readonly version: number;
  readonly exports: Exports;
}

interface KnownEndpoints extends Confined {
  readonly version: number;
  readonly ranges: PolicyRanges;
}

/**
 * Stands between what other clusters say and what is merged: leaves out what this cluster has not consented to. What stays the
 * same object stays so here, by which the merge sees that nothing changed.
 */
export class ImportConsent {
  readonly #options: ImportConsentOptions;
  readonly #places: OwnPlacesIndex;
  #policies: readonly ImportPolicy[] = [];
  #judged: readonly JudgedImportPolicy[] = [];
  #asksLocal = false;
  /** Counts what confinement and ranges of policies follow from. */
  #version = 0;
  #declarations: readonly Declaration[] = [];
  #claims: ReadonlyMap<string, Claim> = new Map();
  #filtered: ReadonlyMap<string, Filtered> = new Map();
  #damping: ReadonlyMap<string, Damping> = new Map();
  #endpoints = new WeakMap<readonly Endpoint[], KnownEndpoints>();
  #report: ConsentReport = new Map();
  #nextAtMs: number | undefined;

  constructor(options: ImportConsentOptions) {
    this.#options = options;
    this.#places = new OwnPlacesIndex(options);
  }

  get places(): Pick<OwnPlacesIndex, 'toDeclare' | 'places'> {
    return this.#places;
  }

  get judged(): readonly JudgedImportPolicy[] {
    return this.#judged;
  }

  /** What was left out, by cluster. */
  get report(): ConsentReport {
    return this.#report;
  }

  /** When {@link filter} may come to another result though nothing else has changed. Same clock as there. */
  get nextAtMs(): number | undefined {
    return this.#nextAtMs;
  }

  /** Looks at objects of this cluster that changed. Whether others have to be filtered again. */
  apply({ keys, redefined }: TakenChanges, objects: Pick<ObjectSources, 'at' | 'list'>): boolean {
    const at = <T extends KubernetesObject>(kind: 'nodes' | 'services' | 'slices') => (key: string): T | undefined => objects.at<T>(kind, key);
    const arePlacesNew = this.#places.apply(keys, { node: at<V1Node>('nodes'), service: at<V1Service>('services'), slice: at<V1EndpointSlice>('slices') });
    const arePoliciesNew = keys.importPolicies.size > 0 || redefined.has('importPolicies');
    if (arePoliciesNew) {
      this.#judged = readImportPolicies(objects.list('importPolicies'));
      this.#policies = this.#judged.map(({ policy }) => policy);
      this.#asksLocal = this.#policies.some(({ allow }) => allow.some(({ unlessLocal }) => unlessLocal));
    }
    if (arePlacesNew || arePoliciesNew) this.#version += 1;
    return arePlacesNew || arePoliciesNew || (this.#asksLocal && keys.services.size > 0);
  }

  /** Yields between services. `nowMs`: of any clock that does not go back. */
  *filter(others: readonly OtherCluster[], objects: Pick<ObjectSources, 'at'>, nowMs: number): Generator<void, readonly Constituent[]> {
    if (!areSame(this.#declarations, others)) {
      this.#declarations = others.map(({ cluster, network, joinedAt, ranges }) => ({ cluster, network, joinedAt, ranges }));
      this.#claims = judgeClaims(this.#declarations);
      this.#version += 1;
    }
    // Of a cluster that is gone nothing is held.
    this.#damping = new Map(others.map(({ cluster, services, endpoints }) => [cluster, damp(this.#damping.get(cluster) ?? NO_DAMPING, { services, endpoints }, nowMs)]));
    const due = [...this.#damping.values()].flatMap(({ nextAtMs }) => (nextAtMs === undefined ? [] : [nextAtMs]));
    this.#nextAtMs = due.length === 0 ? undefined : Math.min(...due);
    const isLocal = (key: string): boolean => {
      const service = objects.at<V1Service>('services', key);
      return service !== undefined && !isOurs(service);
    };
    const filtered = new Map<string, Filtered>();
    for (const other of others) filtered.set(other.cluster, yield* this.#filterAgain(other, isLocal));
    this.#filtered = filtered;
    this.#report = new Map([...filtered].map(([cluster, { consent }]) => [cluster, consent]));
    return [...filtered.values()].map(({ constituent }) => constituent);
  }

  /** What a cluster says is looked at again where it, or what decides about it, is something else than before. */
  *#filterAgain(other: OtherCluster, isLocal: (key: string) => boolean): Generator<void, Filtered> {
    const damping = this.#damping.get(other.cluster) ?? NO_DAMPING;
    const before = this.#filtered.get(other.cluster);
    const { services, endpoints } = damping.exports;
    const isSame = before !== undefined && !this.#asksLocal && before.version === this.#version && before.constituent.reach === other.reach && before.exports.services === services && before.exports.endpoints === endpoints;
    return isSame ? before : { ...(yield* this.#filterOne(other, damping, before?.exports.endpoints, isLocal)), version: this.#version, exports: damping.exports };
  }

  *#filterOne({ cluster, trustDomain, network, reach, joinedAt }: OtherCluster, { exports, held }: Damping, before: Exports['endpoints'] | undefined, isLocal: (key: string) => boolean): Generator<void, Pick<Filtered, 'constituent' | 'consent'>> {
    const claim = this.#claims.get(cluster);
    const confinement: Confinement = { own: network === this.#options.network ? this.#places.places : undefined, others: claim?.others ?? NOWHERE, declared: claim?.declared };
    const services = new Map<string, ServiceRecord>();
    const endpoints = new Map<string, readonly Endpoint[]>();
    const maxShares = new Map<string, number>();
    const dropped = new Map<DropReason, number>();
    const refusals: Refusal[] = [];
    const refused = new Map<RefusalReason, number>();
    const refuse = (service: string, { reason, policy, message }: Omit<Refused, 'kind'>): void => {
      add(refused, reason, 1);
      if (refusals.length < MAX_REPORTED_REFUSALS) refusals.push({ service, reason, policy, message });
    };
    for (const [key, record] of exports.services) {
      yield;
      const decision = decideImport(this.#policies, { cluster, namespace: record.namespace, name: record.name, isLocal: isLocal(key) });
      if (decision.kind === 'refused') {
        refuse(key, decision);
      } else if (services.size >= MAX_SERVICES_PER_CLUSTER) {
        refuse(key, { reason: 'quota', policy: undefined, message: `of one cluster ${MAX_SERVICES_PER_CLUSTER} services are imported` });
      } else {
        services.set(key, record);
        if (decision.maxSharePercent !== undefined) maxShares.set(key, decision.maxSharePercent);
        const confined = this.#confined(exports.endpoints.get(key) ?? NONE, before?.get(key), confinement, decision.ranges);
        endpoints.set(key, confined.kept);
        for (const [reason, count] of confined.dropped) add(dropped, reason, count);
      }
    }
    return { constituent: { cluster, trustDomain, network, joinedAt, ...(reach === undefined ? {} : { reach }), services, endpoints, maxShares }, consent: { refused, refusals, dropped, held, declares: claim?.declared?.prefixes.length, faults: claim?.faults ?? [] } };
  }

  /** `last`: what was said of the service before. */
  #confined(endpoints: readonly Endpoint[], last: readonly Endpoint[] | undefined, confinement: Confinement, ranges: PolicyRanges): Confined {
    const known = this.#endpoints.get(endpoints);
    if (known !== undefined && this.#isUnder(known, ranges)) return known;
    const before = last === undefined || last === NONE ? undefined : this.#endpoints.get(last);
    const confined = confine(endpoints, confinement, ranges, before !== undefined && this.#isUnder(before, ranges) ? new Set(before.kept) : undefined);
    // Where the same is left of a list as before, it is the same list.
    const kept = known !== undefined && confined.kept !== endpoints && sameText(known.kept, confined.kept) ? known.kept : confined.kept;
    this.#endpoints.set(endpoints, { kept, dropped: confined.dropped, version: this.#version, ranges });
    return { kept, dropped: confined.dropped };
  }

  /** Whether it was judged by what counts now. Ranges are those of a policy's rules, which may mean the service at one time and not at another. */
  #isUnder({ version, ranges }: KnownEndpoints, now: PolicyRanges): boolean {
    return version === this.#version && ranges.length === now.length && ranges.every((rules, i) => rules.length === now[i]?.length && rules.every((each, j) => each === now[i]?.[j]));
  }
}

function areSame(before: readonly Declaration[], now: readonly Declaration[]): boolean {
  return before.length === now.length && before.every(({ cluster, network, joinedAt, ranges }, i) => cluster === now[i]?.cluster && network === now[i].network && joinedAt === now[i].joinedAt && ranges === now[i].ranges);
}

function add<K>(counts: Map<K, number>, key: K, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

const sameText = (a: readonly Endpoint[], b: readonly Endpoint[]): boolean => a.length === b.length && JSON.stringify(a) === JSON.stringify(b);
