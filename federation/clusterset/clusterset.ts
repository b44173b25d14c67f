import type { V1Pod } from '@kubernetes/client-node';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { formatPrefix, type IpPrefix } from '@landbridge/core/ip-address.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import type { FederationConfig } from '../config.ts';
import { ConsentMetrics } from '../consent/consent-metrics.ts';
import type { ConsentReport } from '../consent/consent-report.ts';
import { DueTimer, earliest } from '../consent/due-timer.ts';
import { ImportConsent } from '../consent/import-consent.ts';
import type { JudgedImportPolicy } from '../consent/import-policies.ts';
import { ImportPolicyStatuses } from '../consent/import-policy-statuses.ts';
import type { Membership } from '../hub/membership.ts';
import type { ObjectSource, ResourceKind } from '../kubernetes/object-source.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import { type AgentsOfAll, agentsOfAll, trustedByAll } from '../leadership/replica-report.ts';
import type { Replicas } from '../leadership/replicas.ts';
import type { Constituent, ImportedService } from '../merge/merge.ts';
import { metrics } from '../metrics.ts';
import type { PlannedChange } from '../outputs/plan.ts';
import type { ServiceImport } from '../kubernetes/types.ts';
import type { Writer } from '../outputs/writer.ts';
import { reachOf } from '../networks/reach.ts';
import { countVerdicts } from '../policy/policy-report.ts';
import { type JudgedPolicy, PolicyConverter, type PolicyView } from '../policy/policy-view.ts';
import { type ExportedService, exportRecords } from '../registry/exports.ts';
import { podIdentities } from '../registry/pod-identities.ts';
import { NO_TRAFFIC_RULES, TrafficConverter } from '../traffic/traffic-view.ts';
import { type AdsService, isConfirmedByAll } from '../xds/ads-service.ts';
import { authorizationResources } from '../xds/authorization-resources.ts';
import type { Resource } from '../xds/resource.ts';
import { trustBundleResources } from '../xds/trust-bundles.ts';
import { LabelledServices } from '../exports/labelled-services.ts';
import { writeClusterProperties } from '../properties/write-properties.ts';
import { ClustersetMetrics } from './clusterset-metrics.ts';
import { ClusterNetworks } from './cluster-networks.ts';
import { ClusterRegistry, type Surroundings } from './cluster-registry.ts';
import { EntryStatuses } from './entry-statuses.ts';
import { ImportOutputs } from './import-outputs.ts';
import { inSlices } from '../in-slices.ts';
import { ObjectSources, type TakenChanges } from './object-sources.ts';
import { Believed } from './believed.ts';
import { type KnownClusters, NOBODY_KNOWN } from '../records/known-clusters.ts';
import { writePolicyStatuses } from './policy-statuses.ts';
import { ExportGuards, importedOf } from '../peers/export-guards.ts';
import { type DialEvidence, NO_EVIDENCE } from '../peers/dial-evidence.ts';
import type { Standing } from '../peers/standing.ts';
import type { GuardTimes } from '../peers/export-guard.ts';
import type { MemberEvents } from '../peers/member-events.ts';
import { MemberObjects } from '../peers/member-objects.ts';
import type { MemberReport } from '../peers/member-report.ts';
import { memberReports } from '../peers/member-reports.ts';
import { bundleDigest, membersBehind, type OwnTrust, type TrustBundle, TrustDistribution, trustBundles } from './trust-distribution.ts';

/** Changes that come close together are handled as one; the first is not made to wait longer than this. */
const GATHER_MS = 15;
/** Nor longer than the pass before has taken, up to this: where much changes all the time, fewer passes have more each. */
const MAX_GATHER_MS = 250;
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
  /** All is computed, and told to agents, by each replica; one writes. */
  readonly leadership?: Leadership;
  readonly replicas?: Pick<Replicas, 'report' | 'others'>;
  readonly guardTimes?: GuardTimes;
  readonly evidence?: Pick<DialEvidence, 'lowered'>;
  /** Nothing is told where left out. */
  readonly events?: Pick<MemberEvents, 'tell'>;
  readonly log: Logger;
}

