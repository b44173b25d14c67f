import { fromBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema, type DeltaDiscoveryRequest } from '@landbridge/wire/gen/discovery_pb.js';
import { CLUSTER_DOMAIN } from '@landbridge/core/names.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';
import { decodeDialReport, type DialReport } from '@landbridge/wire/dial-report.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, DIAL_REPORT_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Authenticator } from '../ca/authenticator.ts';
import { inSlices } from '../in-slices.ts';
import { metrics } from '../metrics.ts';
import { answerSize, encodeAnswer } from './answer.ts';
import { AnswerBudget } from './answer-budget.ts';
import { Asking } from './asking.ts';
import { Following } from './following.ts';
import { OnDemandIndex } from './on-demand-index.ts';
import { ResourceLog } from './resource-log.ts';
import { type Delta, delta, mayRemove, mayReplace, type Snapshot } from './snapshot.ts';

/** One agent asks for this many types at most. */
const MAX_TYPES = 16;
const NOTHING: Delta = { updated: [], removed: [] };
/** Above this an answer counts among those of which all agents together have some under way. */
const LARGE_ANSWER_BYTES = 1024 * 1024;
/** An agent that takes longer to confirm an answer is cut off, so that others have its place; it comes again with what it has. */
const CONFIRM_MS = 60_000;

/** Of one agent, which sends one in 5 s, and one in a second at most; more say nothing. */
const DIAL_REPORTS = { burst: 5, perSecond: 1 };

interface Subscription {
  readonly progress: Progress;
  /** The answer that the client has not confirmed yet: one at a time, so that a slow client is told less often. */
  nonce: string | undefined;
  answered: boolean;
  /** Whether the client refused something of what it was told last. */
  isRefused: boolean;
  /** Of the answer under way, where it is a large one. */
  largeBytes: number;
}

/** What a client has, as far as it was told. Of addresses there are too many to remember for each client which ones it has. */
type Progress = { readonly kind: 'versions'; readonly known: Map<string, string> } | { readonly kind: 'log'; readonly following: Following } | { readonly kind: 'asking'; readonly asking: Asking };

/** How many agents follow a resource, and how many of them have said that they have it as it is now. */
export interface Confirmation {
  readonly connected: number;
  readonly confirmed: number;
}

export const isConfirmedByAll = ({ connected, confirmed }: Confirmation): boolean => connected === confirmed;

type Call = ServerDuplexStream<Buffer, Buffer>;

interface Stream {
  readonly call: Call;
  readonly subscriptions: Map<string, Subscription>;
  readonly push: () => void;
  /** Of answers that are not confirmed, by type. */
  readonly timers: Map<string, NodeJS.Timeout>;
  node: string;
  /** As the agent names its cluster. */
  readonly cluster: string;
  isCut: boolean;
  /** The answers that are being written. */
  written: Promise<void>;
}

export interface AdsOptions {
  readonly budget?: AnswerBudget;
  readonly confirmMs?: number;
  /** The cluster's own, such as `cluster.local`. */
  readonly clusterDomain?: string;
  /** Called with what a node's agent says of its connections into other clusters. */
  readonly onDials?: (node: string, report: DialReport) => void;
}

/** Delta ADS (envoy.service.discovery.v3) with wildcard subscriptions, as node proxies use it. */
export class AdsService {
  readonly #authenticator: Authenticator;
  readonly #log: Logger;
  readonly #streams = new Set<Stream>();
  #snapshot: Snapshot | undefined;
  readonly #trustConfirmed = new Set<() => void>();
  readonly #addresses = new ResourceLog();
  /** Made when the first agent comes that does not follow all addresses; undefined in the meantime too. */
  #onDemand: OnDemandIndex | undefined;
  #isIndexing = false;
  /** Names that changed while the index is being made. */
  readonly #unindexed = new Set<string>();
  readonly #budget: AnswerBudget;
  readonly #confirmMs: number;
  readonly #clusterDomain: string;
  readonly #onDials: AdsOptions['onDials'];
  #nonce = 0;

