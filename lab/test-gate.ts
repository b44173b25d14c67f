import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A port on loopback that leads to another one, until it is closed: what lies behind it is then out of reach for those who come this way only. */
export class TestGate implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #state: { open: boolean };

  private constructor(server: Server, port: number, sockets: Set<Socket>, state: { open: boolean }) {
    this.#server = server;
    this.port = port;
    this.#sockets = sockets;
    this.#state = state;
  }

  static async start(target: number): Promise<TestGate> {
    const sockets = new Set<Socket>();
    const state = { open: true };
    const server = createServer((client) => {
      if (!state.open) {
        client.destroy();
        return;
      }
      const inner = connect(target, '127.0.0.1');
      for (const [socket, other] of [[client, inner], [inner, client]] as const) {
        sockets.add(socket);
        socket.on('error', () => {}).once('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
      client.pipe(inner).pipe(client);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new TestGate(server, address.port, sockets, state);
  }

  /** Cuts what is connected and refuses others. */
  close(): void {
    this.#state.open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#state.open = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}
