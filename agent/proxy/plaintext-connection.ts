import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import { type RelayEnd, RelayPair } from '../hbone/relay-pair.ts';
import { SocketPair } from '../hbone/socket-pair.ts';
import type { StayReason } from '../handover/handed-batch.ts';
import type { HandedConnection, PlaintextState } from '../handover/handed-state.ts';
import type { Arrival, Movable, MovableKind } from '../handover/movable.ts';
import type { DataThread } from './data-thread.ts';
import { dialApplication } from './dialer.ts';
import { OWN_PORTS } from './inbound-connection.ts';
import { PendingDial } from './pending-dial.ts';
import { relayOutcome } from './relay-outcome.ts';
import type { GuardedConnection, ThreadPod } from './thread-pod.ts';
import type { ConnectionView, ResponseFlag } from './thread-messages.ts';
import { type Metered, type Series, UNKNOWN_WORKLOAD } from './traffic-counter.ts';

/** A connection that arrives at a pod without a tunnel. Nobody is proven to have made it, and policies see it so. */
export class PlaintextConnection implements NearOwner, GuardedConnection, Metered, Movable, Arrival {
  readonly #thread: DataThread;
  readonly #pod: ThreadPod;
  readonly #socket: PlainSocket;
  readonly #source: SocketAddress;
  readonly #destination: SocketAddress;
  readonly series: Series;
  readonly startedAtMs: number;
  reportedSent = 0;
  reportedReceived = 0;
  #application: PendingDial | undefined;
  #pair: SocketPair | undefined;
  #isClosed = false;

  constructor(thread: DataThread, pod: ThreadPod, socket: PlainSocket, source: SocketAddress, destination: SocketAddress, startedAtMs = thread.loop.nowMs) {
    this.#thread = thread;
    this.#pod = pod;
    this.#socket = socket;
    this.#source = source;
    this.#destination = destination;
    this.startedAtMs = startedAtMs;
    this.series = thread.traffic.seriesOf({ direction: 'inbound', carriage: 'plain', source: UNKNOWN_WORKLOAD, destination: pod.spec.labels, service: pod.spec.services[0] });
  }

  /** As another process had it. */
  static arrive(thread: DataThread, pod: ThreadPod, { source, destination, ageMs, pair }: PlaintextState): PlaintextConnection {
    const arrived = SocketPair.arrive(thread.loop, pair, (end) => connection.#relayed(end));
    const connection = new PlaintextConnection(thread, pod, arrived.client, source, destination, thread.loop.nowMs - ageMs);
    connection.#pair = arrived;
    return connection;
  }

  get sentBytes(): number {
    return this.#pair?.relay.sentBytes ?? 0;
  }

  get receivedBytes(): number {
    return this.#pair?.relay.receivedBytes ?? 0;
  }

  begin(): void {
    this.#socket.owner = this;
    this.#thread.traffic.opened(this);
    this.#pod.guarded.add(this);
    const { port } = this.#destination;
    if (OWN_PORTS.has(port)) return this.#end('CONNECT', `port ${port} is the agent's own`);
    this.#thread.whenPoliciesKnown(this.#pod, (isKnown) => {
      if (this.#isClosed) return;
      if (!isKnown) return this.#end('DENY', 'the policies of this workload are not known yet');
      const denied = this.#denial();
      if (denied !== undefined) return this.#end('DENY', denied);
      this.#dial();
    });
  }

  #denial(): string | undefined {
    return this.#thread.denial(this.#pod, { sourceIp: this.#source.ip as IpAddress, destinationIp: this.#destination.ip as IpAddress, destinationPort: this.#destination.port, identity: undefined });
  }

  #dial(): void {
    const pending = PendingDial.follow(this.#thread, this.#pod.spec, dialApplication(this.#pod.spec, this.#source.ip, this.#destination.ip, this.#destination.port), this);
    if (!pending.ok) return this.#end('CONNECT', pending.error.text);
    this.#application = pending.value;
    if (pending.value.socket.isConnected) this.onNear();
  }

  onNear(): void {
    if (this.#isClosed) return;
    if (this.#socket.hasFailed) return this.#end('CONNECT', 'reset by the client');
    const application = this.#application;
    if (application === undefined) return;
    if (application.socket.hasFailed) return this.#end('CONNECT', 'the application can not be reached');
    if (!application.socket.isConnected) return;
    this.#application = undefined;
    const socket = application.take();
    this.#pair = new SocketPair(this.#socket, socket, new RelayPair(this.#thread.loop, this.#socket, socket, (end) => this.#relayed(end)));
    this.#pair.relay.run();
  }

  #relayed(end: RelayEnd): void {
    this.#end(...relayOutcome(end, 'application'));
  }

  #end(flag: ResponseFlag, error: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pod.guarded.delete(this);
    this.#application?.giveUp();
    this.#application = undefined;
    this.#socket.close(error !== undefined);
    this.#thread.traffic.closed(this, { flag, error }, this.#thread.loop.nowMs, () => ({ sourceAddress: formatSocketAddress(this.#source), destinationAddress: formatSocketAddress(this.#destination), hboneAddress: undefined, sourceIdentity: undefined, destinationIdentity: undefined, traceId: undefined }));
  }

  review(): void {
    const denied = this.#denial();
    if (denied !== undefined) this.cut(`connection closed due to policy change: ${denied}`, 'DENY');
  }

  cut(reason: string, flag: 'DENY' | 'CONNECT'): void {
    const pair = this.#pair;
    this.#end(flag, reason);
    pair?.relay.cut();
  }

  // -- From one process to the next

  get kind(): MovableKind {
    return 'plaintext';
  }

  get connections(): number {
    return 1;
  }

  get sockets(): number {
    return 2;
  }

  get movable(): Movable {
    return this;
  }

  get stays(): StayReason | undefined {
    if (this.#pair === undefined) return 'unsettled';
    return this.#pair.hasFailed ? 'ending' : undefined;
  }

  freeze(): void {
    this.#pair?.freeze();
  }

  get handed(): HandedConnection {
    return { kind: 'plaintext', state: { podUid: this.#pod.spec.uid, source: this.#source, destination: this.#destination, ageMs: this.#thread.loop.nowMs - this.startedAtMs, pair: (this.#pair as SocketPair).state } };
  }

  thaw(): void {
    this.#pair?.thaw();
  }

  leave(): void {
    this.#isClosed = true;
    this.#pod.guarded.delete(this);
    this.#thread.traffic.handedOver(this);
    this.#pair?.leave();
  }

  start(): void {
    this.#thread.traffic.arrived(this);
    this.#pod.guarded.add(this);
    this.#pair?.thaw();
    this.review();
  }

  view(nowMs: number): ConnectionView {
    return { direction: 'inbound', carriage: 'plain', source: formatSocketAddress(this.#source), destination: formatSocketAddress(this.#destination), hboneAddress: undefined, sourceIdentity: undefined, destinationIdentity: undefined, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}
