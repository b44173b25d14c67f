import type { KubernetesObject, V1EndpointSlice, V1Namespace, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { EntryIndex, type EntryObjects } from '../entries/entry-index.ts';
import { oncePerObject } from '../kubernetes/once-per-object.ts';
import { DERIVED_SERVICE_ANNOTATION, isOurs, MCS_SOURCE_LABEL, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { type Constituent, type ImportedService, merge } from '../merge/merge.ts';
import { Merger } from '../merge/merger.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import { convertServiceRoute } from '../networks/service-route.ts';
import { NO_RULES, type ShareRules } from '../networks/shares.ts';
import { clustersetAddresses } from '../outputs/clusterset-addresses.ts';
import { type ExistingObjects, reasonToSkip } from '../outputs/desired.ts';
import { writtenPrecedence } from '../outputs/import-metadata.ts';
import { derivedServiceName } from '../outputs/names.ts';
import type { JudgedPolicy } from '../policy/policy-view.ts';
import { type ExportedService, exportedService } from '../registry/exports.ts';
import { LocalIndex } from '../registry/local-index.ts';
import { AddressIndex } from '../xds/address-index.ts';
import type { PoliciesOf, TrafficOf } from '../xds/address-resources.ts';
import type { Import } from '../xds/imported-service.ts';
import { isTold } from '../xds/local-service.ts';
import type { ClusterIdentity } from '../xds/service.ts';
import { isSameExtent, type KnownExtent, NOTHING_KNOWN } from './believed.ts';
import { asHeld, type HeldImports, heldImports } from './held-imports.ts';
import type { Kind } from './kinds.ts';
import type { ObjectSources, TakenChanges } from './object-sources.ts';
import { OwnObjects } from './own-objects.ts';

/** What is known of other clusters, and besides objects of this one. */
export interface Surroundings {
  /** Whether anything of it may differ from the pass before. */
  readonly changed: boolean;
  /** Of the other clusters of which what is known counts. */
  readonly others: () => Generator<void, readonly Constituent[]>;
  readonly isComplete: (cluster: string) => boolean;
  /** Of those in other networks, by cluster. */
  readonly gateways: () => ReadonlyMap<string, RemoteGateways>;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** When this cluster joined, milliseconds since 1970. */
  readonly joinedAt: number;
  /** Whether all clusters are listed that may have exported something before. */
  readonly isSettled: boolean;
  /** Of which sources everything is known: with more of them more deletions are allowed. */
  readonly knowledge: KnownExtent;
  readonly policiesOf: PoliciesOf;
  readonly policiesChanged: boolean;
  readonly trafficOf: TrafficOf;
  readonly trafficChanged: boolean;
}

export interface PassResult {
  readonly exportsChanged: boolean;
  /** Imports and exports about which something changed, `<namespace>/<name>`: what is written for them is looked at again. */
  readonly dirty: ReadonlySet<string>;
  /** Names of address resources that differ from before. */
  readonly addresses: ReadonlySet<string>;
}

/** Kinds in which objects of ours are. */
const OWN_KINDS = ['imports', 'services', 'slices', 'serviceEntries', 'workloadEntries'] as const satisfies readonly Kind[];

/** Everything that follows from the objects of this cluster and the records of others, made anew only as far as it may differ. */
export class ClusterRegistry {
  readonly #identity: ClusterIdentity;
  readonly #objects: ObjectSources;
  readonly #local = new LocalIndex();
  readonly #addresses: AddressIndex;
  readonly #entries: EntryIndex;
  readonly #exports = new Map<string, ExportedService>();
  readonly #merger = new Merger();
  readonly #precedenceOf = oncePerObject(writtenPrecedence);
  readonly #own = new OwnObjects();
  readonly #route = oncePerObject(convertServiceRoute);
  #gateways: ReadonlyMap<string, RemoteGateways> = new Map();
  #ownParts: Pick<Constituent, 'services' | 'endpoints'> | undefined;
  /** Imports that changed at the API server and were not merged since. */
  readonly #rewritten = new Set<string>();
  #imports: ReadonlyMap<string, ImportedService> = new Map();
  #held: HeldImports = new Map();
  /** What was known when these were found. */
  #heldKnowledge = NOTHING_KNOWN;
  /** Imports by the key of the Service that gives them their address, whoever has made it. */
  readonly #importsByDerived = new Map<string, string>();
  #knowledge = NOTHING_KNOWN;

  constructor(identity: ClusterIdentity, objects: ObjectSources) {
    this.#identity = identity;
    this.#objects = objects;
    this.#addresses = new AddressIndex(identity);
    this.#entries = new EntryIndex(identity.domain);
  }

  get local(): Pick<LocalIndex, 'services'> {
    return this.#local;
  }

  get addresses(): Pick<AddressIndex, 'resources' | 'podsOn'> {
    return this.#addresses;
  }

  get exports(): ReadonlyMap<string, ExportedService> {
    return this.#exports;
  }

  get imports(): ReadonlyMap<string, ImportedService> {
    return this.#imports;
  }

  get held(): HeldImports {
    return this.#held;
  }

  /** What there is already where imports are written. */
  get existing(): Pick<ExistingObjects, 'imports' | 'services' | 'namespaces'> {
    return {
      imports: { get: (key) => this.#objects.at<ServiceImport>('imports', key) },
      services: { get: (key) => this.#objects.at<V1Service>('services', key) },
      namespaces: {
        has: (name) => {
          const namespace = this.#objects.at<V1Namespace>('namespaces', `/${name}`);
          return namespace !== undefined && namespace.metadata?.deletionTimestamp === undefined;
        },
      },
    };
  }

  get own(): Pick<OwnObjects, 'of'> {
    return this.#own;
  }

  /** Of other networks, by cluster. */
  get gateways(): ReadonlyMap<string, RemoteGateways> {
    return this.#gateways;
  }

  /** The clusterset addresses of an import in this cluster. */
  addressesOf(imported: ImportedService): readonly string[] {
    return clustersetAddresses(imported, this.derivedService(imported));
  }

  /** The Service that gives an import its addresses, if there is one. */
  derivedService({ namespace, name }: ImportedService): V1Service | undefined {
    const derived = this.#objects.at<ServiceImport>('imports', `${namespace}/${name}`)?.metadata?.annotations?.[DERIVED_SERVICE_ANNOTATION] ?? '';
    const service = this.#objects.at<V1Service>('services', `${namespace}/${derived}`);
    return service !== undefined && isOurs(service) ? service : undefined;
  }

  /** Of an import, by its key. */
  rulesOf(key: string): ShareRules {
    const object = this.#objects.at<KubernetesObject>('serviceRoutes', key);
    return (object === undefined ? undefined : this.#route(object)?.rules) ?? NO_RULES;
  }

  judgedRoutes(): readonly JudgedPolicy[] {
    return this.#objects.list<KubernetesObject>('serviceRoutes').flatMap((object) => {
      const verdict = this.#route(object)?.verdict;
      return verdict === undefined ? [] : [{ object, verdict }];
    });
  }

  /** Of all imports and exports, and of those that are gone and of which something is still written. */
  keys(): ReadonlySet<string> {
    return new Set([...this.#imports.keys(), ...this.#exports.keys(), ...this.#own.imports()]);
  }

  /** Yields between small parts of the work. */
  *apply(taken: TakenChanges, surroundings: Surroundings): Generator<void, PassResult> {
    const { keys } = taken;
    const dirty = new Set<string>([...keys.exports, ...keys.imports, ...keys.serviceRoutes]);
    const at = <T>(kind: Kind) => (key: string): T | undefined => this.#objects.at(kind, key) as T | undefined;
    const services = yield* this.#local.apply(keys, { service: at<V1Service>('services'), slice: at<V1EndpointSlice>('slices'), pod: at<V1Pod>('pods') });
    const exportsChanged = yield* this.#export(keys, services, dirty);
    this.#findOwn(taken, dirty);
    if (surroundings.changed) this.#gateways = surroundings.gateways();
    if (exportsChanged || surroundings.changed || keys.imports.size > 0) yield* this.#merge(surroundings, keys.imports, dirty);
    if (taken.redefined.has('serviceRoutes')) for (const key of this.keys()) dirty.add(key);
    const entryObjects = this.#entryObjects();
    const workloadEntries = this.#changedEntries('workloadEntries', taken);
    const hosts = yield* this.#entries.apply({ serviceEntries: this.#changedEntries('serviceEntries', taken), workloadEntries, pods: keys.pods, services }, entryObjects);
    const addresses = yield* this.#addresses.apply(
      { pods: keys.pods, nodes: [...keys.nodes].map(nameOf), services: services.union(new Set(this.#local.selectingBeside(workloadEntries))), imports: dirty, hosts, workloadEntries, gateways: surroundings.changed, policies: surroundings.policiesChanged, traffic: surroundings.trafficChanged },
      {
        pod: at<V1Pod>('pods'),
        node: (name) => this.#objects.at<V1Node>('nodes', `/${name}`),
        service: (key) => this.#local.services.get(key),
        imported: (key) => this.#import(key),
        host: (key) => this.#entries.host(key, entryObjects.hasService),
        workloadEntry: (key) => this.#entries.workloadEntry(key),
        workloadEntriesWith: (namespace, labels) => this.#entries.workloadEntriesWith(namespace, labels),
        gateways: this.#gateways,
        policiesOf: surroundings.policiesOf,
        trafficOf: surroundings.trafficOf,
      },
    );
    // What agents are told does not depend on it.
    const toWrite = taken.redefined.has('serviceEntries') ? this.keys() : new Set([...dirty, ...this.#learnt(surroundings.knowledge)]);
    this.#knowledge = surroundings.knowledge;
    return { exportsChanged, dirty: toWrite, addresses };
  }

  /** Imports of which something may be deleted, or changed, that may not before: what was written of a cluster that is known completely now. */
  *#learnt(knowledge: KnownExtent): Generator<string, void> {
    const before = this.#knowledge;
    const isMore = knowledge.all && !before.all;
    const learnt = new Set([...knowledge.complete].filter((cluster) => !before.complete.has(cluster)));
    if (isMore) yield* this.#own.imports();
    else if (learnt.size > 0) for (const key of this.#own.imports()) if (this.#own.of(key).some(({ metadata }) => learnt.has(metadata?.labels?.[MCS_SOURCE_LABEL] ?? ''))) yield key;
  }

  /** All that were known where the kind is not defined any more, or in another version. */
  #changedEntries(kind: 'serviceEntries' | 'workloadEntries', { keys, redefined }: TakenChanges): ReadonlySet<string> {
    return redefined.has(kind) ? new Set([...keys[kind], ...this.#entries.keys(kind)]) : keys[kind];
  }

  #entryObjects(): EntryObjects {
    return {
      serviceEntry: (key) => this.#othersEntry('serviceEntries', key),
      workloadEntry: (key) => this.#othersEntry('workloadEntries', key),
      pod: (key) => this.#objects.at<V1Pod>('pods', key),
      pods: () => this.#objects.list<V1Pod>('pods'),
      hasService: (key) => {
        const service = this.#local.services.get(key)?.service;
        return service !== undefined && isTold(service);
      },
    };
  }

  /** Ours are written for others, and say again what imports are told as. */
  #othersEntry(kind: 'serviceEntries' | 'workloadEntries', key: string): KubernetesObject | undefined {
    const entry = this.#objects.at<KubernetesObject>(kind, key);
    return entry === undefined || isOurs(entry) ? undefined : entry;
  }

  *#export(keys: TakenChanges['keys'], services: ReadonlySet<string>, dirty: Set<string>): Generator<void, boolean> {
    const looked = new Set<string>(keys.exports);
    for (const key of services) if (this.#objects.at('exports', key) !== undefined) looked.add(key);
    // Where endpoints are is part of what is exported; nodes change seldom.
    if (keys.nodes.size > 0) for (const key of this.#exports.keys()) looked.add(key);
    let isChanged = false;
    for (const key of looked) {
      const object = this.#objects.at<ServiceExport>('exports', key);
      const made = object === undefined ? undefined : exportedService(object, this.#local.services.get(key), (name) => this.#objects.at<V1Node>('nodes', `/${name}`));
      if (JSON.stringify(made) !== JSON.stringify(this.#exports.get(key))) {
        if (made === undefined) this.#exports.delete(key);
        else this.#exports.set(key, made);
        this.#ownParts = undefined;
        isChanged = true;
      }
      dirty.add(key);
      yield;
    }
    return isChanged;
  }

  /** Finds imports by objects of ours that changed, or that are in the place of such. */
  #findOwn({ keys, redefined }: TakenChanges, dirty: Set<string>): void {
    for (const kind of ['serviceEntries', 'workloadEntries'] as const) if (redefined.has(kind)) for (const key of this.#own.forget(kind)) dirty.add(key);
    for (const kind of OWN_KINDS) for (const key of keys[kind]) for (const imported of this.#own.set(kind, key, this.#objects.at(kind, key))) dirty.add(imported);
    for (const key of keys.services) {
      const imported = this.#importsByDerived.get(key);
      if (imported !== undefined) dirty.add(imported);
    }
    if (keys.namespaces.size === 0) return;
    const namespaces = new Set([...keys.namespaces].map(nameOf));
    for (const [key, { namespace }] of this.#imports) if (namespaces.has(namespace)) dirty.add(key);
  }

  /** What imports would be if these were the others. */
  mergedWith(others: readonly Constituent[], nowMs: number): ReadonlyMap<string, ImportedService> {
    return merge([this.#ownExports(0), ...others], nowMs);
  }

  /** They come from the API server of this cluster, not from the bus. The same maps for as long as exports are. */
  #ownExports(joinedAt: number): Constituent {
    const { cluster, trustDomain, network } = this.#identity;
    this.#ownParts ??= { services: new Map([...this.#exports].map(([key, { record }]) => [key, record])), endpoints: new Map([...this.#exports].map(([key, { endpoints }]) => [key, endpoints])) };
    return { cluster, trustDomain, network, joinedAt, ...this.#ownParts };
  }

  *#merge({ others, isComplete, nowMs, joinedAt, isSettled, knowledge }: Surroundings, rewritten: ReadonlySet<string>, dirty: Set<string>): Generator<void, void> {
    for (const key of rewritten) this.#rewritten.add(key);
    const { imports, changed } = yield* this.#merger.merge([this.#ownExports(joinedAt), ...(yield* others())], { nowMs, isComplete, isSettled, written: (key) => this.#writtenPrecedence(key), rewritten: this.#rewritten });
    const held = this.#findHeld(knowledge, isComplete);
    const differing = new Set([...changed, ...held.keys(), ...this.#held.keys()].filter((key) => changed.has(key) || held.get(key) !== this.#held.get(key)));
    for (const key of differing) dirty.add(key);
    if (differing.size > 0) this.#imports = this.#importsWith(imports, differing, held);
    this.#held = held;
    this.#heldKnowledge = knowledge;
    this.#rewritten.clear();
    for (const key of changed) {
      const [namespace = '', name = ''] = key.split('/');
      const derived = `${namespace}/${derivedServiceName(namespace, name)}`;
      if (imports.has(key)) this.#importsByDerived.set(derived, key);
      else this.#importsByDerived.delete(derived);
    }
  }

  /** Whether a cluster is complete is part of what is known: while that is the same, and nothing is held, only imports that were written can have to be. */
  #findHeld(knowledge: KnownExtent, isComplete: (cluster: string) => boolean): HeldImports {
    if (this.#held.size > 0 || !isSameExtent(knowledge, this.#heldKnowledge)) return heldImports(this.#objects.list<ServiceImport>('imports'), isComplete);
    return heldImports([...this.#rewritten].flatMap((key) => this.#objects.at<ServiceImport>('imports', key) ?? []), isComplete);
  }

  /** In the order of `merged`. */
  #importsWith(merged: ReadonlyMap<string, ImportedService>, differing: ReadonlySet<string>, held: HeldImports): ReadonlyMap<string, ImportedService> {
    const isSameSet = merged.size === this.#imports.size && [...differing].every((key) => merged.has(key) && this.#imports.has(key));
    const next = isSameSet ? new Map(this.#imports) : new Map([...merged].map(([key, imported]) => [key, this.#imports.get(key) ?? imported]));
    for (const key of differing) {
      const imported = merged.get(key);
      if (imported !== undefined) next.set(key, asHeld(imported, held));
    }
    return next;
  }

  #writtenPrecedence(key: string): readonly string[] {
    const object = this.#objects.at<ServiceImport>('imports', key);
    return object === undefined || !isOurs(object) ? [] : this.#precedenceOf(object);
  }

  /**
   * What is not imported here has no name here either: some namespaces are closed to imports, or not there. One that is to
   * be written is told before it is, as its name leads nowhere until it has an address; without one, only once it is there.
   */
  #import(key: string): Import | undefined {
    const imported = this.#imports.get(key);
    const object = this.#objects.at<ServiceImport>('imports', key);
    if (imported === undefined || (object === undefined ? imported.type === 'Headless' || reasonToSkip(imported, this.existing) !== undefined : !isOurs(object))) return undefined;
    return { imported, addresses: this.addressesOf(imported), rules: this.rulesOf(key) };
  }
}

/** Of something that is in no namespace. */
const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1);
