import type { KubernetesObject, V1Pod, V1Service } from '@kubernetes/client-node';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import { withCondition } from '../kubernetes/conditions.ts';
import type { ObjectSource, ResourceKind } from '../kubernetes/object-source.ts';
import { CRDS, type OptionalKind, OptionalSource } from '../kubernetes/optional-source.ts';
import { type ClusterObjects, DERIVED_SERVICE_ANNOTATION, isOurs, keyOf, MANAGED_BY, MANAGED_BY_LABEL, MCS_VERSION, type ServiceExport, type ServiceImport } from '../kubernetes/types.ts';
import { type Constituent, type ImportedService, merge } from '../merge/merge.ts';
import { metrics } from '../metrics.ts';
import { changes, covers } from '../outputs/changes.ts';
import { desiredObjects, importStatus } from '../outputs/desired.ts';
import type { Writer } from '../outputs/writer.ts';
import { countVerdicts } from '../policy/policy-report.ts';
import { type JudgedPolicy, PolicyConverter, type PolicyView } from '../policy/policy-view.ts';
import { type ExportedService, exportedServices, exportRecords, exportValidity } from '../registry/exports.ts';
import { type LocalService, localServices } from '../registry/local-endpoints.ts';
import { podIdentities } from '../registry/pod-identities.ts';
import { type AdsService, type Confirmation, isConfirmedByAll } from '../xds/ads-service.ts';
import { authorizationResources } from '../xds/authorization-resources.ts';
import { writePolicyStatuses } from './policy-statuses.ts';
import { addressResources } from '../xds/address-resources.ts';
import type { Resource } from '../xds/resource.ts';
import { trustBundleResources } from '../xds/trust-bundles.ts';
import { membersBehind, type OwnTrust, TrustDistribution, trustBundles } from './trust-distribution.ts';
import { asHeld, type HeldImports, heldImports, isHeld } from './held-imports.ts';

