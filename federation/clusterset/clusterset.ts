import type { V1Pod } from '@kubernetes/client-node';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import type { ObjectSource, ResourceKind } from '../kubernetes/object-source.ts';
import type { Constituent, ImportedService } from '../merge/merge.ts';
import { metrics } from '../metrics.ts';
import type { Knowledge } from '../outputs/changes.ts';
import type { Writer } from '../outputs/writer.ts';
import { countVerdicts } from '../policy/policy-report.ts';
import { type JudgedPolicy, PolicyConverter, type PolicyView } from '../policy/policy-view.ts';
import { type ExportedService, exportRecords } from '../registry/exports.ts';
import { podIdentities } from '../registry/pod-identities.ts';
import { type AdsService, type Confirmation, isConfirmedByAll } from '../xds/ads-service.ts';
import { authorizationResources } from '../xds/authorization-resources.ts';
import type { Resource } from '../xds/resource.ts';
import { trustBundleResources } from '../xds/trust-bundles.ts';
import { ClusterRegistry } from './cluster-registry.ts';
import { ImportOutputs } from './import-outputs.ts';
import { inSlices } from '../in-slices.ts';
import { ObjectSources, type TakenChanges } from './object-sources.ts';
import { writePolicyStatuses } from './policy-statuses.ts';
import { membersBehind, type OwnTrust, TrustDistribution, trustBundles } from './trust-distribution.ts';

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

/** Computes what follows from this cluster's objects and the others' records, as far as it may differ from before, and brings it about. */
export class Clusterset {
  readonly #options: ClustersetOptions;
  readonly #objects: ObjectSources;
  readonly #registry: ClusterRegistry;
  readonly #outputs: ImportOutputs;
  readonly #converter: PolicyConverter;
  readonly #trust = new TrustDistribution();
  #changed = Promise.withResolvers<void>();
  /** Whether anything but objects of this cluster may have changed. */
  #othersChanged = true;
  #policies: PolicyView | undefined;
  #authorizations: ReadonlyMap<string, Resource> = new Map();
  /** Whether some policies may not say yet what became of them. */
  #statusesAreDue = false;
  /** The imports that were counted last. */
  #counted: ReadonlyMap<string, ImportedService> | undefined;
  /** What this cluster said of itself when its records were made last. */
  #published = '';

  constructor(options: ClustersetOptions) {
    const { config, sourceOf, writer, log } = options;
    this.#options = options;
    this.#objects = new ObjectSources(sourceOf);
    this.#registry = new ClusterRegistry({ cluster: config.cluster, trustDomain: config.trustDomain, network: config.network, domain: config.domain }, this.#objects);
    this.#outputs = new ImportOutputs({ objects: this.#objects, registry: this.#registry, writer, knowledge: () => this.#knowledge(), log });
    this.#converter = new PolicyConverter(config.rootNamespace);
  }

  get synced(): boolean {
    return this.#objects.synced;
  }

  /** What keeps it from being {@link synced}. */
  get unlisted(): readonly string[] {
    return this.#objects.unlisted;
  }

  get imports(): ReadonlyMap<string, ImportedService> {
    return this.#registry.imports;
  }

  get exports(): ReadonlyMap<string, ExportedService> {
    return this.#registry.exports;
  }

  get judgedPolicies(): readonly JudgedPolicy[] {
    return this.#policies?.judged ?? [];
  }

  /** The clusterset addresses of an import in this cluster. */
  addressesOf(imported: ImportedService): readonly string[] {
    return this.#registry.addressesOf(imported);
  }

