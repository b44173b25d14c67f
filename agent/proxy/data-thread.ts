/**
 * One data thread: everything that it holds, and what the main thread tells it. Long because it is the one place where
 * the parts of the thread meet; what happens to a connection is in the files of connections.
 */
import { X509Certificate } from 'node:crypto';
import { authorize, type ConnectionFacts } from '@landbridge/core/authorization.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { errnoOf } from '@landbridge/native/errno.ts';
import { ipOf, portOf } from '@landbridge/native/socket-address.ts';
import { accept, acceptedPeer, close, lastErrno, setNoDelay, socketName } from '@landbridge/native/stream-socket.ts';
import type { TlsContext } from '@landbridge/native/tls-context.ts';
import { DeadlineList } from '../hbone/deadline-list.ts';
import type { EventLoop } from '../hbone/event-loop.ts';
import type { Failure, FailureReason } from '../hbone/failure.ts';
import { HandshakeTurns } from '../hbone/handshake-turns.ts';
import type { Http2Session, SessionBudget } from '../hbone/http2-session.ts';
import { PlainSocket } from '../hbone/plain-socket.ts';
import type { Movable } from '../handover/movable.ts';
import { type Dial, type PooledSession, type PoolKey, SessionPool, type SessionWaiter } from '../hbone/session-pool.ts';
import { TlsChannel } from '../hbone/tls-channel.ts';
import type { TrustBundles } from '../identity/peer.ts';
import type { TlsOverStream } from '../hbone/tls-over-stream.ts';
import { dial, originalDestination } from './dialer.ts';
import type { DoubleTunnel } from './double-tunnel.ts';
import { InboundSession } from './inbound-session.ts';
import { OutboundConnection } from './outbound-connection.ts';
import { OutboundTunnel } from './outbound-tunnel.ts';
import { PeerJudge } from './peer-judge.ts';
import { PlaintextConnection } from './plaintext-connection.ts';
import { ReaderWatch } from './reader-watch.ts';
import { RouteCache } from './route-cache.ts';
import { ThreadArrivals } from './thread-arrivals.ts';
import { ThreadCertificates } from './thread-certificates.ts';
import { ThreadHandover } from './thread-handover.ts';
import type { ThreadPod } from './thread-pod.ts';
import type { ConnectionTuning, Direction, FromThread, HandoverOutcome, InboundAnswer, PodSpec, ToThread } from './thread-messages.ts';
import { type Series, TrafficCounter, UNKNOWN_WORKLOAD } from './traffic-counter.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A peer is asked so often (PING, RFC 9113, section 6.7), and has as long to send anything. */
const KEEPALIVE_MS = 10_000;
/** Handshakes under way; a flood beyond is closed at accept. */
const MAX_HANDSHAKES = 10_000;
const ACCEPTS_PER_ROUND = 64;
/** Descriptors are used up: nothing is accepted for this time. */
const ACCEPT_PAUSE_MS = 100;
const NO_DESCRIPTORS: ReadonlySet<number> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'].map(errnoOf));
const MAX_VIEWS = 10_000;
/** For a certificate that is missing. */
const WANT_AGAIN_MS = 1000;
/** Anyone can dial the capture port: at most one line in this time. */
const STRAY_WARNING_MS = 1000;

export type PostMessage = (message: FromThread) => void;

