import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { type Authority, parseAuthority } from '@landbridge/wire/authority.ts';
import { parseBaggage, parseForwarded } from '@landbridge/wire/hbone-headers.ts';
import type { Failure } from '../hbone/failure.ts';
import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedConnection, InboundTunnelState } from '../handover/handed-state.ts';
import type { Arrival, Movable, MovableKind } from '../handover/movable.ts';
import { Http2Session, type SessionListener } from '../hbone/http2-session.ts';
import type { Http2SessionState } from '../hbone/http2-state.ts';
import { type HandshakeListener, TlsChannel } from '../hbone/tls-channel.ts';
import type { VerifiedPeer } from '../identity/peer.ts';
import type { DataThread } from './data-thread.ts';
import { GatewayConnection } from './gateway-connection.ts';
import { InboundConnection } from './inbound-connection.ts';
import { MovingTunnel } from './moving-tunnel.ts';
import type { ThreadPod } from './thread-pod.ts';
import { type Series, UNKNOWN_WORKLOAD } from './traffic-counter.ts';

/** Series that one session keeps: peers send one baggage, or a few behind a gateway. */
const MAX_SERIES = 64;
const MAX_AUTHORITIES = 64;

/** One tunnel connection that a peer made to a pod: its handshake, its verified identity, and its streams. */
export class InboundSession implements HandshakeListener, Movable, Arrival {
  readonly #thread: DataThread;
  readonly pod: ThreadPod;
  readonly remote: SocketAddress;
  readonly localIp: string;
  #peer: VerifiedPeer | undefined;
  /** Of the handshake: judged again when other roots count. */
  #chain: readonly Buffer[] = [];
  /** When the handshake was. */
  #provenAtMs = 0;
  #tunnel: MovingTunnel | undefined;
  readonly #series = new Map<string, Series>();
  readonly #authorities = new Map<string, Result<Authority>>();

  constructor(thread: DataThread, pod: ThreadPod, remote: SocketAddress, localIp: string) {
    this.#thread = thread;
    this.pod = pod;
    this.remote = remote;
    this.localIp = localIp;
  }

  /** Whom the handshake proved. */
  get peer(): VerifiedPeer {
    return this.#peer as VerifiedPeer;
  }

  get session(): Http2Session | undefined {
    return this.#tunnel?.session;
  }

  onSecure(channel: TlsChannel, result: HandshakeResult): void {
    this.#thread.handshakeEnded(channel);
    const peer = this.#thread.judge.judge(result, Date.now());
    if (!peer.ok) {
      channel.refuse();
      return this.#failed(peer.error);
    }
    this.#peer = peer.value;
    this.#chain = result.peerChain;
    this.#provenAtMs = Date.now();
    this.#thread.serverSessionChanged(this.#speak(channel).session, this, true);
  }