const KINDS = {
  services: { apiVersion: 'v1', kind: 'Service', plural: 'services' },
  slices: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices' },
  pods: { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
  nodes: { apiVersion: 'v1', kind: 'Node', plural: 'nodes' },
  namespaces: { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' },
  exports: { apiVersion: MCS_VERSION, kind: 'ServiceExport', plural: 'serviceexports' },
  imports: { apiVersion: MCS_VERSION, kind: 'ServiceImport', plural: 'serviceimports' },
} as const satisfies Record<string, ResourceKind>;

/** Of Istio, which may be installed later than we are, and go again. */
const OPTIONAL_KINDS = {
  serviceEntries: { group: 'networking.istio.io', versions: ['v1'], kind: 'ServiceEntry', plural: 'serviceentries', labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` },
  authorizationPolicies: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' },
  peerAuthentications: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'PeerAuthentication', plural: 'peerauthentications' },
} as const satisfies Record<string, OptionalKind>;

/** Changes that come close together are handled as one; the first is not made to wait longer than this. */
const GATHER_MS = 15;
const RETRY_MS = 1000;

export interface ClustersetOptions {
  readonly config: FederationConfig;
  /** Makes a source that was not started yet. */
  readonly sourceOf: (kind: ResourceKind) => ObjectSource;
  readonly membership: Membership;
  readonly writer: Writer;
  readonly ads: AdsService;
  /** DER roots of this cluster's own trust domain. */
  readonly roots: () => readonly Buffer[];
  readonly version: string;
  readonly log: Logger;
}

/** Computes what follows from this cluster's objects and the others' records, and brings it about: again and again, from scratch. */
export class Clusterset {
  readonly #options: ClustersetOptions;
  readonly #sources: { readonly [K in keyof typeof KINDS]: ObjectSource };
  readonly #crds: ObjectSource;
  readonly #optional: { readonly [K in keyof typeof OPTIONAL_KINDS]: OptionalSource };
  readonly #policies: PolicyConverter;
  readonly #trust = new TrustDistribution();
  #changed = Promise.withResolvers<void>();
  #imports: ReadonlyMap<string, ImportedService> = new Map();
  #exports: ReadonlyMap<string, ExportedService> = new Map();
  #judgedPolicies: readonly JudgedPolicy[] = [];

  constructor(options: ClustersetOptions) {
    this.#options = options;
    this.#sources = Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, options.sourceOf(kind)])) as never;
    this.#crds = options.sourceOf(CRDS);
    this.#optional = Object.fromEntries(Object.entries(OPTIONAL_KINDS).map(([name, kind]) => [name, new OptionalSource(kind, options.sourceOf)])) as never;
    this.#policies = new PolicyConverter(options.config.rootNamespace);
  }

  get synced(): boolean {
    return [...Object.values(this.#sources), this.#crds, ...Object.values(this.#optional)].every((source) => source.synced);
  }

  get imports(): ReadonlyMap<string, ImportedService> {
    return this.#imports;
  }

  get exports(): ReadonlyMap<string, ExportedService> {
    return this.#exports;
  }

  get judgedPolicies(): readonly JudgedPolicy[] {
    return this.#judgedPolicies;
  }

  /** The clusterset addresses of an import in this cluster. */
  addressesOf(imported: ImportedService): readonly string[] {
    const serviceImport = this.#sources.imports.get(imported.namespace, imported.name) as ServiceImport | undefined;
    const derived = serviceImport?.metadata?.annotations?.[DERIVED_SERVICE_ANNOTATION] ?? '';
    const service = this.#sources.services.get(imported.namespace, derived) as V1Service | undefined;
    return service !== undefined && isOurs(service) ? (service.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '') : [];
  }

  /** Identities of the pods on a node that an agent there may ask certificates for. */
  identitiesOn(node: string): ReadonlySet<SpiffeId> {
    return podIdentities(this.#sources.pods.list() as readonly V1Pod[], node, this.#options.config.trustDomain);
  }

  /** Something that is not an object of this cluster changed. */
  notify(): void {
    this.#changed.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const notify = (): void => this.notify();
    signal.addEventListener('abort', notify, { once: true });
    for (const source of [...Object.values(this.#sources), this.#crds]) source.start(notify, signal);
    while (!signal.aborted) {
      await this.#changed.promise;
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      this.#changed = Promise.withResolvers();
      if (signal.aborted) return;
      for (const source of Object.values(this.#optional)) source.follow(this.#crds, notify, signal);
      if (!this.synced) continue;
      if (!(await this.#attempt())) setTimeout(notify, RETRY_MS);
    }
  }

  /** What could not be computed leaves agents and objects as they are: ending would take away what still works. */
  async #attempt(): Promise<boolean> {
    try {
      return await this.#reconcile();
    } catch (thrown) {
      this.#options.log.error({ err: thrown, stack: thrown instanceof Error ? thrown.stack : undefined }, 'the clusterset could not be computed');
      return false;
    }
  }

  #objects(): ClusterObjects {
    return Object.fromEntries(Object.entries(this.#sources).map(([name, source]) => [name, source.list()])) as unknown as ClusterObjects;
  }

  /** One pass; false where something could not be written. */
  async #reconcile(): Promise<boolean> {
    const { config, membership, version } = this.#options;
    const objects = this.#objects();
    const services = localServices(objects);
    this.#exports = exportedServices(objects.exports, services, objects.nodes);
    const own = this.#ownTrust();
    membership.publish(exportRecords(this.#exports, { trustDomain: config.trustDomain, network: config.network, version, roots: own.roots.map((root) => root.toString('base64')), trusted: this.#trust.trusted(config.cluster) }));
    const held = heldImports(objects.imports, (cluster) => this.#isComplete(cluster));
    this.#imports = new Map([...merge(this.#constituents())].map(([key, imported]) => [key, asHeld(imported, held)]));
    const policies = this.#policies.view({ authorizationPolicies: this.#optional.authorizationPolicies.list(), peerAuthentications: this.#optional.peerAuthentications.list() });
    this.#judgedPolicies = policies.judged;
    this.#tellAgents(objects, services, policies);
    this.#count();
    const written = [await this.#writeObjects(objects, held), await this.#writeStatuses(objects, services, held), await this.#writePolicyStatuses()];
    return written.every((isWritten) => isWritten);
  }

  /** This cluster's own exports come from its API server, not from the bus. Others count once they are known completely. */
  #constituents(): Constituent[] {
    const { config, membership } = this.#options;
    const own: Constituent = {
      cluster: config.cluster,
      trustDomain: config.trustDomain,
      network: config.network,
      services: new Map([...this.#exports].map(([key, { record }]) => [key, record])),
      endpoints: new Map([...this.#exports].map(([key, { endpoints }]) => [key, endpoints])),
    };
    const others = [...membership.views().values()].filter(({ cluster, complete }) => complete && cluster !== config.cluster);
    return [own, ...others.map(({ cluster, member, services, endpoints }) => ({ cluster, trustDomain: member.trustDomain, network: member.network, services, endpoints }))];
  }

  #isComplete(cluster: string): boolean {
    return cluster === this.#options.config.cluster || this.#options.membership.isComplete(cluster);
  }

  /** Whether there is a ServiceImport, and it is ours: some namespaces are closed to imports, or not there. */
  #isImported({ namespace, name }: ImportedService): boolean {
    const serviceImport = this.#sources.imports.get(namespace, name);
    return serviceImport !== undefined && isOurs(serviceImport);
  }

  #tellAgents(objects: ClusterObjects, services: ReadonlyMap<string, LocalService>, policies: PolicyView): void {
    const { config, membership, ads } = this.#options;
    // What is not imported here has no name here either.
    const imports = [...this.#imports.values()].filter((imported) => this.#isImported(imported)).map((imported) => ({ imported, addresses: this.addressesOf(imported) }));
    const bundles = trustBundles(this.#ownTrust(), membership.views());
    ads.publish({
      types: new Map<string, ReadonlyMap<string, Resource>>([
        [ADDRESS_TYPE, addressResources({ cluster: config.cluster, trustDomain: config.trustDomain, network: config.network, domain: config.domain, pods: objects.pods, nodes: objects.nodes, policiesOf: policies.namesFor, services, imports })],
        [TRUST_BUNDLE_TYPE, trustBundleResources(new Map([...bundles.values()].map(({ trustDomain, roots }) => [trustDomain, roots])))],
        [AUTHORIZATION_TYPE, authorizationResources(policies.policies)],
      ]),
      isComplete: (cluster) => this.#isComplete(cluster),
      allComplete: membership.allComplete,
      allListed: membership.allListed,
    });
    // The record of this cluster says it, which was made before.
    if (this.#trust.update(bundles, (trustDomain) => isConfirmedByAll(ads.confirmation(TRUST_BUNDLE_TYPE, trustDomain)))) this.notify();
  }

  #ownTrust(): OwnTrust {
    const { config, roots } = this.#options;
    return { cluster: config.cluster, trustDomain: config.trustDomain, roots: roots() };
  }

  /** How far the roots of this cluster's own trust domain have come. */
  rootsToldTo(): { readonly agents: Confirmation; readonly membersBehind: readonly string[]; readonly allListed: boolean } {
    const { ads, membership, config } = this.#options;
    return { agents: ads.confirmation(TRUST_BUNDLE_TYPE, config.trustDomain), membersBehind: membersBehind(this.#ownTrust(), membership.views()), allListed: membership.allListed };
  }

  async #writeObjects(objects: ClusterObjects, held: HeldImports): Promise<boolean> {
    const { membership, writer, log } = this.#options;
    const imports = new Map(objects.imports.map((object) => [keyOf(object), object]));
    const { objects: desired, skipped } = desiredObjects(this.#imports.values(), {
      imports,
      services: new Map(objects.services.map((object) => [keyOf(object), object])),
      namespaces: new Set(objects.namespaces.filter(({ metadata }) => metadata?.deletionTimestamp === undefined).map(({ metadata }) => metadata?.name ?? '')),
      serviceEntries: this.#optional.serviceEntries.apiVersion !== undefined,
    });
    for (const [key, reason] of skipped) log.debug({ import: key, reason }, 'not imported');
    const existing: KubernetesObject[] = [...objects.imports, ...objects.services, ...objects.slices, ...this.#optional.serviceEntries.list()].filter(isOurs);
    const todo = changes(desired, existing, { isComplete: (cluster) => this.#isComplete(cluster), all: membership.allComplete }).filter((change) => !isHeld(change, held));
    let complete = true;
    for (const change of todo) complete = (await writer.write(change)) && complete;
    return complete;
  }

  async #writeStatuses(objects: ClusterObjects, services: ReadonlyMap<string, LocalService>, held: HeldImports): Promise<boolean> {
    const { writer } = this.#options;
    let complete = true;
    for (const object of objects.imports.filter(isOurs)) {
      const imported = this.#imports.get(keyOf(object));
      if (imported === undefined || held.has(keyOf(object))) continue;
      const status = importStatus(imported);
      if (!covers(object.status, status)) complete = (await writer.writeStatus('serviceimports', object, status)) && complete;
    }
    for (const object of objects.exports) complete = (await this.#writeExportStatus(object, services, held)) && complete;
    return complete;
  }

  async #writeExportStatus(object: ServiceExport, services: ReadonlyMap<string, LocalService>, held: HeldImports): Promise<boolean> {
    const validity = exportValidity(services.get(keyOf(object)));
    const conflicts = this.#imports.get(keyOf(object))?.conflicts ?? [];
    const now = new Date();
    const { generation } = object.metadata ?? {};
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    let conditions = [...(object.status?.conditions ?? [])];
    for (const condition of [
      validity.valid ? { type: 'Valid', status: 'True', reason: 'Valid', message: '', ...observed } : { type: 'Valid', status: 'False', reason: validity.reason, message: validity.message, ...observed },
      // Who differs is not known before all are.
      ...(held.has(keyOf(object)) ? [] : [conflicts.length === 0 ? { type: 'Conflict', status: 'False', reason: 'NoConflicts', message: '', ...observed } : { type: 'Conflict', status: 'True', reason: 'ClusterConflict', message: conflicts.join('. ').slice(0, 1000), ...observed }]),
    ]) conditions = withCondition(conditions, condition, now) ?? conditions;
    if (JSON.stringify(conditions) === JSON.stringify(object.status?.conditions ?? [])) return true;
    return await this.#options.writer.writeStatus('serviceexports', object, { conditions });
  }

  /** A part of many at a time, so that agents need not wait for all to hear of the next change. */
  async #writePolicyStatuses(): Promise<boolean> {
    const { isWritten, hasMore } = await writePolicyStatuses(this.#judgedPolicies, this.#options.writer, new Date());
    if (hasMore) this.notify();
    return isWritten;
  }

  #count(): void {
    const { membership } = this.#options;
    for (const [verdict, count] of Object.entries(countVerdicts(this.#judgedPolicies))) metrics.policies.set({ verdict }, count);
    metrics.exports.set(this.#exports.size);
    metrics.imports.set(this.#imports.size);
    metrics.recordsPublished.set(membership.publishedRecords());
    metrics.hubConnected.set(membership.hubState().kind === 'connected' ? 1 : 0);
    const all = [...membership.views().values()];
    for (const complete of [true, false]) metrics.members.set({ complete: String(complete) }, all.filter((view) => view.complete === complete).length);
    const ready = new Map<string, number>();
    for (const { clusters } of this.#imports.values()) for (const { cluster, endpoints } of clusters) ready.set(cluster, (ready.get(cluster) ?? 0) + endpoints.filter((endpoint) => endpoint.ready).length);
    metrics.importEndpoints.reset();
    for (const [cluster, count] of ready) metrics.importEndpoints.set({ cluster }, count);
  }
}