/** Computes what follows from this cluster's objects and the others' records, as far as it may differ from before, and brings it about. */
export class Clusterset {
  readonly #options: ClustersetOptions;
  readonly #leadership: Leadership;
  readonly #objects: ObjectSources;
  readonly #registry: ClusterRegistry;
  readonly #labelled: LabelledServices;
  readonly #outputs: ImportOutputs;
  readonly #entryStatuses: EntryStatuses;
  readonly #networks: ClusterNetworks;
  readonly #consent: ImportConsent;
  readonly #importPolicyStatuses: ImportPolicyStatuses;
  readonly #consentMetrics = new ConsentMetrics();
  readonly #consentTimer = new DueTimer(() => this.notify());
  readonly #memberObjects: MemberObjects;
  readonly #converter: PolicyConverter;
  readonly #trafficConverter: TrafficConverter;
  readonly #trust = new TrustDistribution();
  readonly #guards: ExportGuards;
  #changed = Promise.withResolvers<void>();
  readonly #listed = Promise.withResolvers<void>();
  /** Whether anything but objects of this cluster may have changed. */
  #othersChanged = true;
  #policies: PolicyView | undefined;
  #traffic = NO_TRAFFIC_RULES;
  #authorizations: ReadonlyMap<string, Resource> = new Map();
  /** Whether some policies may not say yet what became of them. */
  #statusesAreDue = false;
  readonly #metrics = new ClustersetMetrics();
  /** Where this cluster's endpoints are, as it tells others. */
  #ranges: readonly IpPrefix[] | undefined;
  /** With what the imports of this moment were worked out. */
  #believed: Believed;
  /** How long the last pass took. */
  #passMs = 0;
  /** What this cluster said of itself when its records were made last. */
  #published = '';

  constructor(options: ClustersetOptions) {
    const { config, sourceOf, writer, log, leadership = ALONE } = options;
    this.#options = options;
    this.#leadership = leadership;
    this.#guards = new ExportGuards(options.guardTimes);
    this.#believed = new Believed(config.cluster, NOBODY_KNOWN, this.#guards);
    this.#objects = new ObjectSources(sourceOf);
    this.#registry = new ClusterRegistry({ cluster: config.cluster, trustDomain: config.trustDomain, network: config.network, domain: config.domain }, this.#objects);
    this.#labelled = new LabelledServices(this.#objects);
    this.#outputs = new ImportOutputs({ objects: this.#objects, registry: this.#registry, labelled: this.#labelled, writer, cluster: config.cluster, istioShape: config.istioShape, knowledge: () => this.#believed, publicationOf: (key) => options.membership.publicationOf(key), leadership, log });
    this.#entryStatuses = new EntryStatuses(this.#objects, writer);
    this.#networks = new ClusterNetworks({ config, objects: this.#objects, registry: this.#registry, places: () => this.#consent.places.places, writer, leadership, knowledge: () => this.#believed, isIstioThere: () => this.#outputs.isIstioThere });
    this.#consent = new ImportConsent(config);
    this.#importPolicyStatuses = new ImportPolicyStatuses(writer);
    this.#memberObjects = new MemberObjects({ objects: this.#objects, writer, reports: () => (this.synced ? this.memberReports() : []), isWhole: () => this.synced && options.membership.allListed, leadership, events: options.events ?? { tell: () => {} }, log });
    this.#converter = new PolicyConverter(config.rootNamespace);
    this.#trafficConverter = new TrafficConverter(config);
  }

