/** The applications at both ends of a soak: `server`, or `client PORT` which makes connections as it is told. */
import { connect, createServer, type Socket } from 'node:net';
import { encodeHead, readHead, Transfer, type TransferFault, type TransferSpec } from './transfer.ts';

export interface TransferOrder {
  /** To be carried both ways together. */
  readonly bytes: number;
  readonly connections: number;
  /** The largest of one direction of a connection. */
  readonly largest: number;
  readonly port: number;
  /** The connection whose sender leaves out a byte. */
  readonly leaveOutOf: number | undefined;
}

export interface TransferCounts {
  /** Received, and as they should be. */
  readonly bytes: number;
  readonly complete: number;
  readonly reset: number;
  readonly faults: readonly TransferFault[];
}

export type TransferMessage = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'counts'; readonly counts: TransferCounts; readonly isDone: boolean };

const TELL_EVERY_MS = 500;
const MAX_FAULTS = 20;

let bytes = 0;
let complete = 0;
let reset = 0;
let isDone = false;
const faults: TransferFault[] = [];

const send = (message: TransferMessage): void => void process.send?.(message);
const tell = (): void => send({ kind: 'counts', counts: { bytes, complete, reset, faults }, isDone });

async function carry(socket: Socket, spec: TransferSpec, role: 'client' | 'server'): Promise<void> {
  const end = await new Transfer(socket, spec, role, (size) => (bytes += size)).run();
  if (end.kind === 'complete') complete++;
  else if (end.kind === 'reset') reset++;
  else if (faults.length < MAX_FAULTS) faults.push({ text: end.text, atNs: end.atNs });
}

function serve(): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {
      // The transfer sees it too.
    });
    void readHead(socket).then(async (spec) => {
      if (spec === undefined) socket.destroy();
      else await carry(socket, spec, 'server');
    });
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
    send({ kind: 'listening', port: (server.address() as { port: number }).port });
    setInterval(tell, TELL_EVERY_MS);
  });
}

/** Many small ones, some large. */
function randomBytes(largest: number): number {
  const dice = Math.random();
  if (dice < 0.05) return 0;
  if (dice < 0.5) return Math.floor(Math.random() * 64 * 1024);
  if (dice < 0.9) return Math.floor(Math.random() * Math.min(largest, 8 * 1024 * 1024));
  return Math.floor(Math.random() * largest);
}

function randomSpec(id: number, { largest, leaveOutOf }: TransferOrder): TransferSpec {
  if (id === leaveOutOf) return { id, upBytes: 1_000_000, downBytes: 10, order: 'together', reset: undefined, leaveOut: { way: 'up', at: 345_678 } };
  const [upBytes, downBytes] = [randomBytes(largest), randomBytes(largest)];
  const by = Math.random() < 0.5 ? 'client' : 'server';
  const own = by === 'client' ? upBytes : downBytes;
  return {
    id, upBytes, downBytes,
    order: (['together', 'up-first', 'down-first'] as const)[Math.floor(Math.random() * 3)] ?? 'together',
    reset: Math.random() < 0.05 && own > 0 ? { by, at: Math.floor(Math.random() * own) } : undefined,
    leaveOut: undefined,
  };
}

async function call(order: TransferOrder): Promise<void> {
  let nextId = 1;
  let planned = 0;
  const caller = async (): Promise<void> => {
    while (planned < order.bytes && faults.length === 0) {
      const spec = randomSpec(nextId++, order);
      planned += spec.reset === undefined ? spec.upBytes + spec.downBytes : 0;
      const socket = connect({ port: order.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      socket.write(encodeHead(spec));
      await carry(socket, spec, 'client');
    }
  };
  await Promise.all(Array.from({ length: order.connections }, caller));
}

process.on('disconnect', () => process.exit(0));
if (process.argv[2] === 'server') serve();
else process.once('message', (order: TransferOrder) => {
  setInterval(tell, TELL_EVERY_MS);
  void call(order).then(() => {
    isDone = true;
    tell();
  });
});
