import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { ServiceLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { AcceleratedPair } from '../capture/accelerated-pair.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import { type RelayEnd, RelayPair } from '../hbone/relay-pair.ts';
import { SocketPair, type SocketPairState } from '../hbone/socket-pair.ts';
import type { StayReason } from '../handover/handed-batch.ts';
import type { LocalState } from '../handover/handed-state.ts';
import { AccelerationGate } from './acceleration-gate.ts';
import type { DataThread } from './data-thread.ts';
import { acceleratedPair, dialApplication, neverAccelerate } from './dialer.ts';
import { PendingDial } from './pending-dial.ts';
import { identityOf } from './pod-identity.ts';
import { relayOutcome } from './relay-outcome.ts';
import type { GuardedConnection, ThreadPod } from './thread-pod.ts';
import type { ConnectionView, ResponseFlag } from './thread-messages.ts';
import type { Metered, Series } from './traffic-counter.ts';

export interface LocalEnds {
  readonly client: ThreadPod;
  readonly server: ThreadPod;
  /** The client application's side. */
  readonly socket: PlainSocket;
  readonly source: SocketAddress;
  /** The server application's address. */
  readonly target: SocketAddress;
  readonly service: ServiceLabels | undefined;
  /** What was taken from the client for another way. */
  readonly eager: readonly Buffer[];
}

export interface LocalListener {
  onOpen(): void;
  /** Nothing was carried. */
  onRefused(flag: ResponseFlag, text: string, mayRetry: boolean): void;
  onClosed(flag: ResponseFlag, error: string | undefined): void;
}

/**
 * Hands the bytes of one pod of the node to another without TLS. Both ends are the agent's own to vouch for: it holds
 * the certificates of both. Policies hold as they do for a tunnel, and the server's half is counted like one. Where both
 * pods ask for acceleration, the kernel carries what it can from application to application, and this the rest.
 */
export class LocalDelivery implements NearOwner, GuardedConnection, Metered {
  readonly #thread: DataThread;
  readonly #ends: LocalEnds;
  readonly #listener: LocalListener;
  readonly series: Series;
  readonly startedAtMs: number;
  reportedSent = 0;
  reportedReceived = 0;
  #application: PendingDial | undefined;
  #pair: SocketPair | undefined;
  #accelerated: AcceleratedPair | undefined;
  #gate: AccelerationGate | undefined;
  #isClosed = false;

  constructor(thread: DataThread, ends: LocalEnds, listener: LocalListener, startedAtMs = thread.loop.nowMs) {
    this.#thread = thread;
    this.#ends = ends;
    this.#listener = listener;
    this.startedAtMs = startedAtMs;
    this.series = thread.traffic.seriesOf({ direction: 'inbound', carriage: 'local', source: ends.client.spec.labels, destination: ends.server.spec.labels, service: ends.service ?? ends.server.spec.services[0] });
  }

  /** As another process had it: where it began without acceleration, and goes on so. */
  static arrive(thread: DataThread, ends: Omit<LocalEnds, 'socket' | 'eager'>, ageMs: number, pair: SocketPairState, listener: LocalListener): LocalDelivery {
    const arrived = SocketPair.arrive(thread.loop, pair, (end) => local.#relayed(end));
    const local = new LocalDelivery(thread, { ...ends, socket: arrived.client, eager: [] }, listener, thread.loop.nowMs - ageMs);
    local.#pair = arrived;
    return local;
  }

  get sentBytes(): number {
    return (this.#pair?.relay.sentBytes ?? 0) + (this.#accelerated?.sentBytes ?? 0);
  }

  get receivedBytes(): number {
    return (this.#pair?.relay.receivedBytes ?? 0) + (this.#accelerated?.receivedBytes ?? 0);
  }

  begin(): void {
    const { client, server, socket, source, target } = this.#ends;
    this.#accelerated = acceleratedPair(client.spec, server.spec, source, target);
    if (this.#accelerated === undefined) neverAccelerate(client.spec, source);
    this.#thread.traffic.opened(this);
    // Before the first look at the policies, so that a change in between is not missed.
    server.guarded.add(this);
    socket.owner = this;
    this.#thread.whenCertified([client, server], (areCertified) => {
      if (this.#isClosed) return;
      if (!areCertified) return this.#refuse('IDENTITY_ERROR', 'there is no valid certificate for both ends', false);
      this.#thread.whenPoliciesKnown(server, (areKnown) => this.#judge(areKnown));
    });
  }

  #judge(areKnown: boolean): void {
    if (this.#isClosed) return;
    if (!areKnown) return this.#refuse('CONNECT', 'the policies of this workload are not known yet', true);
    const denied = this.#denial();
    if (denied !== undefined) return this.#refuse('DENY', denied, false);
    this.#dial();
  }

  #dial(): void {
    const { server, socket, source, target } = this.#ends;
    const pending = PendingDial.follow(this.#thread, server.spec, dialApplication(server.spec, source.ip, target.ip, target.port, (port) => this.#accelerated?.expect(port) ?? true), this);
    if (!pending.ok) return this.#refuse('CONNECT', pending.error.text, true);
    this.#application = pending.value;
    socket.owner = this;
    if (pending.value.socket.isConnected) this.onNear();
  }

  #denial(): string | undefined {
    const { client, server, source, target } = this.#ends;
    return this.#thread.denial(server, { sourceIp: source.ip as IpAddress, destinationIp: target.ip as IpAddress, destinationPort: target.port, identity: identityOf(client.spec) });
  }

  onNear(): void {
    if (this.#isClosed) return;
    if (this.#ends.socket.hasFailed) return this.#close('CONNECT', 'reset by the client');
    const application = this.#application;
    if (application === undefined) return;
    if (application.socket.hasFailed) return this.#refuse('CONNECT', 'the application can not be reached', true);
    if (!application.socket.isConnected) return;
    this.#application = undefined;
    this.#listener.onOpen();
    const [client, server] = [this.#ends.socket, application.take()];
    if (this.#accelerated !== undefined) {
      this.#accelerated.join();
      this.#gate = new AccelerationGate(this.#accelerated, { client, server }, this.#thread.readers, () => pair.relay.run());
    }
    const pair = new SocketPair(client, server, new RelayPair(this.#thread.loop, client, server, (end) => this.#relayed(end), this.#gate));
    this.#pair = pair;
    pair.relay.sendFirst(this.#ends.eager);
    pair.relay.run();
  }

  #relayed(end: RelayEnd): void {
    this.#close(...relayOutcome(end, 'server'));
  }

  // -- From one process to the next, with the connection of the client's pod

  /** The client application's side. */
  get socket(): PlainSocket {
    return this.#ends.socket;
  }

  get stays(): StayReason | undefined {
    if (this.#pair === undefined) return 'unsettled';
    if (this.#accelerated !== undefined) return 'accelerated';
    // Cut at any moment, which must not come to sockets that another process has.
    if (this.#ends.server.isGone) return 'ending';
    return this.#pair.hasFailed ? 'ending' : undefined;
  }

  freeze(): void {
    this.#pair?.freeze();
  }

  get state(): Omit<LocalState, 'connection'> {
    const { server, source, target, service } = this.#ends;
    return { serverUid: server.spec.uid, source, target, service, ageMs: this.#thread.loop.nowMs - this.startedAtMs, pair: (this.#pair as SocketPair).state };
  }

  thaw(): void {
    this.#pair?.thaw();
  }

  leave(): void {
    this.#isClosed = true;
    this.#ends.server.guarded.delete(this);
    this.#thread.traffic.handedOver(this);
    this.#pair?.leave();
  }

  start(): void {
    this.#thread.traffic.arrived(this);
    this.#ends.server.guarded.add(this);
    this.#pair?.thaw();
    this.review();
  }

  #refuse(flag: ResponseFlag, text: string, mayRetry: boolean): void {
    if (this.#isClosed) return;
    this.#finish(flag, text);
    this.#listener.onRefused(flag, text, mayRetry);
  }

  #close(flag: ResponseFlag, error: string | undefined): void {
    if (this.#isClosed) return;
    this.#finish(flag, error);
    this.#listener.onClosed(flag, error);
  }

  #finish(flag: ResponseFlag, error: string | undefined): void {
    this.#isClosed = true;
    const { client, server, source, target } = this.#ends;
    server.guarded.delete(this);
    this.#application?.giveUp();
    this.#application = undefined;
    this.#gate?.close();
    this.#accelerated?.part();
    this.#thread.traffic.closed(this, { flag, error }, this.#thread.loop.nowMs, () => ({
      sourceAddress: formatSocketAddress(source),
      destinationAddress: formatSocketAddress(target),
      hboneAddress: undefined,
      sourceIdentity: client.spec.identity,
      destinationIdentity: server.spec.identity,
      traceId: undefined,
    }));
  }

  review(): void {
    const denied = this.#denial();
    if (denied !== undefined) this.cut(`connection closed due to policy change: ${denied}`, 'DENY');
  }

  cut(reason = 'cut', flag: 'DENY' | 'CONNECT' = 'CONNECT'): void {
    const pair = this.#pair;
    this.#close(flag, reason);
    pair?.relay.cut();
  }

  view(nowMs: number): ConnectionView {
    const { client, server, source, target } = this.#ends;
    return { direction: 'inbound', carriage: 'local', source: formatSocketAddress(source), destination: formatSocketAddress(target), hboneAddress: undefined, sourceIdentity: client.spec.identity, destinationIdentity: server.spec.identity, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}
