import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { type Frame, PREFACE, settings, TYPE } from './frames.ts';

export interface Credentials {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootPem: string;
}

export interface RawPeerOptions {
  /** Speaks first: the preface of HTTP/2 and SETTINGS. */
  readonly greets?: boolean;
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** Takes what comes; else nothing is read once the handshake is over. */
  readonly reads?: boolean;
}

export interface PeerEnd {
  /** Code of GOAWAY, where one came. */
  readonly goaway: number | undefined;
  readonly afterMs: number;
}

/** One end of an HTTP/2 connection over node:tls whose frames are written by hand. */
export class RawPeer {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<PeerEnd>;
  #pending: Buffer = Buffer.alloc(0);
  #goaway: number | undefined;
  isClosed = false;
  receivedBytes = 0;

  private constructor(socket: TLSSocket, reads: boolean) {
    this.socket = socket;
    const sinceMs = performance.now();
    this.closed = new Promise((resolve) => {
      const over = (): void => {
        this.isClosed = true;
        resolve({ goaway: this.#goaway, afterMs: performance.now() - sinceMs });
      };
      socket.on('error', () => {
        // Reset is one of the ways in which it may end.
      });
      socket.on('end', over);
      socket.on('close', over);
    });
    if (reads) socket.on('data', (chunk: Buffer) => this.#take(chunk));
    else socket.pause();
  }

  static async connect(port: number, { keyPem, chainPem, rootPem }: Credentials, { greets = true, settings: pairs = [], reads = true }: RawPeerOptions = {}): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', key: keyPem, cert: chainPem, ca: rootPem, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3', checkServerIdentity: () => undefined });
    await once(socket, 'secureConnect');
    socket.setNoDelay(true);
    const peer = new RawPeer(socket, reads);
    // Without an acknowledgement the header table stays as it is before any SETTINGS.
    if (greets) peer.write(PREFACE, settings(...pairs));
    return peer;
  }

  write(...frames: readonly Uint8Array[]): boolean {
    if (this.isClosed || this.socket.destroyed) return false;
    return this.socket.write(frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames));
  }

  /** Writes as fast as it is taken, until the connection is over or all is written. */
  async flood(piece: (i: number) => Uint8Array, count: number, batch = 500): Promise<number> {
    for (let i = 0; i < count; i += batch) {
      if (this.isClosed || this.socket.destroyed) return i;
      if (!this.write(...Array.from({ length: Math.min(batch, count - i) }, (_, k) => piece(i + k)))) await this.#drained();
    }
    return count;
  }

  async #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.socket.once('drain', resolve));
    await Promise.race([drained, this.closed]);
  }

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 9) {
      const length = this.#pending.readUIntBE(0, 3);
      if (this.#pending.length < 9 + length) return;
      const payload = this.#pending.subarray(9, 9 + length);
      const [type, flags] = [this.#pending[3] as number, this.#pending[4] as number];
      const stream = this.#pending.readUInt32BE(5);
      this.#pending = this.#pending.subarray(9 + length);
      if (type === TYPE.goaway) this.#goaway = payload.readUInt32BE(4);
      if (type !== TYPE.data) this.frames.push({ type, flags, stream, payload: Buffer.from(payload) });
    }
  }

  /** Waits for a frame of a type, on a stream or any. */
  async frame(type: number, stream?: number): Promise<Frame> {
    for (;;) {
      const found = this.frames.find((each) => each.type === type && (stream === undefined || each.stream === stream));
      if (found !== undefined) return found;
      if (this.isClosed) throw new Error(`closed before a frame of type ${type}, with GOAWAY ${this.#goaway}`);
      await Promise.race([once(this.socket, 'data'), this.closed]);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}
