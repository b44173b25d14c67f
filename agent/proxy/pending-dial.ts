import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { PodDial } from '../capture/pod-dial.ts';
import type { DeadlineList } from '../hbone/deadline-list.ts';
import type { EventLoop } from '../hbone/event-loop.ts';
import type { Failure } from '../hbone/failure.ts';
import type { NearOwner } from '../hbone/near.ts';
import { PlainSocket } from '../hbone/plain-socket.ts';
import { settled } from './dialer.ts';
import type { PodSpec } from './thread-messages.ts';

/** What dials of one thread share. */
export interface DialThread {
  readonly loop: EventLoop;
  readonly dialing: DeadlineList<PlainSocket>;
}

/** A plain connection that is being made, until it is taken or given up: whichever comes, nothing of the dial is left. */
export class PendingDial {
  readonly socket: PlainSocket;
  readonly #thread: DialThread;
  readonly #pod: PodSpec;
  readonly #dialed: PodDial;

  private constructor(thread: DialThread, pod: PodSpec, dialed: PodDial, owner: NearOwner) {
    this.#thread = thread;
    this.#pod = pod;
    this.#dialed = dialed;
    this.socket = new PlainSocket(thread.loop, dialed.fd, dialed.isConnected ? 'connected' : 'connecting');
    this.socket.owner = owner;
    thread.dialing.set(this.socket, thread.loop.nowMs);
  }

  /** Follows a dial that was begun; the owner is told when it is connected, or fails, or takes too long. */
  static follow(thread: DialThread, pod: PodSpec, dialed: Result<PodDial, Failure>, owner: NearOwner): Result<PendingDial, Failure> {
    return dialed.ok ? ok(new PendingDial(thread, pod, dialed.value, owner)) : err(dialed.error);
  }

  /** The dial is over; the connection goes on. */
  take(): PlainSocket {
    this.#thread.dialing.clear(this.socket);
    settled(this.#pod, this.#dialed);
    return this.socket;
  }

  /** The connection is not wanted, or was not made. */
  giveUp(): void {
    this.take().close(true);
  }
}
