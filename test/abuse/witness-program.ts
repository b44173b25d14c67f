/** An application that echoes, and a client of it that sends a little again and again and looks how long it takes. */
import { connect, createServer } from 'node:net';

export interface WitnessReport {
  readonly port: number;
  /** Since the report before. */
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly errors: readonly string[];
}

const EVERY_MS = 2;
const MESSAGE = Buffer.alloc(64, 1);

let times: number[] = [];
let errors: string[] = [];
let pendingSinceMs: number | undefined;
let port = 0;
/** A report was asked for in a pause, with nothing to tell yet: it waits for the next answer. */
let owesReport = false;
let isAsking = false;

function ask(to: number): void {
  const socket = connect({ port: to, host: '127.0.0.1', noDelay: true });
  let received = 0;
  const send = (): void => {
    pendingSinceMs = performance.now();
    received = 0;
    socket.write(MESSAGE);
  };
  socket.on('connect', send);
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received < MESSAGE.length || pendingSinceMs === undefined) return;
    times.push(performance.now() - pendingSinceMs);
    pendingSinceMs = undefined;
    if (owesReport) process.send?.(report());
    owesReport = false;
    setTimeout(send, EVERY_MS);
  });
  socket.on('error', (error) => errors.push(String(error)));
  socket.on('close', () => errors.push('closed'));
}

function report(): WitnessReport {
  // What still waits counts as long as it has waited.
  const all = [...times, ...(pendingSinceMs === undefined ? [] : [performance.now() - pendingSinceMs])].sort((a, b) => a - b);
  const at = (share: number): number => all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? Number.POSITIVE_INFINITY;
  const told = { port, count: times.length, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: all.at(-1) ?? Number.POSITIVE_INFINITY, errors };
  times = [];
  errors = [];
  return told;
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});
server.listen({ port: 0, host: '127.0.0.1' }, () => {
  port = (server.address() as { port: number }).port;
  process.send?.(report());
});
process.on('message', (message: { readonly askAt: number } | 'report') => {
  if (message !== 'report') {
    isAsking = true;
    ask(message.askAt);
  } else if (isAsking && times.length === 0 && pendingSinceMs === undefined) owesReport = true;
  else process.send?.(report());
});
process.on('disconnect', () => process.exit(0));
