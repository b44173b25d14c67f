/** Unix sockets of type SOCK_SEQPACKET, by which descriptors come with packets (unix(7), recvmsg(2)): Node.js has none of both. */
import koffi from 'koffi';
import { createWaker, takeWakes, wake } from './epoll.ts';
import { checkLibc, SystemCallError } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { nativeMemory } from './memory.ts';
import { descriptorSpace, parseDescriptors } from './passed-descriptors.ts';
import { EAGAIN, lastErrno } from './stream-socket.ts';
import { unixAddress } from './unix-address.ts';

const library = koffi.load(null);
const callConnect = library.func('int connect(int fd, const void *address, int length)');
const callSend = library.func('int64_t send(int fd, const void *bytes, int64_t size, int flags)');
const callReceive = library.func('int64_t recvmsg(int fd, void *message, int flags)');
const callPoll = library.func('int poll(void *descriptors, unsigned long count, int timeout)');

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 0x8;
const MSG_CMSG_CLOEXEC = 0x40000000;
const POLLIN = 1;
const POLL_ENTRY_BYTES = 8;
/** A call that waits holds one of libuv's threads, which a process that ends waits for. */
const POLL_MS = 1000;
/** struct msghdr: name, its length, vector, its length, control data, its length, flags; of 8 bytes each. */
const MESSAGE = { bytes: 56, vector: 16, vectors: 24, control: 32, controlLength: 40, flags: 48 } as const;
/** More descriptors than these the kernel closes, and says so. */
const MAX_DESCRIPTORS = 4;

export type Received =
  /** `isWhole`: neither the packet nor its descriptors were longer than there is room for. */
  | { readonly kind: 'packet'; readonly bytes: Buffer; readonly descriptors: readonly FileDescriptor[]; readonly isWhole: boolean }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'ended' };

export class SeqpacketSocket implements Disposable {
  readonly #socket: FileDescriptor;
  readonly #waker = new FileDescriptor(createWaker());
  readonly #bytes: ReturnType<typeof nativeMemory>;
  readonly #control = nativeMemory(descriptorSpace(MAX_DESCRIPTORS));
  readonly #vector = nativeMemory(16);
  readonly #message = nativeMemory(MESSAGE.bytes);
  readonly #poll = nativeMemory(2 * POLL_ENTRY_BYTES);
  #waiting: Promise<void> | undefined;

  /** Takes a connected socket over, which does not block. */
  constructor(socket: FileDescriptor, maxPacketBytes: number) {
    this.#socket = socket;
    this.#bytes = nativeMemory(maxPacketBytes);
  }

  /** @throws SystemCallError */
  static connect(path: string, maxPacketBytes: number): SeqpacketSocket {
    const socket = new FileDescriptor(checkLibc('socket', libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    try {
      const address = unixAddress(path);
      checkLibc(`connect to ${path}`, callConnect(socket.number, address, address.length) as number);
      return new SeqpacketSocket(socket, maxPacketBytes);
    } catch (thrown) {
      socket[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Sends one packet. @throws SystemCallError, also where the peer does not read */
  send(packet: Uint8Array): void {
    checkLibc('send', Number(callSend(this.#socket.number, packet, packet.length, MSG_NOSIGNAL)));
  }

  /** Takes the next packet, if one is there. The descriptors are the caller's to close. @throws SystemCallError */
  receive(): Received {
    this.#vector.bytes.writeBigUInt64LE(BigInt(this.#bytes.address), 0);
    this.#vector.bytes.writeBigUInt64LE(BigInt(this.#bytes.bytes.length), 8);
    const message = this.#message.bytes.fill(0);
    message.writeBigUInt64LE(BigInt(this.#vector.address), MESSAGE.vector);
    message.writeBigUInt64LE(1n, MESSAGE.vectors);
    message.writeBigUInt64LE(BigInt(this.#control.address), MESSAGE.control);
    message.writeBigUInt64LE(BigInt(this.#control.bytes.length), MESSAGE.controlLength);
    const size = Number(callReceive(this.#socket.number, message, MSG_CMSG_CLOEXEC));
    if (size < 0) {
      const errno = lastErrno();
      if (errno === EAGAIN) return { kind: 'nothing' };
      throw new SystemCallError('recvmsg', errno);
    }
    const control = this.#control.bytes.subarray(0, Number(message.readBigUInt64LE(MESSAGE.controlLength)));
    const descriptors = parseDescriptors(control).map((number) => new FileDescriptor(number));
    // A packet without a byte can not be told from the end.
    if (size === 0 && descriptors.length === 0) return { kind: 'ended' };
    const isWhole = (message.readInt32LE(MESSAGE.flags) & (MSG_TRUNC | MSG_CTRUNC)) === 0;
    return { kind: 'packet', bytes: Buffer.from(this.#bytes.bytes.subarray(0, size)), descriptors, isWhole };
  }

  /** Resolves when there is something to receive, the end as well, or the signal aborts. One caller at a time. */
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
    const entries = this.#poll.bytes;
    while (!signal.aborted) {
      for (const [at, fd] of [this.#socket.number, this.#waker.number].entries()) {
        entries.writeInt32LE(fd, at * POLL_ENTRY_BYTES);
        entries.writeInt32LE(POLLIN, at * POLL_ENTRY_BYTES + 4);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      // What comes back is in the entries: 0, or negative where a signal interrupted, is to look again.
      callPoll.async(entries, 2, POLL_MS, () => resolve());
      await promise;
      // The third field: what happened.
      if (entries.readUInt16LE(6) !== 0) return;
    }
    takeWakes(this.#waker.number);
  }

  [Symbol.dispose](): void {
    // The call under way has the descriptors still: they may be somebody else's once they are closed.
    const close = (): void => {
      this.#socket[Symbol.dispose]();
      this.#waker[Symbol.dispose]();
    };
    wake(this.#waker.number);
    if (this.#waiting === undefined) close();
    else void this.#waiting.then(close);
  }
}