  /** Resolves once it is {@link synced}. */
  get listed(): Promise<void> {
    return this.#listed.promise;
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

  /** What this cluster has not consented to of what others say. */
  get consentReport(): ConsentReport {
    return this.#consent.report;
  }

  get droppedGateways(): ClusterNetworks['dropped'] {
    return this.#networks.dropped;
  }

  get judgedImportPolicies(): readonly JudgedImportPolicy[] {
    return this.#consent.judged;
  }

  get judgedPolicies(): readonly JudgedPolicy[] {
    return this.#policies?.judged ?? [];
  }

  /** The clusterset addresses of an import in this cluster. */
  addressesOf(imported: ImportedService): readonly string[] {
    return this.#registry.addressesOf(imported);
  }

  /** What would be written if these were the others. */
  plan(others: readonly Constituent[]): readonly PlannedChange[] {
    return this.#outputs.plan(others);
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

  /** What agents or other replicas have may be different now, and nothing else. */
  lookAtTrust(): void {
    this.#changed.resolve();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#compute(signal), this.#outputs.run(signal), this.#memberObjects.run(signal)]);
  }

  async #compute(signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#changed.resolve();
    signal.addEventListener('abort', wake, { once: true });
    using _changed = this.#leadership.onChange(() => {
      // The one who led before may not have come to them.
      this.#statusesAreDue = true;
      this.#entryStatuses.seeAll();
      this.#importPolicyStatuses.seeAll();
      wake();
    });
    this.#objects.start(wake, signal);
    while (!signal.aborted) {
      await this.#changed.promise;
      await waitFor(Math.min(MAX_GATHER_MS, Math.max(GATHER_MS, this.#passMs)), signal);
      this.#changed = Promise.withResolvers();
      if (signal.aborted) return;
      this.#objects.follow(wake, signal);
      if (!this.synced) continue;
      this.#listed.resolve();
      if (!(await this.#attempt())) void waitFor(RETRY_MS, signal).then(wake);
      this.#consentTimer.set(earliest(this.#consent.nextAtMs, this.#importPolicyStatuses.nextAtMs, this.#guards.dueMs), performance.now(), signal);
    }
  }

  /** What could not be computed leaves agents and objects as they are: ending would take away what still works. */
  async #attempt(): Promise<boolean> {
    const taken = this.#objects.take();
    const othersChanged = this.#othersChanged;
    this.#othersChanged = false;
    const startedMs = performance.now();
    try {
      await this.#reconcile(taken, othersChanged);
      this.#passMs = performance.now() - startedMs;
      const written = [await this.#writePolicyStatuses(), await this.#writeEntryStatuses(), await this.#networks.write(), await this.#writeImportPolicyStatuses(), await this.#writeProperties()];
      return written.every((isWritten) => isWritten);
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
    const trafficChanged = this.#convertTraffic(taken);
    const policiesOf = this.#policies?.namesFor ?? ((): readonly string[] => []);
    const consentChanged = this.#consent.apply(taken, this.#objects);
    // Others are heard of while it is worked out, and that counts from the next pass on.
    const known = this.#options.membership.known();
    const believed = new Believed(this.#options.config.cluster, known, this.#guards);
    const knowledge = believed.extent;
    const { exportsChanged, dirty, addresses } = await inSlices(this.#registry.apply(taken, { changed: othersChanged || consentChanged, others: () => this.#others(known), gateways: () => this.#networks.remote(known.views), isComplete: believed.isComplete, ...this.#seniority(known), knowledge, policiesOf, policiesChanged, trafficOf: this.#traffic.policyOf, trafficChanged }));
    this.#believed = believed;
    this.#entryStatuses.see(taken);
    if (taken.keys.serviceRoutes.size > 0 || taken.redefined.has('serviceRoutes')) this.#statusesAreDue = true;
    this.#publish(exportsChanged, consentChanged);
    this.#tellAgents(addresses);
    if (othersChanged) this.#memberObjects.look();
    this.#outputs.add(dirty);
    this.#outputs.add(this.#options.membership.takePublished());
    this.#outputs.add(this.#labelled.see(taken));
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

  /** Whether there may be other rules than before. */
  #convertTraffic({ keys, redefined }: TakenChanges): boolean {
    if (keys.destinationRules.size === 0 && !redefined.has('destinationRules')) return false;
    this.#traffic = this.#trafficConverter.view(this.#objects.list('destinationRules'));
    this.#statusesAreDue = true;
    for (const [verdict, count] of Object.entries(countVerdicts(this.#traffic.judged))) metrics.destinationRules.set({ verdict }, count);
    return true;
  }

  #publish(exportsChanged: boolean, consentChanged: boolean): void {
    const { config, membership, version, replicas } = this.#options;
    const own = this.#networks.own();
    if (this.#networks.isBehind(own)) this.notify();
    const trusted = trustedByAll(this.#trust.trusted(config.cluster), replicas?.others() ?? []);
    if (exportsChanged || consentChanged) this.#ranges = this.#consent.places.toDeclare([...this.#registry.exports.values()].flatMap(({ endpoints }) => endpoints));
    const meta = { trustDomain: config.trustDomain, network: config.network, version, roots: this.#ownTrust().roots.map((root) => root.toString('base64')), trusted: [...trusted], ...(this.#ranges === undefined ? {} : { ranges: this.#ranges.map(formatPrefix) }), ...own, ...(membership.peers?.hasHeardItself === true ? { beats: true } : {}) };
    const text = JSON.stringify(meta);
    if (!exportsChanged && text === this.#published) return;
    membership.publish(exportRecords(this.#registry.exports, meta));
    this.#published = text;
  }

  /** Others count once all is known that there is to be known of them, and as far as this cluster consents. */
  *#others({ views }: KnownClusters): Generator<void, readonly Constituent[]> {
    const { config, membership, evidence = NO_EVIDENCE } = this.#options;
    const { gateways } = this.#registry;
    const others = [...views.values()].filter(({ cluster, counts }) => counts && cluster !== config.cluster);
    const guarded = this.#guards.apply(others, (cluster) => importedOf(this.#objects.list<ServiceImport>('imports'), cluster), performance.now());
    const said = guarded.map(({ cluster, member: { trustDomain, network, joinedAt }, meta, services, endpoints }) => ({ cluster, trustDomain, network, reach: reachOf(config.network, { network, gateways: gateways.get(cluster)?.gateways ?? [] }), services, endpoints, joinedAt, ranges: meta?.ranges }));
    const filtered = yield* this.#consent.filter(said, this.#objects, performance.now());
    const standingOf = (cluster: string): Standing => evidence.lowered(cluster, membership.peers?.standingOf(cluster) ?? 'first');
    return filtered.map((constituent) => ({ ...constituent, standing: standingOf(constituent.cluster) }));
  }

  /** What decides between exports besides what they say. A cluster by itself has nobody to be earlier than. */
  #seniority({ views, allListed }: KnownClusters): Pick<Surroundings, 'nowMs' | 'joinedAt' | 'isSettled'> {
    return { nowMs: Date.now(), joinedAt: views.get(this.#options.config.cluster)?.member.joinedAt ?? 0, isSettled: allListed && views.size > 0 };
  }

  /** Of all members, this cluster first; empty before it has joined. */
  memberReports(): readonly MemberReport[] {
    const { config: { cluster, network, trustDomain }, membership, version } = this.#options;
    return memberReports({ cluster, network, trustDomain, version, exports: this.exports.size, membership, heldOf: (peer) => this.#guards.heldOf(peer), nowMs: Date.now() });
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
      isComplete: this.#believed.isComplete,
      allComplete: this.#believed.all,
      isProvisional: this.#believed.isProvisional,
      allListed: membership.allListed,
    });
    this.#tellReplicas(bundles);
  }

  #tellReplicas(bundles: ReadonlyMap<string, TrustBundle>): void {
    const { ads, config, replicas } = this.#options;
    // The record of this cluster says it, which was made before.
    if (this.#trust.update(bundles, (trustDomain) => isConfirmedByAll(ads.confirmation(TRUST_BUNDLE_TYPE, trustDomain)))) this.lookAtTrust();
    replicas?.report({ v: 1, roots: bundleDigest(this.#ownTrust()), ...ads.confirmation(TRUST_BUNDLE_TYPE, config.trustDomain), trusted: this.#trust.trusted(config.cluster) });
  }

  #ownTrust(): OwnTrust {
    const { config, roots } = this.#options;
    return { cluster: config.cluster, trustDomain: config.trustDomain, roots: roots() };
  }

  /** How far the roots of this cluster's own trust domain have come. */
  rootsToldTo(): { readonly agents: AgentsOfAll; readonly membersBehind: readonly string[]; readonly allListed: boolean } {
    const { ads, membership, config, replicas } = this.#options;
    const agents = agentsOfAll(ads.confirmation(TRUST_BUNDLE_TYPE, config.trustDomain), bundleDigest(this.#ownTrust()), replicas?.others() ?? []);
    return { agents, membersBehind: membersBehind(this.#ownTrust(), membership.views()), allListed: membership.allListed };
  }

  /** A part of many at a time, so that agents need not wait for all to hear of the next change. */
  async #writePolicyStatuses(): Promise<boolean> {
    if (!this.#statusesAreDue || !this.#leadership.isLeading) return true;
    const { isWritten, hasMore } = await writePolicyStatuses([...this.judgedPolicies, ...this.#traffic.judged, ...this.#registry.judgedRoutes()], this.#options.writer, new Date());
    this.#statusesAreDue = hasMore || !isWritten;
    if (hasMore) this.#changed.resolve();
    return isWritten;
  }

  /** Likewise. */
  async #writeEntryStatuses(): Promise<boolean> {
    if (!this.#leadership.isLeading) return true;
    const { isWritten, hasMore } = await this.#entryStatuses.write(new Date());
    if (hasMore) this.#changed.resolve();
    return isWritten;
  }

  async #writeImportPolicyStatuses(): Promise<boolean> {
    return !this.#leadership.isLeading || (await this.#importPolicyStatuses.write(this.#consent.judged, this.#consent.report, new Date(), performance.now()));
  }

  async #writeProperties(): Promise<boolean> {
    const { config, membership, writer } = this.#options;
    return !this.#leadership.isLeading || (await writeClusterProperties(this.#objects, writer, { cluster: config.cluster, clusterset: membership.clusterset }));
  }

  #count(): void {
    this.#consentMetrics.set(this.#consent.judged, this.#consent.report);
    this.#metrics.set(this.#options.membership, this.exports.size, this.imports);
  }
}
