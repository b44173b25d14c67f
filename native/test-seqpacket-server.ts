/** The other end of {@link SeqpacketSocket}, for tests. */
import koffi from 'koffi';
import { checkLibc } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { addressOf } from './memory.ts';
import { encodeDescriptor } from './passed-descriptors.ts';
import { SeqpacketSocket } from './seqpacket.ts';
import { accept, EAGAIN, lastErrno } from './stream-socket.ts';
import { unixAddress } from './unix-address.ts';

const callSendMessage = koffi.load(null).func('int64_t sendmsg(int fd, const void *message, int flags)');
const AF_UNIX = 1;
const SOCK_SEQPACKET_FLAGS = 5 | 0o4000 | 0o2000000;
const MSG_NOSIGNAL = 0x4000;

export class TestSeqpacketServer implements Disposable {
  readonly #listener: FileDescriptor;

  constructor(path: string) {
    this.#listener = new FileDescriptor(checkLibc('socket', libc.socket(AF_UNIX, SOCK_SEQPACKET_FLAGS, 0)));
    const address = unixAddress(path);
    checkLibc('bind', libc.bind(this.#listener.number, address, address.length));
    checkLibc('listen', libc.listen(this.#listener.number, 8));
  }

  /** Undefined while nobody has connected. */
  accept(): TestSeqpacketPeer | undefined {
    const fd = accept(this.#listener.number);
    if (fd < 0 && lastErrno() === EAGAIN) return undefined;
    return new TestSeqpacketPeer(checkLibc('accept', fd));
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}

export class TestSeqpacketPeer extends SeqpacketSocket {
  readonly #fd: number;

  constructor(fd: number) {
    super(new FileDescriptor(fd), 64 * 1024);
    this.#fd = fd;
  }

  sendWith(packet: Uint8Array, descriptors: readonly number[]): void {
    const bytes = Buffer.from(packet);
    const control = Buffer.concat(descriptors.map(encodeDescriptor));
    const vector = Buffer.alloc(16);
    vector.writeBigUInt64LE(BigInt(addressOf(bytes)), 0);
    vector.writeBigUInt64LE(BigInt(bytes.length), 8);
    const message = Buffer.alloc(56);
    message.writeBigUInt64LE(BigInt(addressOf(vector)), 16);
    message.writeBigUInt64LE(1n, 24);
    if (control.length > 0) message.writeBigUInt64LE(BigInt(addressOf(control)), 32);
    message.writeBigUInt64LE(BigInt(control.length), 40);
    checkLibc('sendmsg', Number(callSendMessage(this.#fd, message, MSG_NOSIGNAL)));
  }
}
