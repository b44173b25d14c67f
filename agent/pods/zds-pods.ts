import { networkInterfaces } from 'node:os';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import type { FileDescriptor } from '@landbridge/native/libc.ts';
import { inNetworkNamespace, namespaceInode } from '@landbridge/native/network-namespace.ts';
import { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { encodeZdsAck, encodeZdsHello, MAX_ZDS_PACKET_BYTES, parseZdsRequest, type ZdsRequest } from '@landbridge/wire/zds.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import type { NodePod, PodSource } from './local-pod.ts';
import { podAddresses } from './pod-addresses.ts';
import type { PodGate, Sandbox } from './sandbox.ts';

const RECONNECT = { firstMs: 10, mostMs: 15_000 };
const ANSWER_MS = 4000;
/** How often a pod that could not be captured is tried again. */
const PENDING_RETRY_MS = 5000;
/** More pods than an agent can capture. */
const MAX_PODS = 4096;

interface Held {
  readonly pod: NodePod;
  readonly sandbox: Sandbox;
  readonly namespace: FileDescriptor;
  readonly inode: number;
  /** Aborts what is under way when the pod is dropped. */
  readonly stop: AbortController;
  admission: Promise<string>;
  isCaptured: boolean;
}

/** What there is to see of a network namespace. */
export interface NamespaceFacts {
  readonly inode: number;
  /** Whether it is the agent's own, which is the node's. */
  readonly isOfNode: boolean;
  /** The first of each family that is valid beyond the namespace and its links. */
  readonly addresses: readonly string[];
}

/** A descriptor as a path that all threads of this process can open. */
const pathOf = (namespace: FileDescriptor): string => `/proc/self/fd/${namespace.number}`;

export interface ZdsPodsOptions {
  /** Where istio-cni listens. */
  readonly socket: string;
  /** Called once the first snapshot is whole. */
  readonly onSynchronized?: () => void;
  /** Default 5 s, as istio's own agent does. */
  readonly pendingRetryMs?: number;
  /** Default 4 s: istio-cni gives an answer up after 5. */
  readonly answerMs?: number;
  /** @throws SystemCallError for what is no network namespace */
  readonly lookAt?: (namespace: FileDescriptor) => NamespaceFacts;
  readonly log: Logger;
}

/**
 * Pods as istio-cni tells of them (ZDS): which ones are in the mesh is its decision, and so is what others are told of it.
 * A pod is answered for when it is captured, so that istio-cni lets its containers start.
 */
export class ZdsPods implements PodSource {
  readonly #options: ZdsPodsOptions;
  readonly #held = new Map<string, Held>();
  #changed = Promise.withResolvers<void>();

  constructor(options: ZdsPodsOptions) {
    this.#options = options;
  }

  async *watch(signal: AbortSignal): AsyncIterable<readonly NodePod[]> {
    const aborted = whenAborted(signal);
    while (!signal.aborted) {
      const { promise } = this.#changed;
      yield [...this.#held.values()].map(({ pod }) => pod);
      await Promise.race([promise, aborted]);
    }
  }

  /** The annotation is istio-cni's to set. */
  async announce(): Promise<void> {}

  /** Keeps a connection to istio-cni until the signal aborts. */
  async run(gate: PodGate, signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#connect(gate, signal), this.#retry(gate, signal)]);
    } finally {
      for (const held of this.#held.values()) held.namespace[Symbol.dispose]();
    }
  }

  async #connect(gate: PodGate, signal: AbortSignal): Promise<void> {
    const { socket: path, log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      const onSnapshot = (): void => {
        failures = 0;
        metrics.zdsConnected.set(1);
        this.#options.onSynchronized?.();
      };
      let reason: string;
      try {
        using socket = SeqpacketSocket.connect(path, MAX_ZDS_PACKET_BYTES);
        reason = await this.#serve(socket, gate, onSnapshot, signal);
      } catch (thrown) {
        reason = LandbridgeError.from(thrown).message;
      }
      metrics.zdsConnected.set(0);
      if (signal.aborted) return;
      const waitMs = retryDelay(failures++, RECONNECT);
      log.warn({ socket: path, reason, retry_ms: Math.round(waitMs) }, 'not connected to istio-cni');
      await waitFor(waitMs, signal);
    }
  }

  /** One connection, to its end; returns why it ended. Each packet is answered before the next one is read. */
  async #serve(socket: SeqpacketSocket, gate: PodGate, onSnapshot: () => void, signal: AbortSignal): Promise<string> {
    socket.send(encodeZdsHello());
    /** Until the snapshot is whole. */
    let named: Set<string> | undefined = new Set();
    while (!signal.aborted) {
      const received = socket.receive();
      if (received.kind === 'nothing') {
        await socket.readable(signal);
        continue;
      }
      if (received.kind === 'ended') return 'istio-cni closed the connection';
      const { bytes, isWhole } = received;
      const descriptors = [...received.descriptors];
      try {
        const request = isWhole ? parseZdsRequest(bytes) : ({ ok: false, error: 'a packet that is too long' } as const);
        if (!request.ok) {
          socket.send(encodeZdsAck(request.error));
          return `istio-cni sent ${request.error}`;
        }
        if (request.value.kind === 'snapshot-sent') {
          if (named !== undefined) await this.#dropAllBut(named, gate);
          named = undefined;
          socket.send(encodeZdsAck());
          onSnapshot();
          continue;
        }
        named?.add(request.value.uid);
        const error = await this.#handle(request.value, descriptors, gate, signal);
        if (error !== '') this.#options.log.warn({ uid: request.value.uid, request: request.value.kind, error }, 'istio-cni was refused');
        socket.send(encodeZdsAck(error));
      } finally {
        for (const descriptor of descriptors) descriptor[Symbol.dispose]();
      }
    }
    return 'stopped';
  }

  /** Returns what went wrong. Descriptors that are kept are taken out of the list. */
  async #handle(request: Exclude<ZdsRequest, { readonly kind: 'snapshot-sent' }>, descriptors: FileDescriptor[], gate: PodGate, signal: AbortSignal): Promise<string> {
    switch (request.kind) {
      case 'add':
        return await this.#add(request, descriptors, gate, signal);
      case 'keep':
        return this.#held.has(request.uid) ? '' : `nothing is known of pod ${request.uid}`;
      case 'delete':
        await this.#drop(request.uid, gate);
        return '';
      default:
        return request satisfies never;
    }
  }

  async #add({ uid, namespace, name, serviceAccount }: Extract<ZdsRequest, { readonly kind: 'add' }>, descriptors: FileDescriptor[], gate: PodGate, signal: AbortSignal): Promise<string> {
    const [descriptor, ...others] = descriptors;
    if (descriptor === undefined || others.length > 0) return `pod ${uid} came with ${descriptors.length} descriptors`;
    let held = this.#held.get(uid);
    try {
      const { inode, isOfNode, addresses } = (this.#options.lookAt ?? lookAt)(descriptor);
      if (held !== undefined && held.inode !== inode) {
        await this.#drop(uid, gate);
        held = undefined;
      }
      if (held === undefined) {
        if (this.#held.size >= MAX_PODS) return `more than ${MAX_PODS} pods`;
        if (isOfNode) return `pod ${uid} has the network of its node`;
        if (addresses.length === 0) return `pod ${uid} has no address`;
        descriptors.length = 0;
        held = {
          pod: { uid, namespace, name, serviceAccount, addresses, announced: true, wantsAcceleration: false, isInMesh: true, hasEnded: false },
          sandbox: { uid, namespace, name, addresses, namespacePath: pathOf(descriptor) },
          namespace: descriptor,
          inode,
          stop: new AbortController(),
          admission: Promise.resolve(''),
          isCaptured: false,
        };
        this.#held.set(uid, held);
        this.#notify();
      }
    } catch (thrown) {
      return LandbridgeError.from(thrown).message;
    }
    return await this.#capture(held, gate, signal);
  }

  #capture(held: Held, gate: PodGate, signal: AbortSignal): Promise<string> {
    // One after the other: istio-cni may tell of a pod again while it is tried again.
    held.admission = held.admission.then(async () => {
      const admission = await gate.admit(held.sandbox, AbortSignal.any([signal, held.stop.signal, AbortSignal.timeout(this.#options.answerMs ?? ANSWER_MS)]));
      held.isCaptured = admission.kind === 'captured';
      if (admission.kind === 'captured') return '';
      return admission.kind === 'refused' ? admission.reason : `pod ${held.pod.uid} is not in the mesh`;
    });
    return held.admission;
  }

  /** Those that could not be captured when they were told. */
  async #retry(gate: PodGate, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await waitFor(this.#options.pendingRetryMs ?? PENDING_RETRY_MS, signal);
      for (const held of [...this.#held.values()]) {
        if (held.isCaptured || signal.aborted || this.#held.get(held.pod.uid) !== held) continue;
        if ((await this.#capture(held, gate, signal)) === '') this.#options.log.info({ pod: held.pod.name, namespace: held.pod.namespace }, 'a pod was captured after all');
      }
    }
  }

  async #dropAllBut(named: ReadonlySet<string>, gate: PodGate): Promise<void> {
    for (const uid of [...this.#held.keys()]) if (!named.has(uid)) await this.#drop(uid, gate);
  }

  async #drop(uid: string, gate: PodGate): Promise<void> {
    const held = this.#held.get(uid);
    if (held === undefined) return;
    this.#held.delete(uid);
    held.stop.abort();
    await held.admission;
    // By its namespace, which the descriptor holds: the pod may live on, outside of the mesh.
    await gate.end(held.sandbox);
    held.namespace[Symbol.dispose]();
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function lookAt(namespace: FileDescriptor): NamespaceFacts {
  const inode = namespaceInode(pathOf(namespace));
  const interfaces = inNetworkNamespace(namespace.number, () => networkInterfaces());
  const addresses = Object.values(interfaces).flatMap((of = []) => of).filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0).map(({ address }) => address);
  return { inode, isOfNode: inode === namespaceInode('/proc/self/ns/net'), addresses: podAddresses(addresses) };
}
