/** A cluster in memory with the part of the service that computes and writes, for tests. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { RecordBody } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import { pino } from 'pino';
import type { Membership } from '../hub/membership.ts';
import type { Publication } from '../conditions/export-conditions.ts';
import { MemoryObjectSource } from '../kubernetes/memory-object-source.ts';
import type { ResourceKind } from '../kubernetes/object-source.ts';
import type { Change } from '../outputs/changes.ts';
import type { StatusKind, Writer } from '../outputs/writer.ts';
import { isWhole } from '../records/cluster-view.ts';
import type { KnownClusters } from '../records/known-clusters.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import type { OtherReplica, ReplicaReport } from '../leadership/replica-report.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import type { GuardTimes } from '../peers/export-guard.ts';
import { tellings } from '../peers/member-events.ts';
import type { PeerPhase } from '../peers/peer-health.ts';
import type { PeerStatus } from '../peers/peer-status.ts';
import type { Standing } from '../peers/standing.ts';
import type { ClusterView } from '../records/peer-table.ts';
import type { DialEvidence } from '../peers/dial-evidence.ts';
import type { AdsService, Confirmation } from '../xds/ads-service.ts';
import type { Snapshot } from '../xds/snapshot.ts';
import { Clusterset } from './clusterset.ts';

const STATUS_KINDS = { serviceimports: 'ServiceImport', serviceexports: 'ServiceExport', authorizationpolicies: 'AuthorizationPolicy', peerauthentications: 'PeerAuthentication', serviceentries: 'ServiceEntry', workloadentries: 'WorkloadEntry', destinationrules: 'DestinationRule', importpolicies: 'ImportPolicy', serviceroutes: 'ServiceRoute' } as const satisfies Record<StatusKind, string>;

/** What this cluster knows of the others; tests change it. */
export interface ExampleMembership {
  views: ReadonlyMap<string, ClusterView>;
  allListed: boolean;
  published: ReadonlyMap<string, RecordBody>;
  /** What becomes of records of exports. */
  publication: Publication;
  /** Of peers; `first` where left out. */
  standings: ReadonlyMap<string, Standing>;
  phases: ReadonlyMap<string, PeerPhase>;
}

export function exampleView(cluster: string, more: Partial<Pick<ClusterView, 'services' | 'endpoints' | 'complete' | 'counts' | 'isProvisional' | 'meta' | 'member'>> = {}): ClusterView {
  return { cluster, member: exampleMember(cluster, exampleKeys(), { network: '' }), meta: undefined, services: new Map(), endpoints: new Map(), complete: true, counts: more.complete ?? true, overflow: 0, records: 0, changedAt: 1, ...more };
}

/** The resources of a snapshot are the registry's, which change in the next pass, one after the other. */
const asOfNow = (snapshot: Snapshot): Snapshot => ({ ...snapshot, types: new Map([...snapshot.types].map(([type, resources]) => [type, new Map(resources)])) });

export class ExampleCluster implements AsyncDisposable {
  readonly membership: ExampleMembership = { views: new Map(), allListed: true, published: new Map(), publication: { kind: 'stored' }, standings: new Map(), phases: new Map() };
  /** `<verb> <kind> <name>` of all that was written. */
  readonly written: string[] = [];
  readonly told: Snapshot[] = [];
  /** Of this cluster's own trust domain. */
  roots: readonly Buffer[] = [Buffer.from('root')];
  /** Of any resource, by agents. */
  confirmation: Confirmation = { connected: 0, confirmed: 0 };
  /** Of what peers withdraw; nothing waits unless a test says so. */
  guardTimes: GuardTimes = { settleMs: 0, holdMs: 60_000 };
  /** Peers of which agents say that they can not connect. */
  readonly doubted = new Set<string>();
  /** `<member> <type> <reason>` of events that were told. */
  readonly events: string[] = [];
  /** What tells agents, in the place of {@link told}, and hears what they say, in the place of {@link doubted}. */
  agents: { readonly ads: Pick<AdsService, 'publish' | 'confirmation'>; readonly evidence: Pick<DialEvidence, 'lowered'> } | undefined;
  /** Names of kinds whose writes fail. */
  readonly refused = new Set<string>();
  /** Names of kinds that can not be listed at first. */
  readonly unreachable = new Set<string>();
  /** Of the replica that runs. */
  readonly leadership = new ExampleLeadership(true);
  /** What the other replicas say, and what this one has said last. */
  otherReplicas: readonly OtherReplica[] = [];
  report: ReplicaReport | undefined;
  clusterset: Clusterset;
  readonly #sources = new Map<string, MemoryObjectSource>();
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  #uids = 0;

