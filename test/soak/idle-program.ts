/** The two ends of connections that rest: `server`, or `client` which opens as many as it is told, says a little on each and holds them. */
import { connect, createServer, type Socket } from 'node:net';

export type IdleMessage = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'held'; readonly count: number } | { readonly kind: 'failed'; readonly text: string };
export type IdleOrder = { readonly kind: 'hold'; readonly port: number; readonly count: number } | { readonly kind: 'release' };

const AT_ONCE = 100;
const WORDS = Buffer.alloc(100, 7);

const send = (message: IdleMessage): void => void process.send?.(message);
const held: Socket[] = [];

async function hold(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    let received = 0;
    socket.on('error', reject);
    socket.on('connect', () => socket.write(WORDS));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received === WORDS.length) resolve();
    });
  });
  held.push(socket);
}

async function holdMany(port: number, count: number): Promise<void> {
  for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - i) }, async () => await hold(port)));
}

process.on('disconnect', () => process.exit(0));
if (process.argv[2] === 'server') {
  const server = createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => send({ kind: 'listening', port: (server.address() as { port: number }).port }));
} else {
  process.on('message', (order: IdleOrder) => {
    if (order.kind === 'release') {
      for (const socket of held.splice(0)) socket.end();
      return send({ kind: 'held', count: 0 });
    }
    holdMany(order.port, order.count).then(() => send({ kind: 'held', count: held.length }), (error: unknown) => send({ kind: 'failed', text: String(error) }));
  });
}
