/**
 * One connection of a captured application, from accept to end. Long because it is one state machine: whichever way the
 * connection goes, it may fail before any byte was delivered and go another way.
 */
import { randomFillSync } from 'node:crypto';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { formatForwarded, formatTraceparent, TRACEPARENT_BYTES } from '@landbridge/wire/hbone-headers.ts';
import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { HeaderField } from '@landbridge/wire/hpack.ts';
import type { ResponseHead } from '@landbridge/wire/http2-request.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { Failure, FailureReason } from '../hbone/failure.ts';
import type { Http2Stream, StreamEnd, StreamListener } from '../hbone/http2-stream.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import { type RelayEnd, RelayPair } from '../hbone/relay-pair.ts';
import { SocketPair, type SocketPairState } from '../hbone/socket-pair.ts';
import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedConnection, LocalState, OutboundState } from '../handover/handed-state.ts';
import type { Arrival, HandedListener, Movable, MovableKind, MovingListener } from '../handover/movable.ts';
import type { PooledSession, SessionWaiter } from '../hbone/session-pool.ts';
import type { DataThread } from './data-thread.ts';
import { dial, neverAccelerate } from './dialer.ts';
import { DoubleTunnel, type DoubleTunnelListener } from './double-tunnel.ts';
import { LocalDelivery } from './local-delivery.ts';
import { PendingDial } from './pending-dial.ts';
import { sourceFor } from './pod-identity.ts';
import { relayOutcome } from './relay-outcome.ts';
import type { Route, RouteWaiter } from './route-cache.ts';
import type { PodConnection, ThreadPod } from './thread-pod.ts';
import type { Carriage, ConnectionView, ResponseFlag } from './thread-messages.ts';
import type { Metered, Series } from './traffic-counter.ts';

/** Endpoints that one connection tries. */
const MAX_ATTEMPTS = 3;
/** Times that a stream which its peer refused unseen is begun again. */
const MAX_REFUSALS = 3;
const OK_STATUS = 200;
/** Refusals by policy, of agents and of waypoints: another endpoint has the same. */
const DENIED: ReadonlySet<number> = new Set([401, 403]);

const random = Buffer.alloc(TRACEPARENT_BYTES * 64);
let randomAt = random.length;

/** Random bytes in stock: a call for each connection costs more than the bytes. */
function nextTraceparent(): string {
  if (randomAt === random.length) {
    randomFillSync(random);
    randomAt = 0;
  }
  return formatTraceparent(random.subarray(randomAt, (randomAt += TRACEPARENT_BYTES)));
}

export class OutboundConnection implements RouteWaiter, SessionWaiter, StreamListener, NearOwner, PodConnection, Metered, Movable, Arrival, MovingListener {
  readonly #thread: DataThread;
  readonly #pod: ThreadPod;
  readonly #socket: PlainSocket;
  readonly #source: SocketAddress;
  readonly #destination: SocketAddress;
  readonly startedAtMs: number;
  series: Series;
  reportedSent = 0;
  reportedReceived = 0;
  #route: Route | undefined;
  #candidate: Candidate | undefined;
  /** Whether the chooser counts the candidate's dial, or its connection. */
  #counted: 'no' | 'dialing' | 'open' = 'no';
  #attempts = 0;
  #tried: Set<string> | undefined;
  /** Of these, gateways behind which an endpoint failed: they choose one for each connection, and may choose another. */
  #passable: Set<string> | undefined;
  #stream: Http2Stream | undefined;
  #pair: SocketPair | undefined;
  #local: LocalDelivery | undefined;
  #upstream: PendingDial | undefined;
  #peer: SpiffeId | undefined;
  /** What a way that led nowhere took from the application, until another one carries it. */
  #eager: readonly Buffer[] = [];
  #refusals = 0;
  #traceparent = '';
  #isMetered = false;
  #isClosed = false;

  constructor(thread: DataThread, pod: ThreadPod, socket: PlainSocket, source: SocketAddress, destination: SocketAddress, startedAtMs = thread.loop.nowMs) {
    this.#thread = thread;
    this.#pod = pod;
    this.#socket = socket;
    this.#source = source;
    this.#destination = destination;
    this.startedAtMs = startedAtMs;
    this.series = thread.unknownOutbound(pod);
  }