  constructor(authenticator: Authenticator, log: Logger, { budget = new AnswerBudget(), confirmMs = CONFIRM_MS, clusterDomain = CLUSTER_DOMAIN, onDials }: AdsOptions = {}) {
    this.#onDials = onDials;
    this.#authenticator = authenticator;
    this.#log = log;
    this.#budget = budget;
    this.#confirmMs = confirmMs;
    this.#clusterDomain = clusterDomain;
  }

  /** Tells all streams what changed. Nothing is told before the first snapshot. */
  publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#addresses.update(snapshot.types.get(ADDRESS_TYPE) ?? new Map(), (name) => mayRemove(snapshot, ADDRESS_TYPE, name), snapshot.changed?.get(ADDRESS_TYPE));
    this.#index(snapshot.changed?.get(ADDRESS_TYPE));
    for (const [type, resources] of snapshot.types) metrics.discoveryResources.set({ type: type.slice(type.lastIndexOf('.') + 1) }, resources.size);
    for (const stream of this.#streams) stream.push();
  }

  /** Who has the resource of this moment, which is no address. Agents that do not follow its type are not asked for it. */
  confirmation(typeUrl: string, name: string): Confirmation {
    const version = this.#snapshot?.types.get(typeUrl)?.get(name)?.version;
    const following = [...this.#streams].flatMap(({ subscriptions }) => subscriptions.get(typeUrl) ?? []);
    return { connected: following.length, confirmed: following.filter(({ progress, nonce, isRefused }) => nonce === undefined && !isRefused && version !== undefined && progress.kind === 'versions' && progress.known.get(name) === version).length };
  }

  /** Called whenever an agent has answered to roots, or has left. */
  onTrustAnswered(answered: () => void): Disposable {
    this.#trustConfirmed.add(answered);
    return { [Symbol.dispose]: () => this.#trustConfirmed.delete(answered) };
  }

  readonly handle: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    this.#serve(call).catch((thrown: unknown) => {
      const error = LandbridgeError.from(thrown);
      const denied = error.code === 'unauthenticated';
      call.emit('error', { code: denied ? status.UNAUTHENTICATED : status.UNAVAILABLE, details: error.message });
    });
  };

  async #serve(call: Call): Promise<void> {
    const subscriptions = new Map<string, Subscription>();
    const stream: Stream = { call, subscriptions, push: () => this.#push(stream), timers: new Map(), node: '', cluster: String(call.metadata.get('clusterid')[0] ?? ''), isCut: false, written: Promise.resolve() };
    // Requests may come while the token is reviewed: the stream keeps them until it is read.
    const caller = await this.#authenticator.agent(call.metadata, call.getPeer());
    if (call.cancelled) return;
    stream.node = caller.node;
    this.#streams.add(stream);
    metrics.agents.set(this.#streams.size);
    const end = (): void => {
      if (!this.#streams.delete(stream)) return;
      stream.isCut = true;
      this.#budget.forget(stream.push);
      for (const timer of stream.timers.values()) clearTimeout(timer);
      for (const subscription of subscriptions.values()) this.#confirmed(subscription);
      metrics.agents.set(this.#streams.size);
      for (const confirmed of this.#trustConfirmed) confirmed();
      this.#log.info({ node: caller.node }, 'agent left');
    };
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
    call.on('end', () => {
      end();
      call.end();
    });
    this.#log.info({ node: caller.node }, 'agent follows');
    const dialBudget = new TokenBucket(DIAL_REPORTS, performance.now());
    call.on('data', (bytes: Buffer) => {
      let request: DeltaDiscoveryRequest;
      try {
        request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
      } catch (thrown) {
        call.emit('error', { code: status.INVALID_ARGUMENT, details: `not a DeltaDiscoveryRequest: ${String(thrown)}` });
        return;
      }
      if (request.typeUrl === DIAL_REPORT_TYPE) {
        if (caller.role === 'node' && dialBudget.take(performance.now())) this.#onDials?.(caller.node, decodeDialReport(request.initialResourceVersions));
        return;
      }
      this.#request(request, stream);
      stream.push();
    });
  }

  #request(request: DeltaDiscoveryRequest, stream: Stream): void {
    const { subscriptions, node } = stream;
    let subscription = subscriptions.get(request.typeUrl);
    const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request;
    if (subscription === undefined) {
      if (subscriptions.size >= MAX_TYPES) return;
      subscription = { progress: this.#progressOf(request), nonce: undefined, answered: false, isRefused: false, largeBytes: 0 };
      subscriptions.set(request.typeUrl, subscription);
    } else if (subscription.progress.kind === 'asking') subscription.progress.asking.ask(subscribe, unsubscribe);
    if (request.responseNonce === '' || request.responseNonce !== subscription.nonce) return;
    subscription.nonce = undefined;
    clearTimeout(stream.timers.get(request.typeUrl));
    this.#confirmed(subscription);
    subscription.isRefused = request.errorDetail !== undefined;
    if (request.typeUrl === TRUST_BUNDLE_TYPE) for (const confirmed of this.#trustConfirmed) confirmed();
    if (request.errorDetail === undefined) return;
    // The client keeps what it had of the resources that it refused; they are told again when they change.
    metrics.discoveryRefused.inc({ type: request.typeUrl.slice(request.typeUrl.lastIndexOf('.') + 1) });
    this.#log.warn({ node, type: request.typeUrl, error: request.errorDetail.message.slice(0, 500) }, 'an agent refused resources');
  }

  /** Who asks for names follows these alone; `*` that is taken back in the same request means that names will come (XDS_ON_DEMAND of ztunnel). */
  #progressOf({ typeUrl, resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe, initialResourceVersions }: DeltaDiscoveryRequest): Progress {
    const known = new Map(Object.entries(initialResourceVersions));
    if (typeUrl !== ADDRESS_TYPE) return { kind: 'versions', known };
    const remove = (name: string): boolean => this.#snapshot !== undefined && mayRemove(this.#snapshot, ADDRESS_TYPE, name);
    const replace = (name: string): boolean => this.#snapshot === undefined || mayReplace(this.#snapshot, name);
    const followsAll = (subscribe.length === 0 && unsubscribe.length === 0) || (subscribe.includes('*') && !unsubscribe.includes('*'));
    if (followsAll) return { kind: 'log', following: new Following(this.#addresses, known, remove, replace) };
    const index = (this.#onDemand ??= new OnDemandIndex(this.#clusterDomain));
    void this.#makeIndex(index);
    return { kind: 'asking', asking: new Asking(index, () => this.#addresses.resources, { known, asked: subscribe }, remove, replace) };
  }

  /** ztunnel does not know by what names to ask for its own pods, and waits until it is told of them, as istiod does unasked. Our agents ask for them by their addresses, and are told the hosts that nobody can ask for. */
  #unasked({ cluster, node, subscriptions }: Stream): Iterable<string> {
    return (subscriptions.has(TRUST_BUNDLE_TYPE) ? this.#onDemand?.hosts : this.#onDemand?.onNode(cluster, node)) ?? [];
  }

  /** Before all is indexed what is there would be answered as absent, and a first answer is taken for all that there is unasked. */
  #isTooEarly(progress: Progress): boolean {
    return progress.kind === 'asking' && (this.#isIndexing || this.#unindexed.size > 0);
  }

  /** `names` are those that changed; all may have where they are not known. */
  #index(names: Iterable<string> | undefined): void {
    if (this.#onDemand === undefined) return;
    for (const name of names ?? [...this.#onDemand.names(), ...this.#addresses.resources.keys()]) this.#unindexed.add(name);
    void this.#makeIndex(this.#onDemand);
  }

  /** Brings the index up to date, all of it at first, and tells what waits for it. */
  async #makeIndex(index: OnDemandIndex): Promise<void> {
    if (this.#isIndexing) return;
    this.#isIndexing = true;
    if (index.isEmpty) for (const name of this.#addresses.resources.keys()) this.#unindexed.add(name);
    while (this.#unindexed.size > 0) {
      const names = [...this.#unindexed];
      this.#unindexed.clear();
      await inSlices(index.update(this.#addresses.resources, names));
    }
    this.#isIndexing = false;
    for (const stream of this.#streams) stream.push();
  }

  #push(stream: Stream): void {
    const snapshot = this.#snapshot;
    const { subscriptions } = stream;
    if (snapshot === undefined || stream.isCut) return;
    const tell = (typeUrl: string, subscription: Subscription, what: Delta): void => this.#tell(stream, typeUrl, subscription, what);
    const missing = (typeUrl: string): Delta => {
      const progress = subscriptions.get(typeUrl)?.progress;
      if (progress === undefined) return NOTHING;
      if (progress.kind === 'versions') return delta(snapshot, typeUrl, progress.known);
      if (progress.kind === 'asking') return this.#isTooEarly(progress) ? NOTHING : progress.asking.missing(this.#unasked(stream));
      const found = progress.following.missing();
      if (found === undefined) this.#cut(stream, 'too much has changed since the last answer');
      return found ?? NOTHING;
    };
    const policies = subscriptions.get(AUTHORIZATION_TYPE);
    // A policy is told before a workload names it, and taken away when none does any more: in between it would be as if there was none.
    if (policies !== undefined) tell(AUTHORIZATION_TYPE, policies, { ...missing(AUTHORIZATION_TYPE), removed: [] });
    const isNamedTooEarly = missing(AUTHORIZATION_TYPE).updated.length > 0;
    for (const [typeUrl, subscription] of subscriptions) {
      // What is missing is not even looked for while an answer is under way.
      if (typeUrl !== AUTHORIZATION_TYPE && subscription.nonce === undefined && !this.#isTooEarly(subscription.progress) && !(typeUrl === ADDRESS_TYPE && isNamedTooEarly)) tell(typeUrl, subscription, missing(typeUrl));
    }
    if (policies === undefined || missing(AUTHORIZATION_TYPE).removed.length === 0) return;
    const addresses = missing(ADDRESS_TYPE);
    if (addresses.updated.length === 0 && addresses.removed.length === 0) tell(AUTHORIZATION_TYPE, policies, missing(AUTHORIZATION_TYPE));
  }

  /** Nothing while an answer of the type is under way: whoever confirms it is told what is missing then. */
  #tell(stream: Stream, typeUrl: string, subscription: Subscription, what: Delta): void {
    const { updated, removed } = what;
    // The first answer is sent even if it is empty: the client waits for it to know that it has everything.
    if (stream.isCut || subscription.nonce !== undefined || (updated.length === 0 && removed.length === 0 && subscription.answered)) return;
    const bytes = answerSize(what, typeUrl);
    const isLarge = bytes > LARGE_ANSWER_BYTES;
    if (isLarge && !this.#budget.take(bytes, stream.push)) return;
    subscription.largeBytes = isLarge ? bytes : 0;
    subscription.answered = true;
    const nonce = String(++this.#nonce);
    subscription.nonce = nonce;
    markTold(subscription.progress, what);
    const timer = setTimeout(() => {
      if (subscription.nonce === nonce) this.#cut(stream, 'an answer was not confirmed in time');
    }, this.#confirmMs);
    timer.unref();
    stream.timers.set(typeUrl, timer);
    // One after the other: what is told first has to arrive first.
    stream.written = stream.written.then(async () => {
      const answer = await inSlices(encodeAnswer(typeUrl, nonce, what));
      if (!stream.isCut) stream.call.write(answer);
    });
  }

  #confirmed(subscription: Subscription): void {
    if (subscription.largeBytes === 0) return;
    const { largeBytes } = subscription;
    subscription.largeBytes = 0;
    this.#budget.giveBack(largeBytes);
  }

  /** Ends a stream; its agent comes again and says what it has. */
  #cut(stream: Stream, reason: string): void {
    if (stream.isCut) return;
    stream.isCut = true;
    metrics.discoveryCut.inc();
    this.#log.warn({ node: stream.node, reason }, 'an agent has to come again');
    stream.call.emit('error', { code: status.UNAVAILABLE, details: reason });
  }
}

function markTold(progress: Progress, what: Delta): void {
  const { updated, removed } = what;
  switch (progress.kind) {
    case 'versions':
      for (const [name, { version }] of updated) progress.known.set(name, version);
      for (const name of removed) progress.known.delete(name);
      return;
    case 'asking':
      progress.asking.told(what);
      return;
    case 'log':
      progress.following.told();
      return;
    default:
      return progress satisfies never;
  }
}
