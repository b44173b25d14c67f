import { chmodSync, renameSync, rmSync } from 'node:fs';
import { checkLibc } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { ReadableWait } from './readable-wait.ts';
import { newSeqpacketSocket, SeqpacketSocket } from './seqpacket.ts';
import { accept, EAGAIN, lastErrno } from './stream-socket.ts';
import { unixAddress } from './unix-address.ts';

/** Who has connected and waits; more are refused. */
const BACKLOG = 8;
/** Who may connect: the owner of the file, and whoever is above all (unix(7)). */
const OWNER_ONLY = 0o600;

/** Who connects to a path. From one process to the next there is no moment without a listener: the newer one's file takes the older one's place. */
export class SeqpacketListener implements Disposable {
  readonly #listener: FileDescriptor;
  readonly #wait: ReadableWait;

  /** The file stays when the listener is closed; nobody can connect to it then. @throws SystemCallError, Error of node:fs */
  constructor(path: string) {
    const own = `${path}.${process.pid}`;
    const address = unixAddress(own);
    this.#listener = newSeqpacketSocket();
    try {
      rmSync(own, { force: true });
      checkLibc(`bind ${own}`, libc.bind(this.#listener.number, address, address.length) as number);
      // Before it listens nobody can connect, whatever its rights are.
      chmodSync(own, OWNER_ONLY);
      checkLibc('listen', libc.listen(this.#listener.number, BACKLOG) as number);
      renameSync(own, path);
    } catch (thrown) {
      this.#listener[Symbol.dispose]();
      throw thrown;
    }
    this.#wait = new ReadableWait(this.#listener);
  }

  /** The next one that has connected; undefined while there is none. @throws SystemCallError */
  accept(maxPacketBytes: number, maxDescriptors?: number): SeqpacketSocket | undefined {
    const fd = accept(this.#listener.number);
    if (fd < 0 && lastErrno() === EAGAIN) return undefined;
    return new SeqpacketSocket(new FileDescriptor(checkLibc('accept', fd)), maxPacketBytes, maxDescriptors);
  }

  /** Resolves when somebody has connected, or the signal aborts. One caller at a time. */
  async readable(signal: AbortSignal): Promise<void> {
    await this.#wait.readable(signal);
  }

  [Symbol.dispose](): void {
    this.#wait[Symbol.dispose]();
  }
}