  /** As another process had it; what carries it is the caller's to join. */
  static arrive(thread: DataThread, pod: ThreadPod, socket: PlainSocket, state: OutboundState): OutboundConnection {
    const connection = new OutboundConnection(thread, pod, socket, state.source, state.destination, thread.loop.nowMs - state.ageMs);
    const { carriage, destinationLabels, service, candidate } = state;
    connection.series = thread.traffic.seriesOf({ direction: 'outbound', carriage, source: pod.spec.labels, destination: destinationLabels, service });
    connection.#candidate = candidate === undefined ? undefined : { ...candidate, hop: carriage === 'local' ? 'hbone' : carriage, identities: [], innerIdentities: [], localPod: undefined, target: undefined, weight: 1, rank: 0, labels: destinationLabels };
    connection.#peer = state.peer;
    connection.#traceparent = state.traceparent;
    connection.#isMetered = true;
    return connection;
  }

  /** As {@link arrive}, with the pair that carries it. */
  static arrivePlain(thread: DataThread, pod: ThreadPod, state: OutboundState, pair: SocketPairState): OutboundConnection {
    const arrived = SocketPair.arrive(thread.loop, pair, (end) => connection.#relayed(end));
    const connection = OutboundConnection.arrive(thread, pod, arrived.client, state);
    connection.#pair = arrived;
    return connection;
  }

  get sentBytes(): number {
    return this.#stream?.bytesSent ?? this.#pair?.relay.sentBytes ?? this.#local?.sentBytes ?? 0;
  }

  get receivedBytes(): number {
    return this.#stream?.bytesReceived ?? this.#pair?.relay.receivedBytes ?? this.#local?.receivedBytes ?? 0;
  }

  begin(): void {
    this.#socket.owner = this;
    this.#pod.outbound.add(this);
    this.#thread.routes.find(this.#pod.spec, this.#destination, this);
  }

  /** The application's side before anything carries it: only its failure matters. */
  onNear(): void {
    if (this.#socket.hasFailed) return this.#end('CONNECT', 'the application reset the connection');
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    if (upstream.socket.hasFailed) return this.#plainFailed(upstream);
    if (upstream.socket.isConnected) this.#joinPlain(upstream);
  }

  onNoRoute(): void {
    this.#end('CONNECT', 'discovery has not told anything in time');
  }

  onRoute(route: Route): void {
    if (this.#isClosed) return;
    this.#route = route;
    this.#thread.routes.hold(route);
    this.#choose();
  }

  #choose(): void {
    const { plan } = this.#route as Route;
    switch (plan?.kind) {
      case 'passthrough':
        return this.#dialPlain(this.#destination.ip, this.#destination.port);
      case 'balance':
        break;
      default:
        return this.#end('CONNECT', plan?.reason ?? 'there is no route');
    }
    const { chooser, series } = this.#route as Route;
    const choice = chooser.choose(plan, { sourceIp: this.#source.ip, exclude: this.#tried, nowMs: this.#thread.loop.nowMs });
    if (choice.kind === 'overloaded') return this.#end('CONNECT', 'too many connections to this service at once');
    if (choice.kind === 'none') return this.#end('CONNECT', 'no further endpoint');
    const { candidate } = choice;
    this.#candidate = candidate;
    chooser.dialing(candidate.id);
    this.#counted = 'dialing';
    const known = series.get(candidate.id);
    if (known?.candidate === candidate) this.series = known.series;
    else {
      this.series = this.#thread.traffic.seriesOf({ direction: 'outbound', carriage: this.#carriageOf(candidate), source: this.#pod.spec.labels, destination: candidate.labels, service: plan.service });
      series.set(candidate.id, { candidate, series: this.series });
    }
    this.#begin(candidate);
  }

  #localPodOf(candidate: Candidate): ThreadPod | undefined {
    if (candidate.localPod === undefined || candidate.target === undefined || this.#thread.tuning.sameNode !== 'relay') return undefined;
    return this.#thread.pods.get(candidate.localPod);
  }

  #carriageOf(candidate: Candidate): Carriage {
    return this.#localPodOf(candidate) === undefined ? candidate.hop : 'local';
  }

  #begin(candidate: Candidate): void {
    const local = this.#localPodOf(candidate);
    if (local !== undefined) return this.#deliver(candidate, local);
    if (candidate.hop === 'plain') return this.#dialPlain(candidate.address, candidate.port);
    neverAccelerate(this.#pod.spec, this.#source);
    // A pod may call before its certificate is there: it has just started, and the authority is slow or is being replaced.
    this.#thread.whenCertified([this.#pod], () => {
      if (!this.#isClosed) this.#askTunnel(candidate);
    });
  }

  // -- Plain TCP

  #dialPlain(ip: string, port: number): void {
    neverAccelerate(this.#pod.spec, this.#source);
    const pending = PendingDial.follow(this.#thread, this.#pod.spec, dial(this.#pod.spec, ip, port), this);
    if (!pending.ok) return this.#attemptFailed(pending.error.text, 'CONNECT');
    this.#upstream = pending.value;
    if (pending.value.socket.isConnected) this.#joinPlain(pending.value);
  }

  #plainFailed(upstream: PendingDial): void {
    this.#upstream = undefined;
    upstream.giveUp();
    this.#attemptFailed('the connection could not be made', 'CONNECT');
  }

  #joinPlain(upstream: PendingDial): void {
    this.#upstream = undefined;
    const socket = upstream.take();
    this.#opened();
    const { relay } = (this.#pair = new SocketPair(this.#socket, socket, new RelayPair(this.#thread.loop, this.#socket, socket, (end) => this.#relayed(end))));
    relay.sendFirst(this.#eager);
    this.#eager = [];
    relay.run();
  }

  #relayed(end: RelayEnd): void {
    this.#end(...relayOutcome(end, 'server'));
  }

  // -- Within the node

  #deliver(candidate: Candidate, local: ThreadPod): void {
    const target = candidate.target as SocketAddress;
    this.#peer = local.spec.identity;
    this.#local = new LocalDelivery(this.#thread, { client: this.#pod, server: local, socket: this.#socket, source: sourceFor(this.#pod.spec, this.#source, target), target, service: undefined, eager: this.#eager }, {
      onOpen: () => {
        this.#eager = [];
        this.#opened();
      },
      onRefused: (flag, text, mayRetry) => {
        this.#socket.owner = this;
        this.#local = undefined;
        if (mayRetry) this.#attemptFailed(text, flag);
        else this.#end(flag, text);
      },
      onClosed: (flag, error) => this.#end(flag, error),
    });
    this.#local.begin();
  }

  // -- Tunnels

  #askTunnel(candidate: Candidate): void {
    const asked = this.#thread.askTunnel(this.#pod, candidate, this);
    if (!asked.ok) this.#attemptFailed(asked.error.text, flagOf(asked.error), isVerdict(asked.error));
  }

  onNoSession(failure: Failure): void {
    if (this.#isClosed) return;
    this.#attemptFailed(`tunnel to ${(this.#candidate as Candidate).address}: ${failure.text}`, flagOf(failure), isVerdict(failure));
  }

  onSession({ session, peer }: PooledSession): void {
    if (this.#isClosed) return;
    const candidate = this.#candidate as Candidate;
    const stream = session.open(this.#headers(candidate));
    if (stream === undefined) return this.#attemptFailed('the tunnel takes no further stream', 'CONNECT');
    this.#thread.pool.used(session);
    if (candidate.hop === 'double-hbone') return this.#throughGateway(candidate, stream);
    this.#peer = peer;
    this.#join(stream);
  }

  #join(stream: Http2Stream): void {
    this.#stream = stream;
    stream.listener = this;
    stream.join(this.#socket);
    this.#socket.owner = stream;
    if (this.#eager.length > 0) stream.sendAgain(this.#eager);
    this.#eager = [];
    stream.onNear();
  }

  #throughGateway(candidate: Candidate, outer: Http2Stream): void {
    const context = this.#thread.contextOf(this.#pod);
    if (context === undefined) {
      outer.reset();
      return this.#attemptFailed('there is no certificate of this workload', 'IDENTITY_ERROR');
    }
    const listener: DoubleTunnelListener = {
      onInner: (session, peer) => {
        const stream = this.#isClosed ? undefined : session.open([...this.#headers(candidate), ['x-forwarded-network', this.#pod.spec.network]]);
        if (stream === undefined) return session.abort({ reason: 'closed', text: 'the client has gone' });
        this.#peer = peer;
        this.#join(stream);
      },
      onInnerFailed: (failure) => {
        if (this.#isClosed) return;
        if (outer.hasHead && !OF_GATEWAY.has(failure.reason)) this.#failedBehind(candidate);
        this.#attemptFailed(`tunnel through the gateway ${candidate.address}: ${failure.text}`, flagOf(failure), isVerdict(failure));
      },
    };
    new DoubleTunnel(this.#thread, candidate.address, outer, { candidate, context, listener }).begin();
  }

  #headers(candidate: Candidate): HeaderField[] {
    const { plan } = this.#route as Route;
    const service = plan?.kind === 'balance' ? plan.service?.hostname : undefined;
    this.#traceparent = nextTraceparent();
    const headers: HeaderField[] = [
      [':method', 'CONNECT'],
      [':authority', candidate.authority],
    ];
    if (this.#pod.spec.baggage !== '') headers.push(['baggage', this.#pod.spec.baggage]);
    headers.push(['forwarded', formatForwarded(this.#source, service)], ['traceparent', this.#traceparent]);
    return headers;
  }

  onHead(stream: Http2Stream, { status }: ResponseHead): void {
    if (status === OK_STATUS) {
      this.#opened();
      stream.settle();
      return;
    }
    this.#refusedWith(stream, status);
  }

  /** Nothing reached the application: what was sent eagerly may be sent elsewhere, unless policy said no. */
  #refusedWith(stream: Http2Stream, status: number): void {
    const text = `http status: ${status}`;
    this.#leave(stream);
    stream.reset();
    if (DENIED.has(status)) return this.#end('DENY', text);
    this.#failedBehind(this.#candidate);
    this.#attemptFailed(text, 'CONNECT');
  }

  #failedBehind(candidate: Candidate | undefined): void {
    if (candidate?.hop === 'double-hbone') (this.#passable ??= new Set()).add(candidate.id);
  }

  /** Takes the application's side back from a stream. */
  #leave(stream: Http2Stream): void {
    this.#eager = [...stream.takeEager()];
    stream.listener = undefined;
    stream.near = undefined;
    this.#stream = undefined;
    this.#socket.owner = this;
  }

  onClosed(stream: Http2Stream, end: StreamEnd): void {
    if (this.#isClosed || stream !== this.#stream) return;
    const isBefore = !stream.hasHead;
    // Nothing was done for it, and nothing is wrong with the peer: the same one may be asked over another connection (RFC 9113, section 8.7).
    if (isBefore && end.kind === 'refused' && this.#candidate !== undefined && ++this.#refusals <= MAX_REFUSALS) {
      this.#leave(stream);
      return this.#begin(this.#candidate);
    }
    if (isBefore && (end.kind === 'refused' || (end.kind === 'connection-lost' && !stream.hasSentData))) {
      this.#leave(stream);
      this.#failedBehind(this.#candidate);
      return this.#attemptFailed('the tunnel ended before it answered', 'CONNECT');
    }
    switch (end.kind) {
      case 'complete':
        return this.#end('-', undefined);
      case 'near-failed':
        return this.#end(isBefore ? 'CONNECT' : '-', 'reset by the client');
      case 'peer-reset':
        return this.#end('CONNECT', `reset by the peer (${end.code})`);
      default:
        return this.#end('CONNECT', isBefore ? 'the tunnel ended before it answered' : 'the tunnel was lost');
    }
  }

  // -- Ends

  #meter(): void {
    if (this.#isMetered) return;
    this.#isMetered = true;
    this.#thread.traffic.opened(this);
  }

  #opened(): void {
    this.#meter();
    if (this.#counted !== 'dialing') return;
    this.#counted = 'open';
    const candidate = this.#candidate as Candidate;
    this.#route?.chooser.opened(candidate.id);
    this.#thread.traffic.dialed(candidate.labels.cluster, true);
  }

  #attemptFailed(text: string, flag: ResponseFlag, isVerdict = flag === 'IDENTITY_ERROR'): void {
    if (this.#isClosed) return;
    const candidate = this.#candidate;
    if (candidate === undefined || this.#route === undefined) return this.#end(flag, text);
    if (this.#counted === 'dialing') {
      this.#route.chooser.failed(candidate.id, this.#thread.loop.nowMs);
      this.#thread.traffic.dialed(candidate.labels.cluster, false);
    }
    this.#counted = 'no';
    this.#tried ??= new Set();
    this.#tried.add(candidate.id);
    const isFinal = isVerdict || ++this.#attempts >= MAX_ATTEMPTS || this.#socket.hasFailed;
    const { plan } = this.#route;
    if (isFinal || plan?.kind !== 'balance' || !this.#isAnyLeft(plan.candidates)) return this.#end(flag, text);
    this.#choose();
  }

  /** Other ways go before one that led to an endpoint which failed. */
  #isAnyLeft(candidates: readonly Candidate[]): boolean {
    const isLeft = ({ id }: Candidate): boolean => this.#tried?.has(id) !== true;
    if (candidates.some(isLeft)) return true;
    for (const id of this.#passable ?? []) this.#tried?.delete(id);
    this.#passable = undefined;
    return candidates.some(isLeft);
  }

  #end(flag: ResponseFlag, error: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forgetRoute();
    this.#pod.outbound.delete(this);
    this.#meter();
    this.#thread.traffic.closed(this, { flag, error }, this.#thread.loop.nowMs, () => ({
      sourceAddress: formatSocketAddress(this.#source),
      destinationAddress: this.#candidate === undefined ? formatSocketAddress(this.#destination) : formatSocketAddress({ ip: this.#candidate.address, port: this.#candidate.port }),
      hboneAddress: this.#candidate?.authority === '' ? undefined : this.#candidate?.authority,
      sourceIdentity: this.#peer === undefined ? undefined : this.#pod.spec.identity,
      destinationIdentity: this.#peer,
      traceId: this.#traceparent === '' ? undefined : this.#traceparent.slice(3, 35),
    }));
    this.#upstream?.giveUp();
    this.#thread.forgetWaiter(this.#pod, this.#candidate, this);
    if (this.#stream === undefined || this.#stream.isClosed) this.#socket.close(flag !== '-' || error !== undefined);
  }

  #forgetRoute(): void {
    const route = this.#route;
    if (route === undefined) return;
    const id = this.#candidate?.id;
    if (id !== undefined && this.#counted === 'open') route.chooser.closed(id);
    else if (id !== undefined && this.#counted === 'dialing') route.chooser.abandoned(id);
    this.#thread.routes.release(route);
  }

  cut(reason: string, flag: 'DENY' | 'CONNECT'): void {
    const [stream, pair, local] = [this.#stream, this.#pair, this.#local];
    this.#end(flag, reason);
    stream?.reset();
    pair?.relay.cut();
    local?.cut();
    this.#socket.close(true);
  }

  // -- From one process to the next

  get kind(): MovableKind {
    return this.#local === undefined ? 'outbound' : 'local';
  }

  get connections(): number {
    return 1;
  }

  get sockets(): number {
    return 2;
  }

  /** In a tunnel it moves with that. */
  get movable(): Movable | undefined {
    return this.#stream === undefined ? this : undefined;
  }

  get stays(): StayReason | undefined {
    if (this.#local !== undefined) return this.#local.stays;
    if (this.#pair === undefined) return 'unsettled';
    return this.#pair.hasFailed ? 'ending' : undefined;
  }

  freeze(): void {
    (this.#local ?? this.#pair)?.freeze();
  }

  get handed(): HandedConnection {
    if (this.#local !== undefined) return { kind: 'local', state: { connection: this.state, ...this.#local.state } };
    return { kind: 'outbound', state: { connection: this.state, pair: (this.#pair as SocketPair).state } };
  }

  /** All of it but what carries it. */
  get state(): OutboundState {
    const { carriage, destination, service } = this.series.labels;
    const candidate = this.#candidate;
    return {
      podUid: this.#pod.spec.uid,
      source: this.#source,
      destination: this.#destination,
      ageMs: this.#thread.loop.nowMs - this.startedAtMs,
      carriage,
      destinationLabels: destination,
      service,
      candidate: candidate === undefined ? undefined : { id: candidate.id, address: candidate.address, port: candidate.port, authority: candidate.authority },
      peer: this.#peer,
      traceparent: this.#traceparent,
    };
  }

  get handedListener(): HandedListener | undefined {
    return { kind: 'outbound', state: this.state };
  }

  /** As {@link arrive}, with the stream that carries it. */
  static arriveInTunnel(thread: DataThread, pod: ThreadPod, stream: Http2Stream, socket: PlainSocket, state: OutboundState): OutboundConnection {
    const connection = OutboundConnection.arrive(thread, pod, socket, state);
    connection.#stream = stream;
    return connection;
  }

  /** As {@link arrive}, within the node. */
  static arriveLocal(thread: DataThread, pod: ThreadPod, server: ThreadPod, { connection: state, source, target, service, ageMs, pair }: LocalState): OutboundConnection {
    const local = LocalDelivery.arrive(thread, { client: pod, server, source, target, service }, ageMs, pair, {
      onOpen: () => {},
      onRefused: (flag, text) => connection.#end(flag, text),
      onClosed: (flag, error) => connection.#end(flag, error),
    });
    const connection = OutboundConnection.arrive(thread, pod, local.socket, state);
    connection.#local = local;
    return connection;
  }

  thaw(): void {
    (this.#local ?? this.#pair)?.thaw();
  }

  leave(): void {
    this.#isClosed = true;
    this.#forgetRoute();
    this.#pod.outbound.delete(this);
    this.#thread.traffic.handedOver(this);
    (this.#local ?? this.#pair)?.leave();
  }

  start(): void {
    this.#thread.traffic.arrived(this);
    this.#pod.outbound.add(this);
    if (this.#candidate !== undefined) this.#thread.routes.find(this.#pod.spec, this.#destination, { onRoute: (route) => this.#countAt(route, this.#candidate as Candidate), onNoRoute: () => {} });
    if (this.#local !== undefined) this.#local.start();
    else this.#pair?.thaw();
  }

  /** The endpoint's load is what it was, once it is known who chooses among them. */
  #countAt(route: Route, { id }: Candidate): void {
    if (this.#isClosed) return;
    this.#route = route;
    this.#thread.routes.hold(route);
    route.chooser.dialing(id);
    route.chooser.opened(id);
    this.#counted = 'open';
  }

  view(nowMs: number): ConnectionView {
    return {
      direction: 'outbound',
      carriage: this.series.labels.carriage,
      source: formatSocketAddress(this.#source),
      destination: formatSocketAddress(this.#candidate === undefined ? this.#destination : { ip: this.#candidate.address, port: this.#candidate.port }),
      hboneAddress: this.#candidate?.authority === '' ? undefined : this.#candidate?.authority,
      sourceIdentity: this.#peer === undefined ? undefined : this.#pod.spec.identity,
      destinationIdentity: this.#peer,
      service: this.series.labels.service?.hostname,
      openForMs: nowMs - this.startedAtMs,
      sentBytes: this.sentBytes,
      receivedBytes: this.receivedBytes,
    };
  }
}

/** Handshakes that ended before either side had judged the other. */
const UNDECIDED: ReadonlySet<FailureReason> = new Set<FailureReason>(['tls-timeout', 'tls-truncated', 'tls-busy']);

/** Failures of a tunnel through a gateway that are the gateway's own: it went away, or found no endpoint. */
const OF_GATEWAY: ReadonlySet<FailureReason> = new Set<FailureReason>(['closed', 'dial-unreachable']);

/** A peer that is somebody else is not asked again, nor is another one in its place: nothing good explains it. */
const isVerdict = (failure: Failure): boolean => flagOf(failure) === 'TLS_FAILURE' && !UNDECIDED.has(failure.reason);

/** How Istio's metrics call a failure of a tunnel. */
function flagOf({ reason }: Failure): ResponseFlag {
  if (reason === 'dial-timeout') return 'NETWORK_POLICY';
  if (reason === 'identity' || reason === 'trust-domain' || reason.startsWith('tls-')) return 'TLS_FAILURE';
  return reason.startsWith('h2-') ? 'H2_HANDSHAKE_FAILURE' : 'CONNECT';
}
