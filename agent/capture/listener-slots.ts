import { dnsDatagramKind, LISTENER_KINDS, listenerKey, type ListenerKind, socketValue } from '@landbridge/ebpf/capture-layout.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { socketCookie } from '@landbridge/native/sockets.ts';

/** The place of a pod's listener of one kind in the kernel's map, and this agent's socket for it. */
export interface ListenerSlot {
  readonly key: Buffer;
  /** Stands for the sockets of all threads: from there the kernel chooses. */
  readonly socket: number;
  readonly cookie: bigint;
}

/** Sockets of a pod by kind; those for datagrams in the order of their ports. */
export type PodSockets = Readonly<Record<ListenerKind | 'dnsDatagrams', readonly number[]>>;

/** Of a pod's sockets, at each of its addresses; none of a kind of which there is no socket. @throws SystemCallError */
export function slotsOf(addresses: readonly string[], { dnsDatagrams, ...streams }: PodSockets): readonly ListenerSlot[] {
  const ofStreams = (Object.keys(streams) as ListenerKind[]).map((kind) => ({ kind: LISTENER_KINDS[kind], socket: streams[kind][0] }));
  const ofDatagrams = dnsDatagrams.map((socket, server) => ({ kind: dnsDatagramKind(server), socket }));
  return [...ofStreams, ...ofDatagrams].flatMap(({ kind, socket }) => {
    if (socket === undefined) return [];
    const cookie = socketCookie(socket);
    return addresses.map((address) => ({ key: listenerKey(address, kind), socket, cookie }));
  });
}

/**
 * Says to which agent new connections of pods go. A slot is empty once its socket is closed, however that happens; until
 * somebody fills it, connections are refused.
 */
export class ListenerSlots {
  readonly #listeners: BpfMap;

  constructor(listeners: BpfMap) {
    this.#listeners = listeners;
  }

  /** Takes those that nobody has. @throws SystemCallError */
  fill(slots: readonly ListenerSlot[]): void {
    for (const { key, socket } of slots) this.#listeners.add(key, socketValue(socket));
  }

  /** Takes them from whoever has them: each from one connection to the next. @throws SystemCallError */
  take(slots: readonly ListenerSlot[]): void {
    for (const slot of slots) if (!this.#has(slot)) this.#listeners.set(slot.key, socketValue(slot.socket));
  }

  /** Empties those that are this agent's. Another one that takes such a slot at the same moment loses it, and sees that when it looks again. */
  empty(slots: readonly ListenerSlot[]): void {
    for (const slot of slots) if (this.#has(slot)) this.#listeners.delete(slot.key);
  }

  /** Whether all are this agent's. */
  holds(slots: readonly ListenerSlot[]): boolean {
    return slots.every((slot) => this.#has(slot));
  }

  /** Whether none is this agent's. */
  holdsNone(slots: readonly ListenerSlot[]): boolean {
    return !slots.some((slot) => this.#has(slot));
  }

  /** Whether other agents have all of them. */
  areTaken(slots: readonly ListenerSlot[]): boolean {
    return this.holdsNone(slots) && slots.every(({ key }) => this.#holder(key) !== undefined);
  }

  #has({ key, cookie }: ListenerSlot): boolean {
    return this.#holder(key) === cookie;
  }

  /** The cookie of the socket in a slot. */
  #holder(key: Buffer): bigint | undefined {
    return this.#listeners.get(key)?.readBigUInt64LE();
  }
}
