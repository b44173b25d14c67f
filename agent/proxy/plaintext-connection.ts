import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import { RelayPair } from '../hbone/relay-pair.ts';
import type { DataThread } from './data-thread.ts';
import { dialApplication } from './dialer.ts';
import { OWN_PORTS } from './inbound-connection.ts';
import { PendingDial } from './pending-dial.ts';
import type { GuardedConnection, ThreadPod } from './thread-pod.ts';
import type { ConnectionView, ResponseFlag } from './thread-messages.ts';
import { type Metered, type Series, UNKNOWN_WORKLOAD } from './traffic-counter.ts';

/** A connection that arrives at a pod without a tunnel. Nobody is proven to have made it, and policies see it so. */
export class PlaintextConnection implements NearOwner, GuardedConnection, Metered {
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
  #pair: RelayPair | undefined;
  #isClosed = false;

  constructor(thread: DataThread, pod: ThreadPod, socket: PlainSocket, source: SocketAddress, destination: SocketAddress) {
    this.#thread = thread;
    this.#pod = pod;
    this.#socket = socket;
    this.#source = source;
    this.#destination = destination;
    this.startedAtMs = thread.loop.nowMs;
    this.series = thread.traffic.seriesOf({ direction: 'inbound', carriage: 'plain', source: UNKNOWN_WORKLOAD, destination: pod.spec.labels, service: pod.spec.services[0] });
    socket.owner = this;
    thread.traffic.opened(this);
    pod.guarded.add(this);
  }

  get sentBytes(): number {
    return this.#pair?.sentBytes ?? 0;
  }

  get receivedBytes(): number {
    return this.#pair?.receivedBytes ?? 0;
  }

  begin(): void {
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
    const pair = new RelayPair(this.#thread.loop, this.#socket, application.take(), (end) => this.#end(end === 'complete' ? '-' : 'CONNECT', end === 'complete' ? undefined : end === 'client-failed' ? 'reset by the client' : 'reset by the application'));
    this.#pair = pair;
    this.#socket.owner = application.socket.owner = pair;
    pair.run();
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
    pair?.cut();
  }

  view(nowMs: number): ConnectionView {
    return { direction: 'inbound', carriage: 'plain', source: formatSocketAddress(this.#source), destination: formatSocketAddress(this.#destination), hboneAddress: undefined, sourceIdentity: undefined, destinationIdentity: undefined, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}
