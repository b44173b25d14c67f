/** The bus side of a cluster, without its API server: it publishes, follows the others, and remembers what it lost of them. */
import type { RecordBody } from '@landbridge/core/records.ts';
import { type BeatChannel, natsBeatChannel } from '@landbridge/federation/bus/beat-channel.ts';
import { busKey, MEMBERS, splitBusKey } from '@landbridge/federation/bus/bus.ts';
import { type NatsBus, openNatsBusAt } from '@landbridge/federation/bus/nats-bus.ts';
import { ALONE, type Leadership } from '@landbridge/federation/leadership/leadership.ts';
import { ExportGuards } from '@landbridge/federation/peers/export-guards.ts';
import type { PeerPhase } from '@landbridge/federation/peers/peer-health.ts';
import { PeerWatch } from '@landbridge/federation/peers/peer-watch.ts';
import { endpoint, endpoints, exampleAuthority, type ExampleKeys, exampleMemberBytes, meta, service, wish } from '@landbridge/federation/records/example-records.ts';
import { keepMembers } from '@landbridge/federation/records/member-keeper.ts';
import { type ClusterView, emptyPeers, type PeerState, reducePeers, views } from '@landbridge/federation/records/peer-table.ts';
import { Publisher } from '@landbridge/federation/records/publisher.ts';
import { pino } from 'pino';
import { type FaultTimes, SHORT_TIMES } from './fault-times.ts';

export interface FaultMemberOptions {
  readonly cluster: string;
  readonly keys: ExampleKeys;
  readonly servers: readonly string[];
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly leadership?: Leadership;
  /** Makes the bucket, and writes the member records. */
  readonly founds?: ReadonlyMap<string, ExampleKeys>;
  /** Servers of the hub that keep each record. */
  readonly replicas?: number;
  readonly times?: FaultTimes;
}

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });

export class FaultMember implements AsyncDisposable {
  readonly cluster: string;
  /** `<peer> <export>` of all that vanished here, in the order in which it did. */
  readonly lost: string[] = [];
  /** `<peer> <phase>` of all changes. */
  readonly phases: string[] = [];
  readonly bus: NatsBus;
  readonly watch: PeerWatch;
  readonly publisher: Publisher;
  readonly #stop: AbortController;
  readonly #running: Promise<unknown>;
  readonly #guards: ExportGuards;
  readonly #known = new Map<string, ReadonlySet<string>>();
  #guarded: ReadonlyMap<string, ClusterView> = new Map();
  #names: readonly string[] | undefined;
  #state: PeerState = emptyPeers(exampleAuthority.publicKey);

  private constructor(options: FaultMemberOptions, bus: NatsBus, stop: AbortController) {
    const { cluster, keys, clock = Date.now, leadership = ALONE, times = SHORT_TIMES } = options;
    this.cluster = cluster;
    this.bus = bus;
    this.#stop = stop;
    this.#guards = new ExportGuards(times.guard);
    this.publisher = new Publisher(bus, { cluster, privateKey: keys.privateKey, clock, log, leadership, ...times.publisher });
    const channel: BeatChannel = natsBeatChannel(bus, cluster, log);
    this.watch = new PeerWatch({
      cluster,
      privateKey: keys.privateKey,
      channel,
      bus,
      publisher: this.publisher,
      peers: () => this.#state,
      isBehind: () => false,
      take: (key, value) => this.#take({ kind: 'entry', key, value, revision: 0 }),
      leadership,
      times: times.peers,
      stalePolicy: 'deprioritize',
      digestTimes: times.digests,
      clock,
      onChange: () => {
        this.#note();
        this.#republish();
      },
      log,
    });
    this.#running = Promise.all([this.#read(stop.signal), this.publisher.run(stop.signal), this.watch.run(stop.signal), this.#found(options.founds, stop.signal), options.founds === undefined ? undefined : keepMembers(bus, { authorityPublicKey: exampleAuthority.publicKey, leadership, log }, stop.signal)]);
  }

  static async start(options: FaultMemberOptions): Promise<FaultMember> {
    const stop = new AbortController();
    const { times: { heartbeatMs } = SHORT_TIMES, replicas = 1 } = options;
    const bus = await openNatsBusAt({ access: { servers: options.servers }, createBucket: options.founds !== undefined, replicas, clusterName: options.cluster, log, signal: stop.signal, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) });
    return new FaultMember(options, bus, stop);
  }

  /** Services of these names, each with an endpoint. */
  publish(names: Iterable<string>): void {
    this.#names = [...names];
    this.#republish();
  }

  #republish(): void {
    if (this.#names === undefined) return;
    const bodies: RecordBody[] = this.#names.flatMap((name) => [service(name), endpoints(name, 0, endpoint(`${this.cluster}-${name}`))]);
    this.publisher.publish(wish({ ...meta, ...(this.watch.hasHeardItself ? { beats: true } : {}) } as RecordBody, ...bodies));
  }

  /** Names of what a peer exports, as it is used here. */
  exportsOf(peer: string): string[] {
    this.#note();
    return [...(this.#guarded.get(peer)?.services.keys() ?? [])].map((key) => key.slice('shop/'.length)).sort();
  }

  isComplete(peer: string): boolean {
    return views(this.#state).get(peer)?.complete === true;
  }

  /** Exports of a peer that are held. */
  heldOf(peer: string): number {
    this.#note();
    return this.#guards.heldOf(peer);
  }

  phaseOf(peer: string): PeerPhase | undefined {
    return this.watch.phaseOf(peer);
  }

  get rejected(): PeerState['rejected'] {
    return this.#state.rejected;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.bus[Symbol.asyncDispose]();
  }

  async #read(signal: AbortSignal): Promise<void> {
    for await (const event of this.bus.watch('>', signal)) this.#take(event);
  }

  #take(event: Parameters<typeof reducePeers>[1]): void {
    const before = this.#state;
    this.#state = reducePeers(before, event, Date.now());
    const place = event.kind === 'entry' && this.#state !== before ? splitBusKey(event.key) : undefined;
    if (place?.recordKey === 'sync') this.watch.sawSync(place.cluster);
    this.#note();
  }

  #note(): void {
    const known = [...views(this.#state).values()].filter((view) => view.counts && view.cluster !== this.cluster);
    this.#guarded = new Map(this.#guards.apply(known, () => new Set(), performance.now()).map((view) => [view.cluster, view]));
    for (const [peer, { services }] of this.#guarded) {
      for (const key of this.#known.get(peer) ?? []) if (!services.has(key)) this.lost.push(`${peer} ${key.slice('shop/'.length)}`);
      this.#known.set(peer, new Set(services.keys()));
    }
    for (const { cluster } of known) {
      const text = `${cluster} ${this.watch.phaseOf(cluster) ?? ''}`;
      if (this.phases.findLast((each) => each.startsWith(`${cluster} `)) !== text) this.phases.push(text);
    }
  }

  async #found(members: FaultMemberOptions['founds'], signal: AbortSignal): Promise<void> {
    for (const [cluster, keys] of members ?? []) {
      while (!signal.aborted) {
        try {
          await this.bus.put(busKey(MEMBERS, cluster), exampleMemberBytes(cluster, keys), signal);
          break;
        } catch {
          // The hub is not there yet.
        }
      }
    }
  }
}