  /** Identities of the pods on a node that an agent there may ask certificates for. */
  identitiesOn(node: string): ReadonlySet<SpiffeId> {
    const pods = [...this.#registry.addresses.podsOn(node)].map((key) => this.#objects.at<V1Pod>('pods', key)).filter((pod) => pod !== undefined);
    return podIdentities(pods, node, this.#options.config.trustDomain);
  }

  /** Something that is not an object of this cluster changed. */
  notify(): void {
    this.#othersChanged = true;
    this.#changed.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#compute(signal), this.#outputs.run(signal)]);
  }

  async #compute(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#changed.resolve();
    signal.addEventListener('abort', wake, { once: true });
    this.#objects.start(wake, signal);
    while (!signal.aborted) {
      await this.#changed.promise;
      await waitFor(GATHER_MS, signal);
      this.#changed = Promise.withResolvers();
      if (signal.aborted) return;
      this.#objects.follow(wake, signal);
      if (!this.synced) continue;
      if (!(await this.#attempt())) void waitFor(RETRY_MS, signal).then(wake);
    }
  }

  /** What could not be computed leaves agents and objects as they are: ending would take away what still works. */
  async #attempt(): Promise<boolean> {
    const taken = this.#objects.take();
    const othersChanged = this.#othersChanged;
    this.#othersChanged = false;
    try {
      await this.#reconcile(taken, othersChanged);
      return await this.#writePolicyStatuses();
    } catch (thrown) {
      this.#options.log.error({ err: thrown, stack: thrown instanceof Error ? thrown.stack : undefined }, 'the clusterset could not be computed');
      this.#objects.giveBack(taken);
      this.#othersChanged = true;
      return false;
    }
  }

  /** One pass. */
  async #reconcile(taken: TakenChanges, othersChanged: boolean): Promise<void> {
    const policiesChanged = this.#convertPolicies(taken);
    const policiesOf = this.#policies?.namesFor ?? ((): readonly string[] => []);
    const knowledge = this.#knowledgeText();
    const { exportsChanged, dirty, addresses } = await inSlices(this.#registry.apply(taken, { changed: othersChanged, others: () => this.#others(), isComplete: (cluster) => this.#isComplete(cluster), knowledge, policiesOf, policiesChanged }));
    this.#publish(exportsChanged);
    this.#tellAgents(addresses);
    this.#outputs.add(dirty);
    this.#count();
  }

  /** Whether there may be others than before. */
  #convertPolicies({ keys, redefined }: TakenChanges): boolean {
    const isSame = keys.authorizationPolicies.size === 0 && keys.peerAuthentications.size === 0 && !redefined.has('authorizationPolicies') && !redefined.has('peerAuthentications');
    if (isSame && this.#policies !== undefined) return false;
    this.#policies = this.#converter.view({ authorizationPolicies: this.#objects.list('authorizationPolicies'), peerAuthentications: this.#objects.list('peerAuthentications') });
    this.#authorizations = authorizationResources(this.#policies.policies);
    this.#statusesAreDue = true;
    for (const [verdict, count] of Object.entries(countVerdicts(this.#policies.judged))) metrics.policies.set({ verdict }, count);
    return true;
  }

  #publish(exportsChanged: boolean): void {
    const { config, membership, version } = this.#options;
    const meta = { trustDomain: config.trustDomain, network: config.network, version, roots: this.#ownTrust().roots.map((root) => root.toString('base64')), trusted: this.#trust.trusted(config.cluster) };
    const text = JSON.stringify(meta);
    if (!exportsChanged && text === this.#published) return;
    membership.publish(exportRecords(this.#registry.exports, meta));
    this.#published = text;
  }

  /** Others count once they are known completely. */
  #others(): readonly Constituent[] {
    const { config, membership } = this.#options;
    const others = [...membership.views().values()].filter(({ cluster, complete }) => complete && cluster !== config.cluster);
    return others.map(({ cluster, member, services, endpoints }) => ({ cluster, trustDomain: member.trustDomain, network: member.network, services, endpoints }));
  }

  #isComplete(cluster: string): boolean {
    return cluster === this.#options.config.cluster || this.#options.membership.isComplete(cluster);
  }

  #knowledge(): Knowledge {
    return { isComplete: (cluster) => this.#isComplete(cluster), all: this.#options.membership.allComplete };
  }

  #knowledgeText(): string {
    const { membership } = this.#options;
    return JSON.stringify([membership.allListed, membership.allComplete, [...membership.views().keys()].filter((cluster) => this.#isComplete(cluster)).sort()]);
  }

  #tellAgents(addresses: ReadonlySet<string>): void {
    const { membership, ads } = this.#options;
    const bundles = trustBundles(this.#ownTrust(), membership.views());
    ads.publish({
      types: new Map<string, ReadonlyMap<string, Resource>>([
        [ADDRESS_TYPE, this.#registry.addresses.resources],
        [TRUST_BUNDLE_TYPE, trustBundleResources(bundles.values())],
        [AUTHORIZATION_TYPE, this.#authorizations],
      ]),
      changed: new Map([[ADDRESS_TYPE, addresses]]),
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

  /** A part of many at a time, so that agents need not wait for all to hear of the next change. */
  async #writePolicyStatuses(): Promise<boolean> {
    if (!this.#statusesAreDue) return true;
    const { isWritten, hasMore } = await writePolicyStatuses(this.judgedPolicies, this.#options.writer, new Date());
    this.#statusesAreDue = hasMore || !isWritten;
    if (hasMore) this.#changed.resolve();
    return isWritten;
  }

  #count(): void {
    const { membership } = this.#options;
    metrics.exports.set(this.exports.size);
    metrics.imports.set(this.imports.size);
    metrics.recordsPublished.set(membership.publishedRecords());
    metrics.hubConnected.set(membership.hubState().kind === 'connected' ? 1 : 0);
    const all = [...membership.views().values()];
    for (const complete of [true, false]) metrics.members.set({ complete: String(complete) }, all.filter((view) => view.complete === complete).length);
    if (this.imports === this.#counted) return;
    this.#counted = this.imports;
    const ready = new Map<string, number>();
    for (const { clusters } of this.imports.values()) for (const { cluster, endpoints } of clusters) ready.set(cluster, (ready.get(cluster) ?? 0) + endpoints.filter((endpoint) => endpoint.ready).length);
    metrics.importEndpoints.reset();
    for (const [cluster, count] of ready) metrics.importEndpoints.set({ cluster }, count);
  }
}