export class DataThread {
  readonly loop: EventLoop;
  readonly tuning: ConnectionTuning;
  readonly traffic: TrafficCounter;
  readonly routes: RouteCache;
  readonly pool: SessionPool;
  readonly judge = new PeerJudge();
  readonly budget: SessionBudget = { grownWindows: 0, held: 0 };
  readonly pods = new Map<string, ThreadPod>();
  /** Dials of applications and of plain endpoints. */
  readonly dialing: DeadlineList<PlainSocket>;
  readonly innerHandshakes = new DeadlineList<TlsOverStream>(HANDSHAKE_TIMEOUT_MS, (channel) => channel.abandon());
  /** Whose inner sessions are open. */
  readonly doubleTunnels = new Set<DoubleTunnel>();
  readonly readers: ReaderWatch;
  readonly #turns: HandshakeTurns;
  readonly #handshakes = new DeadlineList<TlsChannel>(HANDSHAKE_TIMEOUT_MS, (channel) => channel.abandon('tls-timeout', 'the handshake took too long'));
  readonly #speaking = new DeadlineList<Http2Session>(HANDSHAKE_TIMEOUT_MS, (session) => session.abort({ reason: 'h2-preface', text: 'the peer did not begin to speak HTTP/2 in time' }));
  readonly #keepalive = new DeadlineList<Http2Session>(KEEPALIVE_MS, (session) => this.#checkAlive(session));
  readonly #paused = new DeadlineList<{ readonly fd: number; readonly resume: () => void }>(ACCEPT_PAUSE_MS, ({ resume }) => resume());
  readonly #certificates: ThreadCertificates;
  /** When certificates were asked for that are not there. */
  readonly #wanted = new Map<SpiffeId, number>();
  readonly #serverSessions = new Map<Http2Session, InboundSession>();
  readonly #post: PostMessage;
  readonly #handover = new ThreadHandover(this);
  readonly #arrivals = new ThreadArrivals(this);
  /** As they were looked at by a hand-over. */
  readonly #outboundTunnels = new WeakMap<PooledSession, OutboundTunnel>();
  readonly #inboundQuestions = new Map<number, (answer: InboundAnswer) => void>();
  readonly #listeners = new Map<number, { readonly pod: ThreadPod; readonly take: (fd: number) => void }>();
  /** Of connections, for what their pods lack. */
  readonly #waits: DeadlineList<{ readonly done: (isThere: boolean) => void }>;
  #strayWarnedMs = Number.NEGATIVE_INFINITY;
  #nextQuestion = 0;
  #handshakesDone = 0;
  #isDraining = false;