  readonly #name: string;
  readonly #real: Membership | undefined;

  /** With a membership of a real hub in the place of {@link membership}, whose `onChange` is to notify {@link clusterset}. */
  constructor(name = 'east', real?: Membership) {
    this.#name = name;
    this.#real = real;
    this.clusterset = this.#make();
    this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  }

  put(object: KubernetesObject): void {
    this.source(object.kind ?? '').put(object);
  }

  remove(kind: string, name: string, namespace: string | undefined = 'shop'): void {
    this.source(kind).remove(namespace, name);
  }

  source(kind: string): MemoryObjectSource {
    const found = this.#sources.get(kind);
    if (found === undefined) throw new RangeError(`nobody looks at ${kind}`);
    return found;
  }

  list(kind: string): readonly KubernetesObject[] {
    return this.#sources.get(kind)?.list() ?? [];
  }

  /** Takes up what was said after it was made. */
  renew(): this {
    this.clusterset = this.#make();
    return this;
  }

  start(): this {
    this.#running = this.clusterset.run(this.#stop.signal);
    return this;
  }

  /** The service begins anew and knows nothing of others yet; the objects are still there. */
  async restart(membership: Partial<ExampleMembership>): Promise<void> {
    await this.#end();
    Object.assign(this.membership, membership);
    this.written.length = 0;
    this.told.length = 0;
    this.#stop = new AbortController();
    this.clusterset = this.#make();
    this.start();
    await this.settle();
  }

  /** Waits until nothing happens any more. */
  async settle(): Promise<void> {
    const passes = this.told.length;
    this.clusterset.notify();
    // On a busy machine the next pass may take longer than it is quiet otherwise. There is none while something can not be listed.
    if (!this.#isHeldUp) await until('a pass', () => this.told.length > passes);
    // Longer than one pass may wait for the next.
    for (let quiet = 0, before = -1; quiet < 5; before = this.written.length + this.told.length) {
      await sleep(30);
      quiet = this.written.length + this.told.length === before ? quiet + 1 : 0;
    }
  }

  get #isHeldUp(): boolean {
    return [...this.#sources.values()].some(({ isReachable }) => !isReachable) || [...this.unreachable].some((kind) => !this.#sources.has(kind));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #make(): Clusterset {
    const { membership } = this;
    const known = (): KnownClusters => {
      const { views, allListed } = membership;
      const isComplete = (cluster: string): boolean => isWhole(views.get(cluster));
      return { views, isComplete, allListed, allComplete: allListed && [...views.keys()].every(isComplete) };
    };
    const fake: Partial<Membership> = {
      views: () => membership.views,
      known,
      isComplete: (cluster) => known().isComplete(cluster),
      publish: (records) => void (membership.published = records),
      publishedRecords: () => membership.published.size,
      hubState: () => ({ kind: 'none' }),
      clusterset: 'unknown',
      publicationOf: () => membership.publication,
      takePublished: () => [...this.clusterset.exports.keys()],
      members: () => [...membership.views.values()].map(({ member }) => member),
      peers: { statusOf: (cluster) => statusOf(membership.phases.get(cluster)), phaseOf: (cluster) => membership.phases.get(cluster), standingOf: (cluster) => membership.standings.get(cluster) ?? 'first', ownState: 'connected', ownSinceMs: 0, hasHeardItself: false },
    };
    Object.defineProperties(fake, { allListed: { get: () => known().allListed }, allComplete: { get: () => known().allComplete } });
    const writer: Pick<Writer, 'write' | 'writeStatus' | 'applyStatus' | 'writesAtOnce'> = {
      writesAtOnce: 4,
      write: async (change) => this.#write(change),
      writeStatus: async (plural, object, status) => this.#writeStatus(plural, object, status),
      applyStatus: async (_, object) => this.#applyStatus(object),
    };
    return new Clusterset({
      config: { cluster: this.#name, trustDomain: `${this.#name}.landbridge`, network: '', domain: 'cluster.local', gateways: [], podRanges: [], serviceRanges: [], rootNamespace: 'landbridge-system', istioShape: 'ambient', logLevel: 'silent', peers: { stalePolicy: 'deprioritize', staleAfterSeconds: 60, dropAfterSeconds: 0 }, ca: { source: 'self', secret: 'cacerts', directory: '/nowhere', signerName: '', approves: true, rootsConfigMap: '', rootsKey: '' }, namespace: 'landbridge-system' },
      sourceOf: (kind) => this.#sourceOf(kind),
      membership: this.#real ?? (fake as Membership),
      writer: writer as Writer,
      ads: (this.agents?.ads ?? { publish: (snapshot) => void this.told.push(asOfNow(snapshot)), confirmation: () => this.confirmation }) as AdsService,
      roots: () => this.roots,
      version: '0.1.0',
      leadership: this.leadership,
      guardTimes: this.guardTimes,
      evidence: this.agents?.evidence ?? { lowered: (cluster, standing) => (standing === 'first' && this.doubted.has(cluster) ? 'last' : standing) },
      events: { tell: (report, before) => void this.events.push(...tellings(report, before).map(({ type, reason }) => `${report.cluster} ${type} ${reason}`)) },
      replicas: { others: () => this.otherReplicas, report: (report) => void (this.report = report) },
      log: pino({ level: 'silent' }),
    });
  }

  #sourceOf(kind: ResourceKind): MemoryObjectSource {
    const known = this.#sources.get(kind.kind);
    if (known !== undefined) return known;
    const made = new MemoryObjectSource(kind);
    if (this.unreachable.has(kind.kind)) made.setReachable(false);
    this.#sources.set(kind.kind, made);
    return made;
  }

  #write({ verb, object }: Change): boolean {
    const { kind = '', metadata } = object;
    const { name = '', namespace } = metadata ?? {};
    this.written.push(`${verb} ${kind} ${name}`);
    if (this.refused.has(kind)) return false;
    const source = this.source(kind);
    const before = source.stored(namespace, name) as (KubernetesObject & { status?: object }) | undefined;
    if (verb === 'delete') source.remove(namespace, name);
    else {
      const completed = JSON.parse(JSON.stringify({ status: before?.status, ...object })) as KubernetesObject & { spec?: { clusterIP?: string; clusterIPs?: string[] } };
      completed.metadata = { ...completed.metadata, uid: before?.metadata?.uid ?? `uid-${++this.#uids}` };
      if (kind === 'Service' && completed.spec !== undefined) completed.spec.clusterIPs = [(completed.spec.clusterIP ??= '10.96.0.7')];
      source.put(completed);
    }
    return true;
  }

