import type { ConnectionFacts } from '@landbridge/core/authorization.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { Result } from '@landbridge/core/result.ts';
import { HBONE_PORT, OUTBOUND_PORT, PLAINTEXT_PORT, type SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { nativeMemory } from '@landbridge/native/memory.ts';
import { type Authority, formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { HeaderField } from '@landbridge/wire/hpack.ts';
import { formatProxyHeader, PROXY_TLV_SPIFFE_ID } from '@landbridge/wire/proxy-v2.ts';
import type { ConnectRequest, RequestFault } from '@landbridge/wire/http2-request.ts';
import type { Http2Stream, StreamEnd, StreamListener } from '../hbone/http2-stream.ts';
import type { InboundStreamState } from '../handover/handed-state.ts';
import type { HandedListener, MovingListener } from '../handover/movable.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import type { DataThread } from './data-thread.ts';
import { dialApplication } from './dialer.ts';
import type { InboundSession } from './inbound-session.ts';
import { PendingDial } from './pending-dial.ts';
import type { GuardedConnection } from './thread-pod.ts';
import type { ConnectionView, InboundAnswer, ResponseFlag } from './thread-messages.ts';
import type { Metered, Series } from './traffic-counter.ts';

/** The agent's own ports in a pod: never a destination, or a tunnel could lead into itself. */
export const OWN_PORTS: ReadonlySet<number> = new Set([OUTBOUND_PORT, PLAINTEXT_PORT, HBONE_PORT]);
const LOOPBACK = '127.0.0.1';

type Refusal = 400 | 401 | 503;

/** One tunnel that a verified peer asks for, from its request to its end. */
export class InboundConnection implements StreamListener, NearOwner, GuardedConnection, Metered, MovingListener {
  readonly #thread: DataThread;
  readonly #session: InboundSession;
  readonly #stream: Http2Stream;
  readonly startedAtMs: number;
  series: Series;
  reportedSent = 0;
  reportedReceived = 0;
  #authority = '';
  #traceId: string | undefined;
  #destination: SocketAddress | undefined;
  #application: PendingDial | undefined;
  #isClosed = false;
  /** Final status of a refusal. */
  #refusal: { readonly flag: ResponseFlag; readonly text: string } | undefined;

  constructor(thread: DataThread, session: InboundSession, stream: Http2Stream, startedAtMs = thread.loop.nowMs) {
    this.#thread = thread;
    this.#session = session;
    this.#stream = stream;
    this.startedAtMs = startedAtMs;
    this.series = session.seriesOf(undefined, undefined);
    stream.listener = this;
  }

  /** Bytes from the client to the application. */
  get sentBytes(): number {
    return this.#stream.bytesReceived;
  }

  get receivedBytes(): number {
    return this.#stream.bytesSent;
  }

  /** As another process had it, for a stream that was answered. */
  static arrive(thread: DataThread, session: InboundSession, stream: Http2Stream, state: InboundStreamState): InboundConnection {
    const connection = new InboundConnection(thread, session, stream, thread.loop.nowMs - state.ageMs);
    const { sourceLabels, service, authority, traceId, destination } = state;
    connection.series = thread.traffic.seriesOf({ direction: 'inbound', carriage: 'hbone', source: sourceLabels, destination: session.pod.spec.labels, service });
    connection.#authority = authority;
    connection.#traceId = traceId;
    connection.#destination = destination;
    return connection;
  }

  /** All of it but its stream. */
  get handedListener(): HandedListener | undefined {
    const { source, service } = this.series.labels;
    const destination = this.#destination;
    return destination === undefined ? undefined : { kind: 'inbound', state: { ageMs: this.#thread.loop.nowMs - this.startedAtMs, authority: this.#authority, traceId: this.#traceId, destination, sourceLabels: source, service } };
  }

  leave(): void {
    this.#isClosed = true;
    this.#session.pod.guarded.delete(this);
    this.#thread.traffic.handedOver(this);
  }

  start(): void {
    this.#thread.traffic.arrived(this);
    this.#session.pod.guarded.add(this);
    this.review();
  }

  begin(request: Result<ConnectRequest, RequestFault>): void {
    if (!request.ok) {
      this.#open(undefined, undefined);
      return this.#refuse(400, request.error.kind === 'not-connect' ? `method ${request.error.method.slice(0, 32)} is not CONNECT` : request.error.reason);
    }
    const { authority, baggage, traceparent } = request.value;
    this.#authority = authority;
    this.#traceId = traceparent?.slice(3, 35);
    this.#open(baggage, request.value.forwarded);
    const parsed = this.#session.authorityOf(authority);
    if (!parsed.ok) return this.#refuse(400, parsed.error);
    this.#resolve(parsed.value);
  }

  #open(baggage: string | undefined, forwarded: string | undefined): void {
    this.series = this.#session.seriesOf(baggage, forwarded);
    this.#thread.traffic.opened(this);
    this.#session.pod.guarded.add(this);
  }

  /** The pod's own address is known here; all else is the main thread's to tell. */
  #resolve(authority: Authority): void {
    const { spec } = this.#session.pod;
    const isSimple = authority.kind === 'ip' && authority.ip === this.#session.localIp && spec.applicationTunnel === undefined;
    if (isSimple) return this.#dialAt({ ip: this.#session.localIp, port: authority.port });
    this.#thread.askInbound(this.#session.pod, this.#authority, this.#session.localIp, (answer) => this.#answered(answer));
  }

  #answered(answer: InboundAnswer): void {
    if (this.#isClosed) return;
    if (answer.kind === 'refuse') return this.#refuse(answer.status, answer.reason);
    const { tunnel } = answer;
    this.#dialAt({ ip: this.#session.localIp, port: answer.port }, tunnel?.proxyProtocol === true ? (answer.proxyDestination ?? { ip: this.#session.localIp, port: answer.port }) : undefined, tunnel?.port);
  }

  #dialAt(destination: SocketAddress, proxyDestination?: SocketAddress, tunnelPort?: number): void {
    this.#destination = destination;
    if (OWN_PORTS.has(tunnelPort ?? destination.port)) return this.#refuse(503, `port ${destination.port} is the agent's own`);
    this.#thread.whenPoliciesKnown(this.#session.pod, (isKnown) => {
      if (this.#isClosed) return;
      if (!isKnown) return this.#refuse(503, 'the policies of this workload are not known yet');
      const denied = this.#denial();
      if (denied !== undefined) return this.#refuse(401, denied);
      this.#dial(destination, proxyDestination, tunnelPort);
    });
  }

  #denial(): string | undefined {
    const destination = this.#destination ?? { ip: this.#session.localIp, port: 0 };
    const facts: ConnectionFacts = { sourceIp: this.#session.remote.ip as IpAddress, destinationIp: destination.ip as IpAddress, destinationPort: destination.port, identity: this.#session.peer };
    return this.#thread.denial(this.#session.pod, facts);
  }

  #dial(destination: SocketAddress, proxyDestination: SocketAddress | undefined, tunnelPort: number | undefined): void {
    const { spec } = this.#session.pod;
    const client = this.#session.remote;
    // An application tunnel ends at a port of loopback, which nobody outside can reach.
    const dialed = tunnelPort === undefined ? dialApplication(spec, client.ip, destination.ip, destination.port) : dialApplication(spec, LOOPBACK, LOOPBACK, tunnelPort);
    const pending = PendingDial.follow(this.#thread, spec, dialed, this);
    if (!pending.ok) return this.#refuse(503, pending.error.text);
    this.#application = pending.value;
    const { socket } = pending.value;
    if (proxyDestination !== undefined && !this.#pushProxyHeader(socket, proxyDestination)) return this.#refuse(503, 'the PROXY header would be too long');
    this.#stream.join(socket);
    if (socket.isConnected) this.onNear();
  }

  /** Tells the application the addresses and the identity of the client before anything else. */
  #pushProxyHeader(socket: PlainSocket, destination: SocketAddress): boolean {
    const { remote, peer } = this.#session;
    const header = formatProxyHeader({
      source: { ip: remote.ip as IpAddress, port: remote.port },
      destination: { ip: destination.ip as IpAddress, port: destination.port },
      tlvs: [{ type: PROXY_TLV_SPIFFE_ID, value: Buffer.from(peer.id) }],
    });
    if (!header.ok) return false;
    const memory = nativeMemory(header.value.length);
    memory.bytes.set(header.value);
    return socket.push(memory.bytes, memory.address, 0, header.value.length);
  }

  /** The dial goes on. */
  onNear(): void {
    const application = this.#application;
    if (application === undefined || this.#isClosed) return;
    if (application.socket.hasFailed) return this.#refuse(503, 'the application can not be reached');
    if (!application.socket.isConnected) return;
    this.#application = undefined;
    application.take().owner = this.#stream;
    this.#stream.respond(this.#session.pod.spec.baggage === '' ? OK : this.#answer(), false);
    this.#stream.onNear();
  }

  #answer(): readonly HeaderField[] {
    return [[':status', '200'], ['baggage', this.#session.pod.spec.baggage]];
  }

  #refuse(status: Refusal, text: string): void {
    if (this.#isClosed) return;
    this.#refusal = { flag: status === 401 ? 'DENY' : 'CONNECT', text };
    this.#stream.near = undefined;
    this.#application?.giveUp();
    this.#application = undefined;
    this.#stream.respond([[':status', String(status)]], true);
  }

  onClosed(_stream: Http2Stream, end: StreamEnd): void {
    // Its socket is the stream's near side, which the stream closes.
    this.#application?.take();
    this.#application = undefined;
    if (this.#refusal !== undefined) return this.#finish(this.#refusal.flag, this.#refusal.text);
    switch (end.kind) {
      case 'complete':
        return this.#finish('-', undefined);
      case 'near-failed':
        return this.#finish('CONNECT', 'reset by the application');
      case 'peer-reset':
        return this.#finish('-', `reset by the client (${end.code})`);
      default:
        return this.#finish('CONNECT', 'the tunnel was lost');
    }
  }

  #finish(flag: ResponseFlag, error: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { pod, remote, localIp, peer } = this.#session;
    pod.guarded.delete(this);
    this.#thread.traffic.closed(this, { flag, error }, this.#thread.loop.nowMs, () => ({
      sourceAddress: formatSocketAddress(remote),
      destinationAddress: formatSocketAddress({ ip: localIp, port: HBONE_PORT }),
      hboneAddress: this.#destination === undefined ? this.#authority : formatSocketAddress(this.#destination),
      sourceIdentity: peer.id,
      destinationIdentity: pod.spec.identity,
      traceId: this.#traceId,
    }));
  }

  review(): void {
    if (this.#destination === undefined) return;
    const denied = this.#denial();
    if (denied !== undefined) this.cut(`connection closed due to policy change: ${denied}`, 'DENY');
  }

  cut(reason: string, flag: 'DENY' | 'CONNECT'): void {
    this.#refusal = { flag, text: reason };
    this.#stream.reset();
  }

  view(nowMs: number): ConnectionView {
    const { pod, remote, localIp, peer } = this.#session;
    return { direction: 'inbound', carriage: 'hbone', source: formatSocketAddress(remote), destination: formatSocketAddress({ ip: localIp, port: HBONE_PORT }), hboneAddress: this.#authority, sourceIdentity: peer.id, destinationIdentity: pod.spec.identity, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}

const OK: readonly HeaderField[] = [[':status', '200']];