  constructor(loop: EventLoop, tuning: ConnectionTuning, post: PostMessage) {
    this.loop = loop;
    this.readers = new ReaderWatch(loop);
    this.#turns = new HandshakeTurns(loop);
    this.tuning = tuning;
    this.#post = post;
    this.#certificates = new ThreadCertificates((error) => post({ kind: 'warning', text: 'a certificate can not be used', fields: { error: error.message } }));
    this.traffic = new TrafficCounter(tuning.accessLog);
    this.routes = new RouteCache(loop, tuning.resolveTimeoutMs, post);
    this.dialing = new DeadlineList(tuning.dialTimeoutMs, (socket) => socket.abandon());
    this.#waits = new DeadlineList(tuning.resolveTimeoutMs, ({ done }) => done(false));
    this.pool = new SessionPool(loop, { maxStreams: tuning.maxStreamsPerConnection, idleMs: tuning.poolIdleMs, dialTimeoutMs: tuning.dialTimeoutMs }, this.budget, {
      onSession: (session, isOpen) => this.#watchSession(session, isOpen),
      onFailure: (failure) => this.tunnelFailed('outbound', failure.reason, failure.text, {}),
    });
    for (const list of [this.dialing, this.innerHandshakes, this.#handshakes, this.#speaking, this.#keepalive, this.#paused, this.#waits]) loop.watch(list);
  }

  handle(message: ToThread): void {
    if (this.#handover.defers(message)) return;
    switch (message.kind) {
      case 'handover-begin':
        this.#handover.begin();
        return this.#tellHandover(message.id, { kind: 'done' });
      case 'handover-rehearse':
        return this.#tellHandover(message.id, this.#handover.rehearse(message.sockets));
      case 'handover-next':
        return this.#tellHandover(message.id, this.#handover.next(message.limit, message.taker));
      case 'handover-count':
        return this.#tellHandover(message.id, { kind: 'staying', staying: this.#handover.staying() });
      case 'handover-commit':
        return this.#handover.commit();
      case 'handover-rollback':
        this.#handover.rollback(message.why);
        return this.#tellHandover(message.id, { kind: 'done' });
      case 'handover-prepare':
        return this.#tellHandover(message.id, this.#arrivals.prepare(message.id, message.memory, message.fds));
      case 'handover-take':
        return this.#tellHandover(message.id, this.#arrivals.take(message.id, message.memory, message.fds, message.word));
      case 'handover-start':
        return this.#tellHandover(message.id, { kind: 'started', atMs: this.#arrivals.start(message.prepared) });
      case 'handover-discard':
        this.#arrivals.discard(message.prepared);
        return this.#tellHandover(message.id, { kind: 'done' });
      case 'pod':
        return this.#addPod(message.pod);
      case 'pod-gone':
        return this.#removePod(message.uid, message.drainMs);
      case 'certificate':
        return this.#takeCertificate(message.identity, message.keyPem, message.chainPem);
      case 'certificate-gone':
        this.#wanted.delete(message.identity);
        return this.#certificates.delete(message.identity);
      case 'trust':
        return this.#trust(message.bundles);
      case 'policies':
        return this.#takePolicies(message.uid, message.policies);
      case 'plan':
        return this.routes.told(message.key, message.plan);
      case 'plan-revoked':
        return this.routes.revoke(message.key);
      case 'inbound-answer': {
        const answer = this.#inboundQuestions.get(message.id);
        this.#inboundQuestions.delete(message.id);
        return answer?.(message.answer);
      }
      case 'report-now':
        return this.#report(message.id);
      case 'count-now':
        return this.#post({ kind: 'counts', id: message.id, openConnections: this.traffic.open, sockets: this.loop.sockets });
      case 'list-connections':
        return this.#post({ kind: 'connections', id: message.id, connections: this.traffic.views(this.loop.nowMs, MAX_VIEWS) });
      case 'access-log':
        this.traffic.mode = message.mode;
        return;
      case 'drain':
        return this.#drain();
      case 'stop':
        return this.#stop();
      default:
        return message satisfies never;
    }
  }

  #tellHandover(id: number, outcome: HandoverOutcome): void {
    this.#post({ kind: 'handover', id, outcome });
  }

  /** All that may move to another process, or could once it has settled. */
  *movables(): Iterable<Movable> {
    for (const pod of this.pods.values()) {
      if (pod.isGone) continue;
      for (const { movable } of pod.guarded) if (movable !== undefined) yield movable;
      for (const { movable } of pod.outbound) if (movable !== undefined) yield movable;
    }
    for (const inbound of this.#serverSessions.values()) if (!inbound.pod.isGone) yield inbound;
    for (const pooled of this.pool.sessions()) if (pooled.session.streams.size > 0 && this.pods.get(pooled.key.uid)?.isGone === false) yield this.#outboundTunnel(pooled);
  }

  #outboundTunnel(pooled: PooledSession): OutboundTunnel {
    let tunnel = this.#outboundTunnels.get(pooled);
    if (tunnel === undefined) this.#outboundTunnels.set(pooled, (tunnel = new OutboundTunnel(this, pooled)));
    return tunnel;
  }

  // -- Pods and their listeners

  #addPod(spec: PodSpec): void {
    const known = this.pods.get(spec.uid);
    if (known !== undefined) {
      // What is known of a pod changes while its sockets stay.
      this.pods.set(spec.uid, Object.assign(known, { spec: { ...spec, listeners: known.spec.listeners }, unknownOutbound: undefined }));
      return;
    }
    const pod: ThreadPod = { spec, policies: undefined, guarded: new Set(), outbound: new Set(), waiting: new Set(), isGone: false };
    this.pods.set(spec.uid, pod);
    const { outbound, plaintext, hbone } = spec.listeners;
    if (outbound >= 0) this.#listen(outbound, pod, (fd) => this.#acceptOutbound(fd, pod));
    if (plaintext >= 0) this.#listen(plaintext, pod, (fd) => this.#acceptPlaintext(fd, pod));
    if (hbone >= 0) this.#listen(hbone, pod, (fd) => this.#acceptTunnel(fd, pod));
  }

  #listen(fd: number, pod: ThreadPod, take: (fd: number) => void): void {
    this.#listeners.set(fd, { pod, take });
    // Accepted connections have it from their listener.
    setNoDelay(fd);
    const handler = {
      onEvents: () => {
        for (let i = 0; i < ACCEPTS_PER_ROUND && this.#listeners.has(fd); i++) {
          const socket = accept(fd);
          if (socket < 0) {
            if (!NO_DESCRIPTORS.has(lastErrno())) return;
            // Level-triggered: it would be told again at once, and nothing could be done about it.
            this.loop.remove(fd);
            this.#post({ kind: 'warning', text: 'no descriptors are left: connections wait', fields: {} });
            return this.#paused.set({ fd, resume: () => this.#listeners.has(fd) && this.loop.add(fd, 'listener', handler) }, this.loop.nowMs);
          }
          take(socket);
        }
      },
    };
    this.loop.add(fd, 'listener', handler);
  }

