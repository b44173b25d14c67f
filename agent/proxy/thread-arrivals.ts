import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { MappedMemory } from '@landbridge/native/sealed-memory.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import { type HandedConnection, parseHanded, type TunnelState } from '../handover/handed-state.ts';
import { MAX_BATCH_BYTES, machineMs, type TakeWord } from '../handover/handed-batch.ts';
import { sendPacket } from '../handover/handover-channel.ts';
import { type Arrival, isTunnel } from '../handover/movable.ts';
import { sessionFault } from '../hbone/http2-state.ts';
import { channelFault } from '../hbone/tls-channel.ts';
import { innerFault } from '../hbone/tls-over-stream.ts';
import type { DataThread } from './data-thread.ts';
import { InboundSession } from './inbound-session.ts';
import { OutboundConnection } from './outbound-connection.ts';
import { OutboundTunnel } from './outbound-tunnel.ts';
import { PlaintextConnection } from './plaintext-connection.ts';
import type { HandoverOutcome } from './thread-messages.ts';
import type { ThreadPod } from './thread-pod.ts';

/** Batches that are prepared and not decided: there is one at a time, and one more if its sender began anew. */
const MAX_PREPARED = 4;

interface Prepared {
  readonly arrivals: readonly Arrival[];
  readonly fds: readonly number[];
}

/** The new process' half of a hand-over, for one data thread. */
export class ThreadArrivals {
  readonly #thread: DataThread;
  readonly #prepared = new Map<number, Prepared>();

  constructor(thread: DataThread) {
    this.#thread = thread;
  }

  /** Makes the objects of a batch, whose memory is closed. No socket is touched, but closed where the batch is refused. */
  prepare(id: number, memory: number, fds: readonly number[]): HandoverOutcome {
    const arrivals: Arrival[] = [];
    const reason = this.#read(memory, fds, arrivals);
    if (reason === undefined) {
      this.#prepared.set(id, { arrivals, fds });
      return { kind: 'prepared', connections: arrivals.reduce((sum, { connections }) => sum + connections, 0), tunnels: arrivals.filter(isTunnel).length };
    }
    drop({ arrivals, fds });
    return { kind: 'refused', reason };
  }

  /** Makes the objects of a batch, gives the word that takes it, and goes on with it; where nobody was there for the word, it is only prepared. */
  take(id: number, memory: number, fds: readonly number[], { channel, number }: TakeWord): HandoverOutcome {
    const prepared = this.prepare(id, memory, fds);
    if (prepared.kind !== 'prepared' || sendPacket(channel, { kind: 'take', number }).kind !== 'passed') return prepared;
    return { ...prepared, kind: 'taken', atMs: this.start(id) };
  }

  #read(memory: number, fds: readonly number[], arrivals: Arrival[]): string | undefined {
    try {
      using batch = new MappedMemory(memory, MAX_BATCH_BYTES);
      return this.#arriveAll(batch.bytes, fds, arrivals);
    } catch (thrown) {
      return LandbridgeError.from(thrown).message;
    } finally {
      close(memory);
    }
  }

  #arriveAll(batch: Buffer, fds: readonly number[], arrivals: Arrival[]): string | undefined {
    if (this.#prepared.size >= MAX_PREPARED) return 'too many batches are undecided';
    const handed = parseHanded(batch, fds);
    if (!handed.ok) return handed.error;
    for (const each of handed.value) {
      const arrival = this.#arrive(each);
      if (!arrival.ok) return arrival.error;
      arrivals.push(arrival.value);
    }
    return undefined;
  }

  #arrive(handed: HandedConnection): Result<Arrival> {
    switch (handed.kind) {
      case 'plaintext': {
        const pod = this.#guardedPod(handed.state.podUid);
        return pod.ok ? ok(PlaintextConnection.arrive(this.#thread, pod.value, handed.state)) : pod;
      }
      case 'outbound': {
        const pod = this.#pod(handed.state.connection.podUid);
        return pod.ok ? ok(OutboundConnection.arrivePlain(this.#thread, pod.value, handed.state.connection, handed.state.pair)) : pod;
      }
      case 'local': {
        const [client, server] = [this.#pod(handed.state.connection.podUid), this.#guardedPod(handed.state.serverUid)];
        if (!client.ok) return client;
        return server.ok ? ok(OutboundConnection.arriveLocal(this.#thread, client.value, server.value, handed.state)) : server;
      }
      case 'inbound-tunnel': {
        const pod = this.#guardedPod(handed.state.podUid);
        if (!pod.ok) return pod;
        const fault = tunnelFault(handed.state.tunnel, 'server');
        if (fault !== undefined) return err(fault);
        const session = InboundSession.arrive(this.#thread, pod.value, handed.state);
        return session.ok ? session : err(session.error.text);
      }
      case 'outbound-tunnel': {
        const pod = this.#pod(handed.state.podUid);
        if (!pod.ok) return pod;
        const fault = tunnelFault(handed.state.tunnel, 'client');
        return fault === undefined ? OutboundTunnel.arrive(this.#thread, pod.value, handed.state) : err(fault);
      }
      default:
        return handed satisfies never;
    }
  }

  #pod(uid: string): Result<ThreadPod> {
    const pod = this.#thread.pods.get(uid);
    return pod === undefined || pod.isGone ? err(`pod ${uid} is unknown`) : ok(pod);
  }

  /** Whose connections policies allow: without policies nobody may come in, and nobody who is there may stay. */
  #guardedPod(uid: string): Result<ThreadPod> {
    const pod = this.#pod(uid);
    return pod.ok && pod.value.policies === undefined ? err(`the policies of pod ${uid} are not known yet`) : pod;
  }

  /** Since when they go on, by the clock of the machine. */
  start(id: number): number {
    for (const arrival of this.#take(id)?.arrivals ?? []) arrival.start();
    return machineMs();
  }

  discard(id: number): void {
    const prepared = this.#take(id);
    if (prepared !== undefined) drop(prepared);
  }

  #take(id: number): Prepared | undefined {
    const prepared = this.#prepared.get(id);
    this.#prepared.delete(id);
    return prepared;
  }
}

function tunnelFault({ channel, session, streams }: TunnelState, role: 'client' | 'server'): string | undefined {
  if (channel.records.role !== role) return 'a tunnel of the other role';
  return channelFault(channel) ?? sessionFault(session, role, streams.map(({ stream }) => stream)) ?? nestedFault(streams);
}

function nestedFault(streams: TunnelState['streams']): string | undefined {
  for (const handed of streams) {
    const fault = handed.kind === 'plain' ? undefined : (innerFault(handed.nested.channel) ?? sessionFault(handed.nested.session, 'client', [handed.nested.stream]));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** They are another process' still: its peers see nothing of it. */
function drop({ arrivals, fds }: Prepared): void {
  for (const arrival of arrivals) arrival.forget?.();
  for (const fd of fds) close(fd);
}
