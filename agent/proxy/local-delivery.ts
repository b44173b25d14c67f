import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import type { ServiceLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { AcceleratedPair } from '../capture/accelerated-pair.ts';
import type { NearOwner } from '../hbone/near.ts';
import type { PlainSocket } from '../hbone/plain-socket.ts';
import { RelayPair } from '../hbone/relay-pair.ts';
import { AccelerationGate } from './acceleration-gate.ts';
import type { DataThread } from './data-thread.ts';
import { acceleratedPair, dialApplication, neverAccelerate } from './dialer.ts';
import { PendingDial } from './pending-dial.ts';
import { identityOf } from './pod-identity.ts';
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
  #pair: RelayPair | undefined;
  readonly #accelerated: AcceleratedPair | undefined;
  #gate: AccelerationGate | undefined;
  #isClosed = false;

  constructor(thread: DataThread, ends: LocalEnds, listener: LocalListener) {
    this.#thread = thread;
    this.#ends = ends;
    this.#listener = listener;
    this.startedAtMs = thread.loop.nowMs;
    this.#accelerated = acceleratedPair(ends.client.spec, ends.server.spec, ends.source, ends.target);
    if (this.#accelerated === undefined) neverAccelerate(ends.client.spec, ends.source);
    this.series = thread.traffic.seriesOf({ direction: 'inbound', carriage: 'local', source: ends.client.spec.labels, destination: ends.server.spec.labels, service: ends.service ?? ends.server.spec.services[0] });
  }

  get sentBytes(): number {
    return (this.#pair?.sentBytes ?? 0) + (this.#accelerated?.sentBytes ?? 0);
  }

  get receivedBytes(): number {
    return (this.#pair?.receivedBytes ?? 0) + (this.#accelerated?.receivedBytes ?? 0);
  }

  begin(): void {
    const { client, server, socket } = this.#ends;
    if (!this.#thread.holdsCertificates(client, server)) return this.#listener.onRefused('IDENTITY_ERROR', 'there is no valid certificate for both ends', false);
    this.#thread.traffic.opened(this);
    // Before the first look at the policies, so that a change in between is not missed.
    server.guarded.add(this);
    socket.owner = this;
    this.#thread.whenPoliciesKnown(server, (isKnown) => {
      if (this.#isClosed) return;
      if (!isKnown) return this.#refuse('CONNECT', 'the policies of this workload are not known yet', true);
      const denied = this.#denial();
      if (denied !== undefined) return this.#refuse('DENY', denied, false);
      this.#dial();
    });
  }

  #dial(): void {
    const { server, socket, source, target } = this.#ends;
    const pending = PendingDial.follow(this.#thread, server.spec, dialApplication(server.spec, source.ip, target.ip, target.port, (port) => this.#accelerated?.expect(port)), this);
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
      this.#gate = new AccelerationGate(this.#accelerated, { client, server }, this.#thread.readers, () => pair.run());
    }
    const pair = new RelayPair(this.#thread.loop, client, server, (end) => this.#close(end === 'complete' ? '-' : 'CONNECT', end === 'complete' ? undefined : end === 'client-failed' ? 'reset by the client' : 'reset by the server'), this.#gate);
    this.#pair = pair;
    client.owner = server.owner = pair;
    pair.sendFirst(this.#ends.eager);
    pair.run();
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
    pair?.cut();
  }

  view(nowMs: number): ConnectionView {
    const { client, server, source, target } = this.#ends;
    return { direction: 'inbound', carriage: 'local', source: formatSocketAddress(source), destination: formatSocketAddress(target), hboneAddress: undefined, sourceIdentity: client.spec.identity, destinationIdentity: server.spec.identity, service: this.series.labels.service?.hostname, openForMs: nowMs - this.startedAtMs, sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}
