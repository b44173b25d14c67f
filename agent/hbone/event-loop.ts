import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { Epoll, Event, takeWakes } from '@landbridge/native/epoll.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import { DeadlineList } from './deadline-list.ts';
import { LingeringSockets } from './lingering.ts';

/** What is told of events on a descriptor: bits of {@link Event}. */
export interface EventHandler {
  onEvents(events: number): void;
}

/** Work that is done once at the end of a round, however often it was asked for in it. */
export interface Task {
  /** Whether it waits already; the loop's to change. */
  isScheduled: boolean;
  run(): void;
}

/** Something that comes due at some time; see DeadlineList. */
export interface Deadlines {
  readonly nextMs: number;
  expire(nowMs: number): void;
}

/** A word that a thread and its main thread share. */
export type Interrupt = Int32Array<SharedArrayBuffer>;

export const makeInterrupt = (): Interrupt => new Int32Array(new SharedArrayBuffer(4));

/** Messages of the main thread handled in one round, so that traffic goes on between them. */
const MESSAGES_PER_ROUND = 64;
/** A peer that has taken nothing for so long is looked at, and has as long again to take anything. */
const STALL_MS = 20_000;
/** Application data that one stream, or one connection, moves before another one gets its turn: the fewer there are, the more. */
const TURN_BYTES = { most: 512 * 1024, least: 64 * 1024, together: 8 * 1024 * 1024 } as const;
/** A thread can not be ended while it waits: process.exit() takes as long. */
const MAX_WAIT_MS = 1000;

/**
 * The loop of one data thread. A round: events, then messages, then tasks, then deadlines. Between two rounds no
 * connection is in the middle of anything: the one point where their state may be frozen. Messages that interrupt are
 * heard between two events, or tasks: what they are about is not frozen by them.
 */
export class EventLoop implements Disposable {
  readonly #epoll = new Epoll();
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #tags: number[] = [];
  readonly #deadlines: Deadlines[] = [];
  readonly #lingering: LingeringSockets;
  /** Whose bytes the kernel does not take. */
  readonly stalls = new DeadlineList<{ onStalled(): void }>(STALL_MS, (each) => each.onStalled());
  #tasks: Task[] = [];
  /** Where nobody is followed it is never set. */
  #interrupt: Interrupt = makeInterrupt();
  #hear: Task | undefined;
  #isStopped = false;
  /** Monotonic, of the current round. */
  nowMs = performance.now();
  /** What one stream, or one connection, may move in this round. */
  turnBytes: number = TURN_BYTES.most;
  /** Descriptors whose events are followed. */
  sockets = 0;
  #idleMs = 0;
  #busySinceMs = performance.now();

  constructor() {
    this.#lingering = new LingeringSockets(this);
    this.watch(this.stalls);
  }

  /** Begins to report events of a descriptor that does not block. @throws SystemCallError */
  add(fd: number, kind: 'stream' | 'listener', handler: EventHandler): void {
    const tag = ((this.#tags[fd] ?? 0) + 1) | 0;
    this.#tags[fd] = tag;
    this.#handlers[fd] = handler;
    this.#epoll.add(fd, kind, tag);
    this.sockets++;
  }

  /** Before the descriptor is closed. */
  remove(fd: number): void {
    if (this.#handlers[fd] === undefined) return;
    this.#handlers[fd] = undefined;
    this.#epoll.remove(fd);
    this.sockets--;
  }

  /** Ends the events of a descriptor and closes it. */
  close(fd: number): void {
    this.remove(fd);
    close(fd);
  }

  /** Closes a connection whose sending direction was ended once its peer has ended the other one, or does not for seconds. */
  closeAfterPeer(fd: number): void {
    this.remove(fd);
    this.#lingering.add(fd);
  }

  schedule(task: Task): void {
    if (task.isScheduled) return;
    task.isScheduled = true;
    this.#tasks.push(task);
  }

  watch(deadlines: Deadlines): void {
    this.#deadlines.push(deadlines);
  }

  /**
   * Calls `handle` for each message of a port, whose sender wakes the loop by an eventfd after posting. Where it has set
   * the word of `interrupt` before, the messages that wait are heard as soon as what is being handled has been.
   */
  follow(port: MessagePort, waker: number, interrupt: Interrupt, handle: (message: unknown) => void): void {
    const round: Task = {
      isScheduled: false,
      run: () => {
        Atomics.store(interrupt, 0, 0);
        for (let i = 0; i < MESSAGES_PER_ROUND; i++) {
          const received = receiveMessageOnPort(port);
          if (received === undefined) return;
          handle(received.message);
        }
        this.schedule(round);
      },
    };
    this.#interrupt = interrupt;
    this.#hear = round;
    this.add(waker, 'listener', {
      onEvents: () => {
        takeWakes(waker);
        this.schedule(round);
      },
    });
  }

  /** Share of the time since the last call in which the thread did not wait. */
  takeBusy(): number {
    const spanMs = this.nowMs - this.#busySinceMs;
    const busy = spanMs <= 0 ? 0 : Math.max(0, Math.min(1, 1 - this.#idleMs / spanMs));
    this.#idleMs = 0;
    this.#busySinceMs = this.nowMs;
    return busy;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Runs until it is stopped. */
  run(): void {
    while (!this.#isStopped) this.runOnce();
    this[Symbol.dispose]();
  }

  /** One round, which waits for events no longer than asked. */
  runOnce(longestMs = MAX_WAIT_MS): void {
    const epoll = this.#epoll;
    const timeoutMs = this.#tasks.length > 0 ? 0 : this.#waitMs(longestMs);
    const waitedFromMs = timeoutMs === 0 ? 0 : performance.now();
    const count = epoll.wait(timeoutMs);
    this.nowMs = performance.now();
    if (timeoutMs !== 0) this.#idleMs += this.nowMs - waitedFromMs;
    this.turnBytes = Math.max(TURN_BYTES.least, Math.min(TURN_BYTES.most, TURN_BYTES.together / (count + this.#tasks.length)));
    this.#dispatch(count);
    if (this.#tasks.length > 0) {
      const tasks = this.#tasks;
      this.#tasks = [];
      for (let i = 0; i < tasks.length; i++) {
        const task = tasks[i] as Task;
        task.isScheduled = false;
        task.run();
        this.#listen();
      }
    }
    for (let i = 0; i < this.#deadlines.length; i++) (this.#deadlines[i] as Deadlines).expire(this.nowMs);
  }

  #dispatch(count: number): void {
    const epoll = this.#epoll;
    for (let i = 0; i < count; i++) {
      const fd = epoll.fd(i);
      // The descriptor may have been closed, and given to another socket, earlier in this round.
      if (this.#tags[fd] === epoll.tag(i)) this.#handlers[fd]?.onEvents(epoll.events(i));
      this.#listen();
    }
  }

  #listen(): void {
    if (Atomics.load(this.#interrupt, 0) !== 0) this.#hear?.run();
  }

  #waitMs(longestMs: number): number {
    let until = longestMs;
    for (let i = 0; i < this.#deadlines.length; i++) {
      const left = (this.#deadlines[i] as Deadlines).nextMs - this.nowMs;
      if (left < until) until = left;
    }
    return until <= 0 ? 0 : Math.ceil(until);
  }

  [Symbol.dispose](): void {
    this.#lingering[Symbol.dispose]();
    this.#epoll[Symbol.dispose]();
  }
}

export { Event };
