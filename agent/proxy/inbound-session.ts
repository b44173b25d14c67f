import type { Result } from '@landbridge/core/result.ts';
import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import { type Authority, parseAuthority } from '@landbridge/wire/authority.ts';
import { parseBaggage, parseForwarded } from '@landbridge/wire/hbone-headers.ts';
import type { Failure } from '../hbone/failure.ts';
import { Http2Session } from '../hbone/http2-session.ts';
import type { HandshakeListener, TlsChannel } from '../hbone/tls-channel.ts';
import type { VerifiedPeer } from '../identity/peer.ts';
import type { DataThread } from './data-thread.ts';
import { GatewayConnection } from './gateway-connection.ts';
import { InboundConnection } from './inbound-connection.ts';
import type { ThreadPod } from './thread-pod.ts';
import { type Series, UNKNOWN_WORKLOAD } from './traffic-counter.ts';

/** Series that one session keeps: peers send one baggage, or a few behind a gateway. */
const MAX_SERIES = 64;
const MAX_AUTHORITIES = 64;

/** One tunnel connection that a peer made to a pod: its handshake, its verified identity, and its streams. */
export class InboundSession implements HandshakeListener {
  readonly #thread: DataThread;
  readonly pod: ThreadPod;
  readonly remote: SocketAddress;
  readonly localIp: string;
  #peer: VerifiedPeer | undefined;
  /** Of the handshake: judged again when other roots count. */
  #chain: readonly Buffer[] = [];
  #session: Http2Session | undefined;
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
    return this.#session;
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
    this.#session = new Http2Session(this.#thread.loop, channel, 'server', this.#thread.budget, {
      onRequest: (stream, request) => {
        if (this.pod.spec.kind === 'gateway') new GatewayConnection(this.#thread, this, stream).begin(request);
        else new InboundConnection(this.#thread, this, stream).begin(request);
      },
      onReady: (session) => this.#thread.isSpeaking(session),
      onClosed: (session, failure) => {
        if (failure !== undefined) this.#failed(failure);
        this.#thread.serverSessionChanged(session, this, false);
      },
    });
    channel.owner = this.#session;
    this.#thread.serverSessionChanged(this.#session, this, true);
  }

  /** Ends the connection, with all that it carries, where the roots of this moment do not vouch for the peer any more. */
  review(): void {
    const peer = this.#thread.judge.judgeChain(this.#chain, Date.now());
    if (!peer.ok && peer.error.reason === 'trust-domain') this.#session?.abort(peer.error);
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
