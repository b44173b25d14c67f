import koffi from 'koffi';
import { createWaker, takeWakes, wake } from './epoll.ts';
import { FileDescriptor } from './libc.ts';
import { nativeMemory } from './memory.ts';

const callPoll = koffi.load(null).func('int poll(void *descriptors, unsigned long count, int timeout)');

const POLLIN = 1;
/** struct pollfd: descriptor, asked events, told events. */
const ENTRY = { bytes: 8, asked: 4, told: 6 } as const;
/** A call that waits holds one of libuv's threads, which a process that ends waits for. */
const POLL_MS = 1000;

/** Waits until there is something to read from a descriptor, for kinds of sockets that Node.js does not know. */
export class ReadableWait implements Disposable {
  readonly #descriptor: FileDescriptor;
  readonly #waker = new FileDescriptor(createWaker());
  readonly #entries = nativeMemory(2 * ENTRY.bytes);
  #waiting: Promise<void> | undefined;

  /** Takes the descriptor over. */
  constructor(descriptor: FileDescriptor) {
    this.#descriptor = descriptor;
  }

  /** Resolves when there is something to read, the end as well, or the signal aborts. One caller at a time. */
  async readable(signal: AbortSignal): Promise<void> {
    const stop = (): void => wake(this.#waker.number);
    signal.addEventListener('abort', stop, { once: true });
    try {
      this.#waiting = this.#wait(signal);
      await this.#waiting;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const entries = this.#entries.bytes;
    while (!signal.aborted) {
      for (const [at, fd] of [this.#descriptor.number, this.#waker.number].entries()) {
        entries.writeInt32LE(fd, at * ENTRY.bytes);
        entries.writeInt32LE(POLLIN, at * ENTRY.bytes + ENTRY.asked);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      // What comes back is in the entries: 0, or negative where a signal interrupted, is to look again.
      callPoll.async(entries, 2, POLL_MS, () => resolve());
      await promise;
      if (entries.readUInt16LE(ENTRY.told) !== 0) return;
    }
    takeWakes(this.#waker.number);
  }

  [Symbol.dispose](): void {
    // The call under way has the descriptors still: they may be somebody else's once they are closed.
    const close = (): void => {
      this.#descriptor[Symbol.dispose]();
      this.#waker[Symbol.dispose]();
    };
    wake(this.#waker.number);
    if (this.#waiting === undefined) close();
    else void this.#waiting.then(close);
  }
}
