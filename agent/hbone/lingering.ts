import { close, EAGAIN, lastErrno, receive } from '@landbridge/native/stream-socket.ts';
import { DeadlineList } from './deadline-list.ts';
import type { EventHandler, EventLoop } from './event-loop.ts';
import { READ_BYTES, sealedIn } from './scratch.ts';

/** For the peer to take what was sent last and to end its side. */
const LINGER_MS = 5000;
/** Further ones are closed at once. */
const MAX_LINGERING = 1024;
/** What a peer may still have under way is thrown away; one that sends more does not mean to end. */
const MAX_DISCARDED = 4 * 1024 * 1024;

class Lingering implements EventHandler {
  readonly fd: number;
  readonly #end: (socket: Lingering) => void;
  #discarded = 0;

  constructor(fd: number, end: (socket: Lingering) => void) {
    this.fd = fd;
    this.#end = end;
  }

  onEvents(): void {
    while (this.#discarded < MAX_DISCARDED) {
      const count = receive(this.fd, sealedIn.address, READ_BYTES);
      if (count < 0 && lastErrno() === EAGAIN) return;
      if (count <= 0) break;
      this.#discarded += count;
    }
    this.#end(this);
  }
}

/**
 * Connections whose sending direction was ended and from which nothing more is wanted. They are closed when the peer has
 * ended its side: a socket that is closed with bytes unread, or to which more come, is reset, and what was sent last is
 * lost with it (RFC 9112, section 9.6).
 */
export class LingeringSockets {
  readonly #loop: EventLoop;
  readonly #sockets = new DeadlineList<Lingering>(LINGER_MS, (socket) => this.#close(socket));

  constructor(loop: EventLoop) {
    this.#loop = loop;
    loop.watch(this.#sockets);
  }

  /** Takes a descriptor over that the loop follows no more. */
  add(fd: number): void {
    if (this.#sockets.size >= MAX_LINGERING) {
      close(fd);
      return;
    }
    const socket = new Lingering(fd, () => {
      this.#sockets.clear(socket);
      this.#close(socket);
    });
    this.#sockets.set(socket, this.#loop.nowMs);
    // What is there already is told as an event.
    this.#loop.add(fd, 'stream', socket);
  }

  #close({ fd }: Lingering): void {
    this.#loop.close(fd);
  }

  [Symbol.dispose](): void {
    this.#sockets.expire(Number.POSITIVE_INFINITY);
  }
}