  #acceptOutbound(fd: number, pod: ThreadPod): void {
    const peer = acceptedPeer;
    const source: SocketAddress = { ip: ipOf(peer), port: portOf(peer) };
    const destination = originalDestination(pod.spec, peer);
    const socket = new PlainSocket(this.loop, fd, 'connected');
    if (destination === undefined) {
      // Only what was redirected may come here: whoever dials the port, in the pod or outside, is refused.
      if (this.loop.nowMs - this.#strayWarnedMs > STRAY_WARNING_MS) {
        this.#strayWarnedMs = this.loop.nowMs;
        this.#post({ kind: 'warning', text: 'a connection to the capture port that was not redirected', fields: { pod: pod.spec.labels.workload, source: source.ip } });
      }
      return socket.close(true);
    }
    new OutboundConnection(this, pod, socket, source, destination).begin();
  }

  #acceptPlaintext(fd: number, pod: ThreadPod): void {
    const peer = acceptedPeer;
    const source: SocketAddress = { ip: ipOf(peer), port: portOf(peer) };
    const local = socketName(fd, 'local');
    const socket = new PlainSocket(this.loop, fd, 'connected');
    if (local === undefined) return socket.close(true);
    new PlaintextConnection(this, pod, socket, source, pod.spec.fixedDestination ?? { ip: ipOf(local), port: portOf(local) }).begin();
  }

  #acceptTunnel(fd: number, pod: ThreadPod): void {
    const peer = acceptedPeer;
    const remote: SocketAddress = { ip: ipOf(peer), port: portOf(peer) };
    const refuse = (text: string): void => {
      this.tunnelFailed('inbound', 'tls-busy', text, { pod: pod.spec.labels.workload, remote: remote.ip });
      close(fd);
    };
    if (this.#handshakes.size + this.#waits.size >= MAX_HANDSHAKES) return refuse('too many handshakes at once');
    this.whenCertified([pod], () => {
      // Whether it has expired is for the peer to judge.
      const context = pod.isGone ? undefined : this.contextOf(pod);
      if (context === undefined) return refuse('there is no certificate yet');
      const local = socketName(fd, 'local');
      const session = new InboundSession(this, pod, remote, local === undefined ? '' : ipOf(local));
      this.#handshakes.set(new TlsChannel(this.loop, fd, { role: 'server', isConnected: true, context, listener: session, turns: this.#turns }), this.loop.nowMs);
    });
  }

  #removePod(uid: string, drainMs: number): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return this.#post({ kind: 'pod-ended', uid });
    pod.isGone = true;
    this.#closeListeners(pod);
    for (const wait of [...pod.waiting]) wait();
    for (const [session, inbound] of this.#serverSessions) if (inbound.pod === pod) session.drain();
    const end = (): void => {
      for (const connection of [...pod.guarded, ...pod.outbound]) connection.cut('the pod is gone', 'CONNECT');
      for (const [session, inbound] of [...this.#serverSessions]) if (inbound.pod === pod) session.abort({ reason: 'drained', text: 'the pod is gone' });
      this.pool.closeAll(`${uid} `, { reason: 'drained', text: 'the pod is gone' });
      this.routes.forgetPod(uid);
      if (this.pods.get(uid) === pod) this.pods.delete(uid);
      this.#post({ kind: 'pod-ended', uid });
    };
    if (drainMs <= 0) return end();
    const list = new DeadlineList<object>(drainMs, end);
    list.set(pod, this.loop.nowMs);
    this.loop.watch(list);
  }

  #closeListeners(pod: ThreadPod): void {
    for (const [fd, listener] of [...this.#listeners]) {
      if (listener.pod !== pod) continue;
      this.#listeners.delete(fd);
      this.loop.close(fd);
    }
  }

  // -- Certificates and trust

  #takeCertificate(identity: SpiffeId, keyPem: string, chainPem: string): void {
    this.#wanted.delete(identity);
    if (this.#certificates.set(identity, keyPem, chainPem)) this.#wakeWaiting(identity);
  }

  #wakeWaiting(identity: SpiffeId): void {
    for (const pod of this.pods.values()) if (pod.spec.identity === identity) for (const wait of [...pod.waiting]) wait();
  }

  /** OpenSSL is told all roots; which of them may vouch for a peer is judged afterwards. */
  #trust(bundles: readonly (readonly [string, readonly string[]])[]): void {
    const before = this.judge.bundles;
    this.judge.trust(new Map(bundles.map(([domain, roots]) => [domain, roots.map((pem) => new X509Certificate(pem))])));
    if (isWithdrawn(before, this.judge.bundles)) this.#reviewPeers();
    for (const identity of this.#certificates.trust([...new Set(bundles.flatMap(([, roots]) => roots))])) this.#wakeWaiting(identity);
  }

  /** Cuts each connection whose peer would not be let in any more. */
  #reviewPeers(): void {
    for (const inbound of [...this.#serverSessions.values()]) inbound.review();
    for (const tunnel of [...this.doubleTunnels]) tunnel.review();
    this.pool.review(({ chain }) => {
      const peer = this.judge.judgeChain(chain, Date.now());
      // One that has ended meanwhile was good when the connection was made.
      return peer.ok || peer.error.reason !== 'trust-domain' ? undefined : peer.error;
    });
  }

  /** Once for each certificate that is missing, and again after a while: the one who asked may have been told that there is none. */
  #want(identity: SpiffeId): void {
    if (this.loop.nowMs - (this.#wanted.get(identity) ?? Number.NEGATIVE_INFINITY) < WANT_AGAIN_MS) return;
    this.#wanted.set(identity, this.loop.nowMs);
    this.#post({ kind: 'certificate-wanted', identity });
  }

  #isCertified(pod: ThreadPod): boolean {
    return (this.#certificates.find(pod.spec.identity)?.notAfterMs ?? 0) > Date.now();
  }

  /** Calls at once, or when each of the pods has a valid certificate, or when one of them has none in time. */
  whenCertified(pods: readonly ThreadPod[], done: (areCertified: boolean) => void): void {
    const areCertified = (): boolean => pods.every((pod) => this.#isCertified(pod));
    if (areCertified()) return done(true);
    for (const pod of pods) if (!this.#isCertified(pod)) this.#want(pod.spec.identity);
    this.#when(pods, areCertified, done);
  }

  // -- Policies

  #takePolicies(uid: string, policies: ThreadPod['policies']): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    pod.policies = policies;
    for (const wait of [...pod.waiting]) wait();
    for (const connection of [...pod.guarded]) connection.review();
  }

  /** Calls at once, or when the policies have come, or when they have not come in time. */
  whenPoliciesKnown(pod: ThreadPod, done: (areKnown: boolean) => void): void {
    if (pod.policies !== undefined) return done(true);
    this.#when([pod], () => pod.policies !== undefined, done);
  }

  /** Calls when pods were told of what is not there yet, or when a pod is gone or nothing came in time. */
  #when(pods: readonly ThreadPod[], isThere: () => boolean, done: (isThere: boolean) => void): void {
    const wait = {
      done: (cameInTime: boolean): void => {
        for (const pod of pods) pod.waiting.delete(look);
        this.#waits.clear(wait);
        done(cameInTime);
      },
    };
    const look = (): void => {
      const isGone = pods.some((pod) => pod.isGone);
      if (isGone || isThere()) wait.done(!isGone);
    };
    for (const pod of pods) pod.waiting.add(look);
    this.#waits.set(wait, this.loop.nowMs);
  }

  /** Why policies do not allow a connection; undefined where they do. Without policies told, nothing is allowed. */
  denial(pod: ThreadPod, facts: ConnectionFacts): string | undefined {
    if (pod.policies === undefined) return 'the policies of this workload are not known yet';
    const verdict = authorize(pod.policies, facts);
    return verdict.allowed ? undefined : verdict.reason;
  }

  // -- Tunnels

  /** Asks for a tunnel connection to a candidate; the waiter is told. */
  askTunnel(pod: ThreadPod, candidate: Candidate, waiter: SessionWaiter): Result<true, Failure> {
    const held = this.#certificates.find(pod.spec.identity);
    const context = this.#isCertified(pod) ? this.contextOf(pod) : undefined;
    if (held === undefined || context === undefined) return err({ reason: 'identity', text: 'there is no valid certificate of this workload yet' });
    const connection: Dial = {
      context,
      connect: () => {
        const dialed = dial(pod.spec, candidate.address, candidate.port);
        return dialed.ok ? ok(dialed.value.fd) : dialed;
      },
      judge: (result) => this.judge.judgeServer(result, candidate.identities, Date.now()),
    };
    this.pool.acquire(poolKey(pod, candidate, held.generation), connection, waiter);
    return ok(true);
  }

  forgetWaiter(pod: ThreadPod, candidate: Candidate | undefined, waiter: SessionWaiter): void {
    const held = this.#certificates.find(pod.spec.identity);
    if (candidate !== undefined && candidate.hop !== 'plain' && held !== undefined) this.pool.forget(poolKey(pod, candidate, held.generation), waiter);
  }

  contextOf(pod: ThreadPod): TlsContext | undefined {
    return this.#certificates.contextOf(pod.spec.identity);
  }

  handshakeEnded(channel: TlsChannel): void {
    this.#handshakes.clear(channel);
    this.#handshakesDone++;
  }

  /** Whether a peer is about to have a tunnel here, which can move once it has. */
  get isShakingHands(): boolean {
    return this.#handshakes.size > 0;
  }

  isSpeaking(session: Http2Session): void {
    this.#speaking.clear(session);
  }

  serverSessionChanged(session: Http2Session, inbound: InboundSession, isOpen: boolean): void {
    if (isOpen) {
      this.#serverSessions.set(session, inbound);
      this.#speaking.set(session, this.loop.nowMs);
      // Its handshake began before.
      if (this.#isDraining || inbound.pod.isGone) session.drain();
    } else {
      this.#serverSessions.delete(session);
      this.#speaking.clear(session);
    }
    this.#watchSession(session, isOpen);
  }

  #watchSession(session: Http2Session, isOpen: boolean): void {
    if (isOpen) return this.#keepalive.set(session, this.loop.nowMs);
    this.#keepalive.clear(session);
  }

  #checkAlive(session: Http2Session): void {
    // It is known in a moment whose it is.
    if (session.isFrozen) return this.#keepalive.set(session, this.loop.nowMs);
    if (session.isAsked && !session.hasHeard) return session.abort({ reason: 'peer-silent', text: 'the peer does not answer' });
    this.#keepalive.set(session, this.loop.nowMs);
    session.hasHeard = false;
    session.isAsked = session.isReady;
    if (session.isAsked) session.ping();
  }

  askInbound(pod: ThreadPod, authority: string, localIp: string, answered: (answer: InboundAnswer) => void): void {
    const id = this.#nextQuestion++;
    this.#inboundQuestions.set(id, answered);
    this.#post({ kind: 'inbound', id, uid: pod.spec.uid, authority, localIp });
  }

  // -- Reports and the end

  tunnelFailed(direction: Direction, reason: FailureReason, text: string, fields: Readonly<Record<string, string>>): void {
    // Asked for by this side.
    if (reason === 'drained' || reason === 'idle') return;
    this.traffic.failed(direction, reason);
    this.#post({ kind: 'warning', text: direction === 'inbound' ? 'tunnel refused' : 'tunnel failed', fields: { ...fields, reason, error: text } });
  }

  unknownOutbound(pod: ThreadPod): Series {
    return pod.unknownOutbound ??= this.traffic.seriesOf({ direction: 'outbound', carriage: 'plain', source: pod.spec.labels, destination: UNKNOWN_WORKLOAD, service: undefined });
  }

  #report(id: number): void {
    const handshakesDone = this.#handshakesDone;
    this.#handshakesDone = 0;
    this.#post({
      kind: 'report',
      id,
      report: {
        ...this.traffic.takeReport(),
        gauges: { openConnections: this.traffic.open, clientSessions: this.pool.size, serverSessions: this.#serverSessions.size, handshakes: this.#handshakes.size + this.pool.dials, handshakesDone, sockets: this.loop.sockets, busy: this.loop.takeBusy() },
      },
    });
  }

  /** Takes no new connections but those that were there before, and asks peers to go elsewhere. */
  #drain(): void {
    this.#isDraining = true;
    // A listener takes with it what waits for it. Nothing new comes to the ones of a pod that another agent has.
    for (const [fd, { take }] of [...this.#listeners]) for (let socket = accept(fd); socket >= 0; socket = accept(fd)) take(socket);
    for (const pod of this.pods.values()) this.#closeListeners(pod);
    for (const session of [...this.#serverSessions.keys()]) session.drain();
    this.pool.drain();
  }

  #stop(): void {
    for (const uid of [...this.pods.keys()]) this.#removePod(uid, 0);
    this.#certificates[Symbol.dispose]();
    this.loop.stop();
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }
}

/** Whether a root that counted does not any more. What is added takes nothing from anybody. */
function isWithdrawn(before: TrustBundles, after: TrustBundles): boolean {
  return [...before].some(([domain, roots]) => roots.some((root) => after.get(domain)?.some((other) => other.raw.equals(root.raw)) !== true));
}

function poolKey(pod: ThreadPod, candidate: Candidate, generation: number): PoolKey {
  const { spec: { uid } } = pod;
  const { address, port, identities } = candidate;
  return { uid, address, port, text: `${uid} ${generation} ${address} ${port} ${identities.join(' ')}`, identities };
}
