import type { V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { DERIVED_SERVICE_ANNOTATION, isOurs, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import type { Constituent, ImportedService } from '../merge/merge.ts';
import { Merger } from '../merge/merger.ts';
import { derivedServiceName } from '../outputs/names.ts';
import { type ExportedService, exportedService } from '../registry/exports.ts';
import { LocalIndex } from '../registry/local-index.ts';
import { AddressIndex } from '../xds/address-index.ts';
import type { PoliciesOf } from '../xds/address-resources.ts';
import type { Import } from '../xds/imported-service.ts';
import type { ClusterIdentity } from '../xds/service.ts';
import { asHeld, type HeldImports, heldImports } from './held-imports.ts';
import type { Kind } from './kinds.ts';
import type { ObjectSources, TakenChanges } from './object-sources.ts';
import { OwnObjects } from './own-objects.ts';

/** What is known of other clusters, and besides objects of this one. */
export interface Surroundings {
  /** Whether anything of it may differ from the pass before. */
  readonly changed: boolean;
  /** Of the other clusters that are known completely. */
  readonly others: () => readonly Constituent[];
  readonly isComplete: (cluster: string) => boolean;
  /** Says of which sources everything is known: with another text other deletions are allowed. */
  readonly knowledge: string;
  readonly policiesOf: PoliciesOf;
  readonly policiesChanged: boolean;
}

export interface PassResult {
  readonly exportsChanged: boolean;
  /** Imports and exports about which something changed, `<namespace>/<name>`: what is written for them is looked at again. */
  readonly dirty: ReadonlySet<string>;
  /** Names of address resources that differ from before. */
  readonly addresses: ReadonlySet<string>;
}

/** Kinds in which objects of ours are. */
const OWN_KINDS = ['imports', 'services', 'slices', 'serviceEntries'] as const satisfies readonly Kind[];

/** Everything that follows from the objects of this cluster and the records of others, made anew only as far as it may differ. */
export class ClusterRegistry {
  readonly #identity: ClusterIdentity;
  readonly #objects: ObjectSources;
  readonly #local = new LocalIndex();
  readonly #addresses: AddressIndex;
  readonly #exports = new Map<string, ExportedService>();
  readonly #merger = new Merger();
  readonly #own = new OwnObjects();
  #imports: ReadonlyMap<string, ImportedService> = new Map();
  #held: HeldImports = new Map();
  /** Imports by the key of the Service that gives them their address, whoever has made it. */
  readonly #importsByDerived = new Map<string, string>();
  #knowledge = '';

  constructor(identity: ClusterIdentity, objects: ObjectSources) {
    this.#identity = identity;
    this.#objects = objects;
    this.#addresses = new AddressIndex(identity);
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

  get own(): Pick<OwnObjects, 'of'> {
    return this.#own;
  }

  /** The clusterset addresses of an import in this cluster. */
  addressesOf({ namespace, name }: ImportedService): readonly string[] {
    const derived = this.#objects.at<ServiceImport>('imports', `${namespace}/${name}`)?.metadata?.annotations?.[DERIVED_SERVICE_ANNOTATION] ?? '';
    const service = this.#objects.at<V1Service>('services', `${namespace}/${derived}`);
    return service !== undefined && isOurs(service) ? (service.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '') : [];
  }

  /** Yields between small parts of the work. */
  *apply(taken: TakenChanges, surroundings: Surroundings): Generator<void, PassResult> {
    const { keys } = taken;
    const dirty = new Set<string>([...keys.exports, ...keys.imports]);
    const at = <T>(kind: Kind) => (key: string): T | undefined => this.#objects.at(kind, key) as T | undefined;
    const services = yield* this.#local.apply(keys, { service: at<V1Service>('services'), slice: at<V1EndpointSlice>('slices'), pod: at<V1Pod>('pods') });
    const exportsChanged = yield* this.#export(keys, services, dirty);
    this.#findOwn(taken, dirty);
    if (exportsChanged || surroundings.changed || keys.imports.size > 0) yield* this.#merge(surroundings, dirty);
    if (surroundings.knowledge !== this.#knowledge || taken.redefined.has('serviceEntries')) this.#addAll(dirty);
    this.#knowledge = surroundings.knowledge;
    const addresses = yield* this.#addresses.apply(
      { pods: keys.pods, nodes: [...keys.nodes].map(nameOf), services, imports: dirty, policies: surroundings.policiesChanged },
      { pod: at<V1Pod>('pods'), node: (name) => this.#objects.at<V1Node>('nodes', `/${name}`), service: (key) => this.#local.services.get(key), imported: (key) => this.#import(key), policiesOf: surroundings.policiesOf },
    );
    return { exportsChanged, dirty, addresses };
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
        isChanged = true;
      }
      dirty.add(key);
      yield;
    }
    return isChanged;
  }

  /** Finds imports by objects of ours that changed, or that are in the place of such. */
  #findOwn({ keys, redefined }: TakenChanges, dirty: Set<string>): void {
    if (redefined.has('serviceEntries')) for (const key of this.#own.forget('serviceEntries')) dirty.add(key);
    for (const kind of OWN_KINDS) for (const key of keys[kind]) for (const imported of this.#own.set(kind, key, this.#objects.at(kind, key))) dirty.add(imported);
    for (const key of keys.services) {
      const imported = this.#importsByDerived.get(key);
      if (imported !== undefined) dirty.add(imported);
    }
    if (keys.namespaces.size === 0) return;
    const namespaces = new Set([...keys.namespaces].map(nameOf));
    for (const [key, { namespace }] of this.#imports) if (namespaces.has(namespace)) dirty.add(key);
  }

  *#merge({ others, isComplete }: Surroundings, dirty: Set<string>): Generator<void, void> {
    // This cluster's own exports come from its API server, not from the bus.
    const { cluster, trustDomain, network } = this.#identity;
    const own: Constituent = { cluster, trustDomain, network, services: new Map([...this.#exports].map(([key, { record }]) => [key, record])), endpoints: new Map([...this.#exports].map(([key, { endpoints }]) => [key, endpoints])) };
    const { imports, changed } = yield* this.#merger.merge([own, ...others()]);
    const held = heldImports(this.#objects.list<ServiceImport>('imports'), isComplete);
    const differs = (key: string): boolean => changed.has(key) || held.get(key) !== this.#held.get(key);
    for (const key of [...changed, ...held.keys(), ...this.#held.keys()]) if (differs(key)) dirty.add(key);
    this.#imports = new Map([...imports].map(([key, imported]) => [key, (differs(key) ? undefined : this.#imports.get(key)) ?? asHeld(imported, held)]));
    this.#held = held;
    for (const key of changed) {
      const [namespace = '', name = ''] = key.split('/');
      const derived = `${namespace}/${derivedServiceName(namespace, name)}`;
      if (imports.has(key)) this.#importsByDerived.set(derived, key);
      else this.#importsByDerived.delete(derived);
    }
  }

  #addAll(dirty: Set<string>): void {
    for (const keys of [this.#imports.keys(), this.#exports.keys(), this.#own.imports()]) for (const key of keys) dirty.add(key);
  }

  /** What is not imported here has no name here either: some namespaces are closed to imports, or not there. */
  #import(key: string): Import | undefined {
    const imported = this.#imports.get(key);
    const object = this.#objects.at<ServiceImport>('imports', key);
    return imported === undefined || object === undefined || !isOurs(object) ? undefined : { imported, addresses: this.addressesOf(imported) };
  }
}

/** Of something that is in no namespace. */
const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1);
