import { DIRECTION_BYTES, type DirectionState, type Endpoint, newDirection, parseDirection, SOCKET_BYTES, socketKey } from '@landbridge/ebpf/acceleration-layout.ts';
import { OUTBOUND_PORT } from '@landbridge/ebpf/capture-layout.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { SystemCallError } from '@landbridge/native/errno.ts';
import { isMappedIpv4 } from '@landbridge/native/socket-address.ts';
import type { AccelerationHandles } from './acceleration.ts';
import type { PodHandles } from './capture.ts';

export type PairEnd = 'client' | 'server';

/** Where the sockets of captured applications are connected to: the agent's listener, at whatever address. */
const LISTENER: Endpoint = { ip: Buffer.alloc(16), port: OUTBOUND_PORT };

/** The sockets of two applications of a node that the agent has joined, for the programs of acceleration.bpf.c. Addresses are 16 bytes. */
export class AcceleratedPair {
  readonly #handles: AccelerationHandles;
  readonly #client: Buffer;
  readonly #serverOf: (port: number) => Buffer;
  #server: Buffer | undefined;
  #isJoined = false;
  #ended = { sent: 0, received: 0 };

  private constructor(handles: AccelerationHandles, client: Buffer, serverOf: (port: number) => Buffer) {
    this.#handles = handles;
    this.#client = client;
    this.#serverOf = serverOf;
  }

  /**
   * `source` and `target`: addresses of both applications. Undefined where not both pods are accelerated, not both addresses
   * IPv4, as accelerated sockets are, or where the client's socket blocks.
   */
  static between(client: PodHandles | undefined, server: PodHandles | undefined, source: Endpoint, target: Endpoint): AcceleratedPair | undefined {
    if (client?.acceleration === undefined || server?.acceleration === undefined) return undefined;
    if (!isMappedIpv4(source.ip) || !isMappedIpv4(target.ip)) return undefined;
    const pair = new AcceleratedPair(server.acceleration, clientKey(client, source), (port) => socketKey(server.cookie, target, { ip: source.ip, port }));
    return pair.isGone('client') ? undefined : pair;
  }

  /** Before the dial to the server's application begins, which leaves from `port`, or before it begins anew from another one; false where another pair has that. */
  expect(port: number): boolean {
    if (this.#server !== undefined) this.#directions.delete(this.#server);
    const server = this.#serverOf(port);
    this.#server = undefined;
    try {
      if (!this.#directions.add(server, newDirection())) return false;
      this.#server = server;
    } catch (thrown) {
      if (!isFull(thrown)) throw thrown;
    }
    return true;
  }

  /** Both applications are connected, and may speak with each other. */
  join(): void {
    const server = this.#server;
    if (server === undefined || !this.#write(this.#client, newDirection(server))) return;
    this.#isJoined = this.#write(server, newDirection(this.#client));
  }

  /** Both sides go on by the agent alone; what went past it stays counted. */
  part(): void {
    this.#ended = { sent: this.sentBytes, received: this.receivedBytes };
    this.#isJoined = false;
    this.#directions.delete(this.#client);
    if (this.#server !== undefined) this.#directions.delete(this.#server);
    this.#server = undefined;
  }

  /** Past the agent, by the client. */
  get sentBytes(): number {
    return this.#isJoined ? Number(this.#state('client').sent) : this.#ended.sent;
  }

  get receivedBytes(): number {
    return this.#isJoined ? Number(this.#state('server').sent) : this.#ended.received;
  }

  /** Of what `sender` sends; undefined where the two are not joined, and nothing goes past the agent. */
  state(sender: PairEnd): DirectionState | undefined {
    return this.#isJoined ? this.#state(sender) : undefined;
  }

  /** Makes ordinary sockets of both again, where none of them was ever more than that. */
  evict(): void {
    if (!this.#isJoined || this.sentBytes > 0 || this.receivedBytes > 0) return;
    const keys = [this.#client, this.#server as Buffer];
    this.part();
    for (const key of keys) this.#sockets.delete(key);
  }

  /** Of the iterator that finds out who has read. */
  get readers(): number {
    return this.#handles.readers;
  }

  /** Whether an application has no accelerated socket, or none any more: nobody will read what waits in it. */
  isGone(end: PairEnd): boolean {
    const key = end === 'client' ? this.#client : this.#server;
    return key === undefined || this.#sockets.get(key) === undefined;
  }

  get #directions(): BpfMap {
    return new BpfMap(this.#handles.directions, 'directions', DIRECTION_BYTES);
  }

  get #sockets(): BpfMap {
    return new BpfMap(this.#handles.sockets, 'sockets', SOCKET_BYTES);
  }

  #state(sender: PairEnd): DirectionState {
    const key = sender === 'client' ? this.#client : (this.#server as Buffer);
    return parseDirection(this.#directions.get(key) ?? newDirection());
  }

  #write(key: Buffer, value: Buffer): boolean {
    try {
      this.#directions.set(key, value);
      return true;
    } catch (thrown) {
      if (isFull(thrown)) return false;
      throw thrown;
    }
  }
}

/** No room for more pairs: this one goes by the agent. */
const isFull = (thrown: unknown): boolean => thrown instanceof SystemCallError;

/** A connection of a pod goes elsewhere than to an accelerated pod of the node: its socket is an ordinary one again. */
export function leaveToTcp(client: PodHandles, source: Endpoint): void {
  if (client.acceleration !== undefined) new BpfMap(client.acceleration.sockets, 'sockets', SOCKET_BYTES).delete(clientKey(client, source));
}

const clientKey = ({ cookie }: PodHandles, source: Endpoint): Buffer => socketKey(cookie, source, LISTENER);
