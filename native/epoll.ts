/** epoll(7) and eventfd(2), edge-triggered, for one thread. */
import koffi from 'koffi';
import { checkLibc } from './errno.ts';
import { nativeMemory } from './memory.ts';

const library = koffi.load(null);
const callCreate = library.func('int epoll_create1(int flags)');
const callControl = library.func('int epoll_ctl(int epoll, int operation, int fd, const void *event)');
const callWait = library.func('int epoll_wait(int epoll, int64_t events, int capacity, int timeout)');
const callClose = library.func('int close(int fd)');
const callEventfd = library.func('int eventfd(unsigned int initial, int flags)');
const callRead = library.func('int64_t read(int fd, void *bytes, int64_t size)');
const callWrite = library.func('int64_t write(int fd, const void *bytes, int64_t size)');

const EPOLL_CLOEXEC = 0o2000000;
const EFD_FLAGS = 0o2004000; // EFD_CLOEXEC | EFD_NONBLOCK
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;

/** Bits of an event (epoll_ctl(2)). */
export const Event = { IN: 1, OUT: 4, ERROR: 8, HANG_UP: 16, PEER_HANG_UP: 0x2000 } as const;
const EDGE_TRIGGERED = 0x80000000;
const STREAM_EVENTS = Event.IN | Event.OUT | Event.PEER_HANG_UP | EDGE_TRIGGERED;
/** Listeners are level-triggered: what one round leaves is told again. */
const LISTENER_EVENTS = Event.IN;

/** struct epoll_event is packed on x86-64: 32 bits of events, 64 bits of data. */
const EVENT_WORDS = 3;
const CAPACITY = 256;

export class Epoll implements Disposable {
  readonly #fd: number;
  readonly #events = nativeMemory(CAPACITY * EVENT_WORDS * 4);
  readonly #words = new Int32Array(this.#events.bytes.buffer, 0, CAPACITY * EVENT_WORDS);
  readonly #control = Buffer.alloc(EVENT_WORDS * 4);

  constructor() {
    this.#fd = checkLibc('epoll_create1', callCreate(EPOLL_CLOEXEC) as number);
  }

  /** `tag` comes back with each event: descriptors are used again, so they alone do not tell who is meant. @throws SystemCallError */
  add(fd: number, kind: 'stream' | 'listener', tag: number): void {
    this.#control.writeUInt32LE((kind === 'stream' ? STREAM_EVENTS : LISTENER_EVENTS) >>> 0, 0);
    this.#control.writeInt32LE(fd, 4);
    this.#control.writeInt32LE(tag, 8);
    checkLibc('epoll_ctl ADD', callControl(this.#fd, EPOLL_CTL_ADD, fd, this.#control) as number);
  }

  /** Always before the descriptor is closed: while another process holds the socket, closing does not end its events. */
  remove(fd: number): void {
    callControl(this.#fd, EPOLL_CTL_DEL, fd, this.#control);
  }

  /** Returns how many events there are; negative where a signal interrupted. */
  wait(timeoutMs: number): number {
    return callWait(this.#fd, this.#events.address, CAPACITY, timeoutMs) as number;
  }

  events(index: number): number {
    return this.#words[index * EVENT_WORDS] as number;
  }

  fd(index: number): number {
    return this.#words[index * EVENT_WORDS + 1] as number;
  }

  tag(index: number): number {
    return this.#words[index * EVENT_WORDS + 2] as number;
  }

  [Symbol.dispose](): void {
    callClose(this.#fd);
  }
}

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const count = Buffer.alloc(8);

/** Makes an eventfd, by which one thread wakes another. @throws SystemCallError */
export function createWaker(): number {
  return checkLibc('eventfd', callEventfd(0, EFD_FLAGS) as number);
}

export function wake(fd: number): void {
  callWrite(fd, ONE, ONE.length);
}

/** Takes all wakes so far. */
export function takeWakes(fd: number): void {
  callRead(fd, count, count.length);
}
