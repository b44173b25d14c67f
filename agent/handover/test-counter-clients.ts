/** Clients of a service that answers each byte with the next number of its connection. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { waitFor } from '@landbridge/lab/wait.ts';

const NUMBER_BYTES = 4;
const PROGRESS_MS = 10_000;

export class CounterClient {
  readonly #socket: Socket;
  #next = 0;
  /** What was not as it has to be; empty while all is. */
  fault = '';
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= NUMBER_BYTES; rest = rest.subarray(NUMBER_BYTES)) {
        const number = rest.readUInt32LE();
        if (number !== this.#next) this.fault ||= `${number} in place of ${this.#next}`;
        this.#next++;
        setTimeout(() => socket.write('?'), 1);
      }
    });
    socket.on('error', () => {
      // Told by `close`.
    });
    socket.on('close', () => (this.isClosed = true));
    socket.write('?');
  }

  static async open(port: number): Promise<CounterClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new CounterClient(socket);
  }

  /** Resolves once the connection goes on from here, or is closed. */
  async settled(): Promise<'goes-on' | 'closed'> {
    const from = this.#next;
    await waitFor(() => this.isClosed || this.#next > from + 2 || undefined, { signal: new AbortController().signal, timeoutMs: PROGRESS_MS, everyMs: 2, what: () => `a connection to go on after ${this.#next} answers` });
    return this.isClosed ? 'closed' : 'goes-on';
  }

  close(): void {
    this.#socket.destroy();
  }
}
