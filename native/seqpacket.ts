/** Unix sockets of type SOCK_SEQPACKET, by which descriptors come with packets (unix(7), recvmsg(2)): Node.js has none of both. */
import koffi from 'koffi';
import { checkLibc, SystemCallError } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { addressOf, type NativeMemory, nativeMemory } from './memory.ts';
import { descriptorSpace, encodeDescriptors, parseDescriptors } from './passed-descriptors.ts';
import { type PeerCredentials, peerCredentials } from './peer-credentials.ts';
import { ReadableWait } from './readable-wait.ts';
import { EAGAIN, ECONNRESET, lastErrno } from './stream-socket.ts';
import { unixAddress } from './unix-address.ts';

const library = koffi.load(null);
const callConnect = library.func('int connect(int fd, const void *address, int length)');
const callSend = library.func('int64_t sendmsg(int fd, const void *message, int flags)');
const callReceive = library.func('int64_t recvmsg(int fd, void *message, int flags)');
const callShutdown = library.func('int shutdown(int fd, int how)');

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 0x8;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SHUT_RD = 0;
/** struct msghdr: name, its length, vector, its length, control data, its length, flags; of 8 bytes each. */
const MESSAGE = { bytes: 56, vector: 16, vectors: 24, control: 32, controlLength: 40, flags: 48 } as const;
/** Unless a socket is made for more; of what is beyond, the kernel closes the descriptors and says so. */
const MAX_DESCRIPTORS = 4;

export type Received =
  /** `isWhole`: neither the packet nor its descriptors were longer than there is room for. */
  | { readonly kind: 'packet'; readonly bytes: Buffer; readonly descriptors: readonly FileDescriptor[]; readonly isWhole: boolean }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'ended' };

/** One that does not block and is closed on exec. @throws SystemCallError */
export function newSeqpacketSocket(): FileDescriptor {
  return new FileDescriptor(checkLibc('socket', libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
}

const sending = { vector: nativeMemory(16), message: nativeMemory(MESSAGE.bytes) };

/** Sends one packet on a socket of whoever, and copies of descriptors with it: up to MAX_PASSED_DESCRIPTORS. @throws SystemCallError, also where the peer does not read */
export function sendOn(socket: number, packet: Uint8Array, descriptors: readonly number[] = []): void {
  const control = encodeDescriptors(descriptors);
  const message = describe(sending, addressOf(packet), packet.length, control.length === 0 ? 0 : addressOf(control), control.length);
  checkLibc('sendmsg', Number(callSend(socket, message, MSG_NOSIGNAL)));
}

function describe({ vector, message }: { readonly vector: NativeMemory; readonly message: NativeMemory }, bytes: number, size: number, control: number, controlSize: number): Buffer {
  vector.bytes.writeBigUInt64LE(BigInt(bytes), 0);
  vector.bytes.writeBigUInt64LE(BigInt(size), 8);
  const header = message.bytes.fill(0);
  header.writeBigUInt64LE(BigInt(vector.address), MESSAGE.vector);
  header.writeBigUInt64LE(1n, MESSAGE.vectors);
  header.writeBigUInt64LE(BigInt(control), MESSAGE.control);
  header.writeBigUInt64LE(BigInt(controlSize), MESSAGE.controlLength);
  return header;
}

export class SeqpacketSocket implements Disposable {
  readonly #socket: FileDescriptor;
  readonly #wait: ReadableWait;
  readonly #bytes: NativeMemory;
  readonly #control: NativeMemory;
  readonly #receiving = { vector: nativeMemory(16), message: nativeMemory(MESSAGE.bytes) };

  /** Takes a connected socket over, which does not block. `maxDescriptors`: of one packet that comes. */
  constructor(socket: FileDescriptor, maxPacketBytes: number, maxDescriptors = MAX_DESCRIPTORS) {
    this.#socket = socket;
    this.#wait = new ReadableWait(socket);
    this.#bytes = nativeMemory(maxPacketBytes);
    this.#control = nativeMemory(descriptorSpace(maxDescriptors));
  }

  /** @throws SystemCallError */
  static connect(path: string, maxPacketBytes: number, maxDescriptors = MAX_DESCRIPTORS): SeqpacketSocket {
    const socket = newSeqpacketSocket();
    try {
      const address = unixAddress(path);
      checkLibc(`connect to ${path}`, callConnect(socket.number, address, address.length) as number);
      return new SeqpacketSocket(socket, maxPacketBytes, maxDescriptors);
    } catch (thrown) {
      socket[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Of this process, and this object's. */
  get descriptor(): number {
    return this.#socket.number;
  }

  /** Who connected, or listened where this end has connected. @throws SystemCallError */
  get peer(): PeerCredentials {
    return peerCredentials(this.#socket.number);
  }

  /** Sends one packet, and copies of descriptors with it: up to MAX_PASSED_DESCRIPTORS. @throws SystemCallError, also where the peer does not read */
  send(packet: Uint8Array, descriptors: readonly number[] = []): void {
    sendOn(this.#socket.number, packet, descriptors);
  }

  /** From here on the peer can send nothing (EPIPE, for it); what has come before can still be received. @throws SystemCallError */
  refuseFurther(): void {
    checkLibc('shutdown', callShutdown(this.#socket.number, SHUT_RD) as number);
  }

  /** Takes the next packet, if one is there. The descriptors are the caller's to close. @throws SystemCallError */
  receive(): Received {
    const message = describe(this.#receiving, this.#bytes.address, this.#bytes.bytes.length, this.#control.address, this.#control.bytes.length);
    const size = Number(callReceive(this.#socket.number, message, MSG_CMSG_CLOEXEC));
    if (size < 0) {
      const errno = lastErrno();
      if (errno === EAGAIN) return { kind: 'nothing' };
      // The peer has closed with packets unread. It is told once, before what the peer had sent.
      if (errno === ECONNRESET) return this.receive();
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
    await this.#wait.readable(signal);
  }

  [Symbol.dispose](): void {
    this.#wait[Symbol.dispose]();
  }
}
