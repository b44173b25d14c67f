/** A cluster in memory with the part of the service that computes and writes, for tests. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { RecordBody } from '@landbridge/core/records.ts';
import { pino } from 'pino';
import type { Membership } from '../hub/membership.ts';
import { MemoryObjectSource } from '../kubernetes/memory-object-source.ts';
import type { ResourceKind } from '../kubernetes/object-source.ts';
import type { Change } from '../outputs/changes.ts';
import type { StatusKind, Writer } from '../outputs/writer.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import type { AdsService, Confirmation } from '../xds/ads-service.ts';
import type { Snapshot } from '../xds/snapshot.ts';
import { Clusterset } from './clusterset.ts';

const STATUS_KINDS = { serviceimports: 'ServiceImport', serviceexports: 'ServiceExport', authorizationpolicies: 'AuthorizationPolicy', peerauthentications: 'PeerAuthentication' } as const satisfies Record<StatusKind, string>;

/** What this cluster knows of the others; tests change it. */
export interface ExampleMembership {
  views: ReadonlyMap<string, ClusterView>;
  allListed: boolean;
  published: ReadonlyMap<string, RecordBody>;
}

export function exampleView(cluster: string, more: Partial<Pick<ClusterView, 'services' | 'endpoints' | 'complete' | 'meta' | 'member'>> = {}): ClusterView {
  return { cluster, member: exampleMember(cluster, exampleKeys(), { network: '' }), meta: undefined, services: new Map(), endpoints: new Map(), complete: true, changedAt: 1, ...more };
}

export class ExampleCluster implements AsyncDisposable {
  readonly membership: ExampleMembership = { views: new Map(), allListed: true, published: new Map() };
  /** `<verb> <kind> <name>` of all that was written. */
  readonly written: string[] = [];
  readonly told: Snapshot[] = [];
  /** Of this cluster's own trust domain. */
  roots: readonly Buffer[] = [Buffer.from('root')];
  /** Of any resource, by agents. */
  confirmation: Confirmation = { connected: 0, confirmed: 0 };
  /** Names of kinds whose writes fail. */
  readonly refused = new Set<string>();
  /** Names of kinds that can not be listed at first. */
  readonly unreachable = new Set<string>();
  clusterset: Clusterset;
  readonly #sources = new Map<string, MemoryObjectSource>();
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  #uids = 0;

  constructor() {
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
    this.clusterset.notify();
    for (let quiet = 0, before = -1; quiet < 3; before = this.written.length + this.told.length) {
      await sleep(30);
      quiet = this.written.length + this.told.length === before ? quiet + 1 : 0;
    }
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
    const isComplete = (cluster: string): boolean => membership.views.get(cluster)?.complete === true;
    const fake: Partial<Membership> = {
      views: () => membership.views,
      isComplete,
      publish: (records) => void (membership.published = records),
      publishedRecords: () => membership.published.size,
      hubState: () => ({ kind: 'none' }),
    };
    Object.defineProperties(fake, { allListed: { get: () => membership.allListed }, allComplete: { get: () => membership.allListed && [...membership.views.keys()].every(isComplete) } });
    const writer: Pick<Writer, 'write' | 'writeStatus'> = {
      write: async (change) => this.#write(change),
      writeStatus: async (plural, object, status) => this.#writeStatus(plural, object, status),
    };
    return new Clusterset({
      config: { cluster: 'east', trustDomain: 'east.landbridge', network: '', domain: 'cluster.local', rootNamespace: 'landbridge-system', logLevel: 'silent', ca: { source: 'self', secret: 'cacerts', directory: '/nowhere' }, namespace: 'landbridge-system' },
      sourceOf: (kind) => this.#sourceOf(kind),
      membership: fake as Membership,
      writer: writer as Writer,
      ads: { publish: (snapshot) => void this.told.push(snapshot), confirmation: () => this.confirmation } as Pick<AdsService, 'publish' | 'confirmation'> as AdsService,
      roots: () => this.roots,
      version: '0.1.0',
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
    const before = source.get(namespace, name) as (KubernetesObject & { status?: object }) | undefined;
    if (verb === 'delete') source.remove(namespace, name);
    else {
      const completed = JSON.parse(JSON.stringify({ status: before?.status, ...object })) as KubernetesObject & { spec?: { clusterIP?: string; clusterIPs?: string[] } };
      completed.metadata = { ...completed.metadata, uid: before?.metadata?.uid ?? `uid-${++this.#uids}` };
      if (kind === 'Service' && completed.spec !== undefined) completed.spec.clusterIPs = [(completed.spec.clusterIP ??= '10.96.0.7')];
      source.put(completed);
    }
    return true;
  }

  #writeStatus(plural: StatusKind, object: KubernetesObject, status: object): boolean {
    this.written.push(`status ${plural} ${object.metadata?.name}`);
    const kind = STATUS_KINDS[plural];
    if (this.refused.has(kind)) return false;
    this.source(kind).put({ ...(this.source(kind).get(object.metadata?.namespace, object.metadata?.name ?? '') ?? object), status: JSON.parse(JSON.stringify(status)) } as KubernetesObject);
    return true;
  }
}
