/** Applications at both ends of what an engine carries, on loopback. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { HERE } from './engine.ts';

export class Application implements AsyncDisposable {
  readonly #server: Server;
  readonly sockets: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(serve: (socket: Socket) => void): Promise<Application> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const application = new Application(server);
    server.on('connection', (socket) => {
      application.sockets.push(socket);
      socket.on('error', () => {
        // Cut by the test, or by what it tries.
      });
      serve(socket);
    });
    server.listen(0, HERE);
    await once(server, 'listening');
    return application;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Sends back what it gets, and ends once its client does. */
export const echo = (): Promise<Application> => Application.start((socket) => void socket.pipe(socket));

/** Says something to a port and ends; resolves with all of the answer, or with what went wrong. */
export async function ask(port: number, say: Uint8Array | string): Promise<Buffer | Error> {
  const socket = connect({ port, host: HERE, allowHalfOpen: true });
  socket.end(say);
  try {
    return await buffer(socket);
  } catch (thrown) {
    return thrown as Error;
  }
}
