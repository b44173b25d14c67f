import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Application extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** Connections so far. */
  readonly accepted: number;
}

/** An application on loopback that does `serve` with each connection. Half-closes are its own to make. */
export async function startApplication(serve: (socket: Socket) => void): Promise<Application> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {
      // Whoever dialled sees it too.
    });
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    sockets,
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Sends back what comes, and its end. */
export const echo = (socket: Socket): void => void socket.pipe(socket);

/** Takes nothing. */
export const deaf = (socket: Socket): void => void socket.pause();

/** Takes everything and sends nothing until the end. */
export const sink = (socket: Socket): void => void socket.resume().on('end', () => socket.end());

/** Sends without end, as fast as it is taken. */
export function fountain(socket: Socket): void {
  const chunk = Buffer.alloc(64 * 1024, 0x61);
  const pour = (): void => {
    while (!socket.destroyed && socket.write(chunk)) {
      // Until the socket has enough.
    }
  };
  socket.on('drain', pour);
  socket.resume();
  pour();
}

/** Connects, and resolves once the connection is there. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  socket.on('error', () => {
    // Seen by who waits for its end.
  });
  return socket;
}

/** What a connection gave until its end, and whether that was in order. */
export async function readAll(socket: Socket): Promise<{ readonly text: string; readonly end: 'end' | 'reset' }> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const end = await new Promise<'end' | 'reset'>((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', () => resolve('reset'));
    socket.once('close', () => resolve('reset'));
  });
  return { text: Buffer.concat(chunks).toString(), end };
}