  #speak(channel: TlsChannel, from?: Http2SessionState): MovingTunnel {
    const listener: SessionListener = {
      onRequest: (stream, request) => {
        if (this.pod.spec.kind === 'gateway') new GatewayConnection(this.#thread, this, stream).begin(request);
        else new InboundConnection(this.#thread, this, stream).begin(request);
      },
      onReady: (session) => this.#thread.isSpeaking(session),
      onClosed: (session, failure) => {
        if (failure !== undefined) this.#failed(failure);
        this.#thread.serverSessionChanged(session, this, false);
      },
    };
    const tunnel = new MovingTunnel(this.#thread.loop, channel, new Http2Session(this.#thread.loop, channel, 'server', this.#thread.budget, listener, 0, from));
    this.#tunnel = tunnel;
    return tunnel;
  }

  // -- From one process to the next

  /** As another process had it, where its peer is one to be let in still. */
  static arrive(thread: DataThread, pod: ThreadPod, state: InboundTunnelState): Result<InboundSession, Failure> {
    const session = new InboundSession(thread, pod, state.remote, state.localIp);
    // One that has ended meanwhile was good when the connection was made.
    const peer = thread.judge.judgeChain(state.chain, state.provenAtMs);
    if (!peer.ok) return peer;
    session.#peer = peer.value;
    session.#chain = state.chain;
    session.#provenAtMs = state.provenAtMs;
    const { channel, session: speaking, streams } = state.tunnel;
    const areKnown = session.#speak(new TlsChannel(thread.loop, channel.fd, channel), speaking).arrive(streams, { plain: (stream, _, listener) => (listener.kind === 'inbound' && pod.spec.kind === 'pod' ? InboundConnection.arrive(thread, session, stream, listener.state) : undefined) });
    if (areKnown) return ok(session);
    session.forget();
    return err({ reason: 'closed', text: 'a stream that this tunnel can not have' });
  }

  /** Once the handshake has ended. */
  get #moving(): MovingTunnel {
    return this.#tunnel as MovingTunnel;
  }

  get kind(): MovableKind {
    return 'inbound-tunnel';
  }

  get connections(): number {
    return this.#tunnel?.connections ?? 0;
  }

  get sockets(): number {
    return this.#tunnel?.sockets ?? 0;
  }

  get stays(): StayReason | undefined {
    return this.#tunnel === undefined ? 'unsettled' : this.#tunnel.stays;
  }

  freeze(): void {
    this.#tunnel?.freeze();
  }

  get handed(): HandedConnection {
    const tunnel = this.#moving.state;
    return { kind: 'inbound-tunnel', state: { podUid: this.pod.spec.uid, remote: this.remote, localIp: this.localIp, chain: this.#chain, provenAtMs: this.#provenAtMs, tunnel } };
  }

  thaw(): void {
    this.#tunnel?.thaw();
  }

  leave(): void {
    this.#thread.serverSessionChanged(this.#moving.session, this, false);
    this.#moving.leave();
  }

  start(): void {
    const { session } = this.#moving;
    this.#thread.serverSessionChanged(session, this, true);
    this.#thread.isSpeaking(session);
    this.#moving.start();
  }

  forget(): void {
    this.#tunnel?.forget();
  }

  /** Ends the connection, with all that it carries, where the roots of this moment do not vouch for the peer any more. */
  review(): void {
    const peer = this.#thread.judge.judgeChain(this.#chain, Date.now());
    if (!peer.ok && peer.error.reason === 'trust-domain') this.session?.abort(peer.error);
  }

  onHandshakeFailed(channel: TlsChannel, failure: Failure): void {
    this.#thread.handshakeEnded(channel);
    this.#failed(failure);
  }

  #failed({ reason, text }: Failure): void {
    this.#thread.tunnelFailed('inbound', reason, text, { pod: this.pod.spec.labels.workload, remote: this.remote.ip });
  }

  /** Peers ask for the same few addresses again and again. */
  authorityOf(text: string): Result<Authority> {
    let parsed = this.#authorities.get(text);
    if (parsed === undefined) {
      parsed = parseAuthority(text);
      if (this.#authorities.size < MAX_AUTHORITIES) this.#authorities.set(text, parsed);
    }
    return parsed;
  }

  /** Counters for a stream: who is asking as the certificate proves it, with what it says of itself. */
  seriesOf(baggage: string | undefined, forwarded: string | undefined): Series {
    const key = `${baggage ?? ''}\n${forwarded?.slice(forwarded.indexOf(';')) ?? ''}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = this.#thread.traffic.seriesOf({ direction: 'inbound', carriage: 'hbone', source: this.#sourceLabels(baggage), destination: this.pod.spec.labels, service: this.#serviceOf(forwarded) });
      if (this.#series.size < MAX_SERIES) this.#series.set(key, series);
    }
    return series;
  }

  #sourceLabels(baggage: string | undefined): WorkloadLabels {
    const said = baggage === undefined ? undefined : parseBaggage(baggage);
    const claimed = said?.ok === true ? said.value : undefined;
    const { id, namespace } = this.peer;
    if (claimed === undefined) return { ...UNKNOWN_WORKLOAD, namespace, principal: id };
    const { workload, canonicalName, canonicalRevision, cluster, region, zone } = claimed;
    // The namespace is the certificate's: only what a certificate does not say is believed.
    return { workload, namespace, canonicalName, canonicalRevision, cluster, region, zone, principal: id };
  }

  /** Of the pod's own services the one that was asked for: a peer can not make up others. */
  #serviceOf(forwarded: string | undefined): ThreadPod['spec']['services'][number] | undefined {
    const { services } = this.pod.spec;
    if (services.length <= 1 || forwarded === undefined) return services[0];
    const parsed = parseForwarded(forwarded);
    const host = parsed.ok ? parsed.value.host : undefined;
    return services.find(({ hostname }) => hostname === host) ?? services[0];
  }
}
