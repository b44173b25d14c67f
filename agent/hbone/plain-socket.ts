import { close, closeByReset, EAGAIN, ECONNRESET, hasArrived, lastErrno, receive, send, setResetOnClose, shutdownWrite, takeError } from '@landbridge/native/stream-socket.ts';
import { errnoOf } from '@landbridge/native/errno.ts';
import { ByteQueue } from './byte-queue.ts';
import { Event, type EventHandler, type EventLoop } from './event-loop.ts';
import { ENDED, FAILED, type Near, type NearOwner, NOTHING_YET } from './near.ts';

const ETIMEDOUT = errnoOf('ETIMEDOUT');

/** All that there is to know of a connected socket, besides what the kernel keeps with it. */
export interface PlainSocketState {
  readonly fd: number;
  /** Taken from the other side and not sent yet. */
  readonly unsent: readonly Buffer[];
  /** No more comes from the other side: the FIN follows what is unsent. */
  readonly isEnding: boolean;
  /** The FIN was sent. */
  readonly isEnded: boolean;
  /** The end of what it sends was seen. */
  readonly hasPeerEnded: boolean;
}

/**
 * An application's connection: accepted from it or dialled to it. From when it is connected until it is ended in order it is
 * reset if this process dies: what the process had read for it and not sent would be missing without an error.
 */
export class PlainSocket implements Near, EventHandler {
  readonly #loop: EventLoop;
  readonly fd: number;
  owner: NearOwner | undefined;
  /** False while the dial goes on: what is pushed waits. */
  isConnected: boolean;
  /** Of a dial not before something has come: there would be a call in vain for each. */
  mayPull: boolean;
  #mayPush: boolean;
  /** The other end sent its FIN or RST: a short read does not tell that nothing is left. */
  #peerHungUp = false;
  #isEnding = false;
  #isEnded = false;
  #hasPeerEnded = false;
  /** 0, or why the connection failed. */
  errno = 0;
  isClosed = false;
  readonly #queue = new ByteQueue();

  /** A socket of another process is followed only by {@link thaw}: until then it is not ours to read. */
  constructor(loop: EventLoop, fd: number, state: 'connected' | 'connecting' | Omit<PlainSocketState, 'fd'>) {
    this.#loop = loop;
    this.fd = fd;
    this.isConnected = this.#mayPush = this.mayPull = state !== 'connecting';
    if (typeof state === 'string') {
      if (this.isConnected) this.#resetIfLost(true);
      loop.add(fd, 'stream', this);
      return;
    }
    for (const part of state.unsent) this.#queue.append(part, 0, part.length);
    this.#isEnding = state.isEnding;
    this.#isEnded = state.isEnded;
    this.#hasPeerEnded = state.hasPeerEnded;
  }

  #resetIfLost(resets: boolean): void {
    if (!this.#isEnded) setResetOnClose(this.fd, resets);
  }

  /** Neither reads nor writes any more, nor hears of anything. It is reset still if all die who have it. */
  freeze(): void {
    this.#loop.remove(this.fd);
  }

  /** Goes on, or begins to: what is there to read or write is told as an event. */
  thaw(): void {
    this.mayPull = this.#mayPush = true;
    this.#resetIfLost(true);
    this.#loop.add(this.fd, 'stream', this);
  }

  /** Of a frozen socket, which may be thawed still: until then its queue does not change. */
  get state(): PlainSocketState {
    return { fd: this.fd, unsent: this.#queue.parts, isEnding: this.#isEnding, isEnded: this.#isEnded, hasPeerEnded: this.#hasPeerEnded };
  }

  /** Closes this process' copy of a frozen socket that another one has: its peer sees nothing of it. */
  leave(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner = undefined;
    this.#queue.clear();
    close(this.fd);
  }

  get queued(): number {
    return this.#queue.size;
  }

  get hasFailed(): boolean {
    return this.errno !== 0;
  }

  /** Whether a pull would bring something now: bytes, the end, or a failure. */
  get hasArrived(): boolean {
    return hasArrived(this.fd);
  }

  onEvents(events: number): void {
    if ((events & (Event.IN | Event.HANG_UP | Event.ERROR | Event.PEER_HANG_UP)) !== 0) this.mayPull = true;
    if ((events & (Event.PEER_HANG_UP | Event.HANG_UP | Event.ERROR)) !== 0) this.#peerHungUp = true;
    if ((events & Event.ERROR) !== 0) this.#fail(takeError(this.fd));
    else if ((events & (Event.OUT | Event.HANG_UP)) !== 0) {
      // A dial that goes on reports HANG_UP before it has begun.
      if (!this.isConnected && (events & Event.OUT) !== 0) {
        this.isConnected = true;
        this.#resetIfLost(true);
      }
      if (this.isConnected) this.#mayPush = true;
      if (this.#queue.size > 0 || this.#isEnding) this.#flush();
    }
    this.owner?.onNear();
  }

  pull(_bytes: Buffer, address: number, _offset: number, size: number): number {
    if (this.errno !== 0) return FAILED;
    const count = receive(this.fd, address, size);
    if (count > 0) {
      if (count < size && !this.#peerHungUp) this.mayPull = false;
      return count;
    }
    // Told to whoever asks: a connection that begins anew elsewhere has to hear of the end, too.
    if (count === 0) {
      this.#hasPeerEnded = true;
      return ENDED;
    }
    this.mayPull = false;
    if (lastErrno() === EAGAIN) return NOTHING_YET;
    this.#fail(lastErrno());
    return FAILED;
  }

  push(bytes: Buffer, address: number, offset: number, size: number): boolean {
    if (this.errno !== 0) return false;
    let sent = 0;
    if (this.#queue.size === 0 && this.#mayPush) {
      sent = send(this.fd, address, size);
      if (sent === size) return true;
      if (sent < 0) {
        if (lastErrno() !== EAGAIN) {
          this.#fail(lastErrno());
          return false;
        }
        sent = 0;
      }
      this.#mayPush = false;
    }
    this.#queue.append(bytes, offset + sent, size - sent);
    return true;
  }

  endPush(): void {
    this.#isEnding = true;
    if (this.isConnected) this.#flush();
  }

  #flush(): void {
    if (this.#queue.size > 0) {
      const result = this.#queue.sendTo(this.fd);
      if (typeof result === 'number') return this.#fail(result);
      if (!result) this.#mayPush = false;
    }
    if (this.#isEnding && !this.#isEnded && this.#queue.size === 0) {
      this.#resetIfLost(false);
      this.#isEnded = true;
      shutdownWrite(this.fd);
    }
  }

  #fail(errno: number): void {
    this.errno = errno === 0 ? ECONNRESET : errno;
    this.#queue.clear();
  }

  /** Gives up a dial that takes too long. */
  abandon(): void {
    this.#fail(ETIMEDOUT);
    this.owner?.onNear();
  }

  close(reset: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner = undefined;
    this.#queue.clear();
    if (reset) {
      this.#loop.remove(this.fd);
      return closeByReset(this.fd);
    }
    this.#resetIfLost(false);
    if (this.#isEnded && !this.#hasPeerEnded) this.#loop.closeAfterPeer(this.fd);
    else this.#loop.close(this.fd);
  }
}