  #applyStatus(object: KubernetesObject): boolean {
    const { kind = '', metadata } = object;
    this.written.push(`status ${kind} ${metadata?.name}`);
    if (this.refused.has(kind)) return false;
    return this.#mergeStatus(object, (JSON.parse(JSON.stringify(object)) as { status: object }).status);
  }

  #writeStatus(plural: StatusKind, object: KubernetesObject, status: object): boolean {
    this.written.push(`status ${plural} ${object.metadata?.name}`);
    const kind = STATUS_KINDS[plural];
    if (this.refused.has(kind)) return false;
    // What is gone has no status, as the writer takes it.
    this.#mergeStatus({ ...object, kind }, JSON.parse(JSON.stringify(status)) as object);
    return true;
  }

  /** False where there is no such object: the write of a status makes none. */
  #mergeStatus({ kind = '', metadata }: KubernetesObject, status: object): boolean {
    const source = this.source(kind);
    const stored = source.stored(metadata?.namespace, metadata?.name ?? '');
    if (stored !== undefined) source.put({ ...stored, status } as KubernetesObject);
    return stored !== undefined;
  }
}

function statusOf(phase: PeerPhase | undefined): PeerStatus | undefined {
  return phase === undefined ? undefined : { phase, sinceMs: 1_700_000_000_000, heardMs: 1_700_000_000_000, differs: false };
}

/** A cluster that exports a service with one endpoint. */
export function exporting(): ExampleCluster {
  const cluster = new ExampleCluster();
  cluster.put(exampleService('cart', { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }));
  cluster.put(examplePod('cart-1'));
  cluster.put(exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }));
  cluster.put(exampleExport('cart'));
  return cluster;
}

export async function settled(cluster: ExampleCluster): Promise<ExampleCluster> {
  cluster.start();
  await cluster.settle();
  return cluster;
}
