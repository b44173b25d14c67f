/** Callers that open connections of all kinds, one after the other, until they are told to stop. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeHead, Transfer, type TransferSpec } from './transfer.ts';

export interface MixedOrder {
  readonly callers: number;
  /** Called in turn, at random. */
  readonly ports: readonly number[];
}

export interface Loss {
  readonly text: string;
  readonly sinceMs: number;
  readonly atMs: number;
}

export interface MixedCounts {
  readonly bytes: number;
  readonly complete: number;
  readonly reset: number;
  /** Connections that broke in a way that a dying peer explains. */
  readonly losses: readonly Loss[];
  /** What nothing explains. */
  readonly faults: readonly string[];
  readonly isDone: boolean;
}

const TELL_EVERY_MS = 200;
const LARGEST = 1024 * 1024;
const LONGEST_HOLD_MS = 2000;
/** The peer is gone: its agent resets, and the kernel ends what an application has read all of when it is killed. */
const LOST = /^(Error: (connect|read|write) (ECONNRESET|EPIPE)|closed|an end before the end)/;

let bytes = 0;
let complete = 0;
let reset = 0;
let nextId = 1;
let isStopping = false;
let isDone = false;
const losses: Loss[] = [];
const faults: string[] = [];

function randomSpec(): TransferSpec {
  const size = (): number => Math.floor(Math.random() ** 4 * LARGEST);
  const [upBytes, downBytes] = [size(), size()];
  const by = Math.random() < 0.5 ? 'client' : 'server';
  const own = by === 'client' ? upBytes : downBytes;
  return {
    id: nextId++, upBytes, downBytes,
    order: (['together', 'up-first', 'down-first'] as const)[Math.floor(Math.random() * 3)] ?? 'together',
    reset: Math.random() < 0.005 && own > 0 ? { by, at: Math.floor(Math.random() * own) } : undefined,
    leaveOut: undefined,
  };
}

async function call(port: number): Promise<void> {
  const spec = randomSpec();
  const sinceMs = Date.now();
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {
    // The transfer sees it too.
  });
  // Some have nothing to say for a while.
  if (Math.random() < 0.1) await delay(Math.random() * LONGEST_HOLD_MS);
  socket.write(encodeHead(spec));
  const end = await new Transfer(socket, spec, 'client', (size) => (bytes += size)).run();
  if (end.kind === 'complete') complete++;
  else if (end.kind === 'reset') reset++;
  else if (LOST.test(end.text)) losses.push({ text: end.text, sinceMs, atMs: Date.now() });
  else faults.push(end.text);
}

async function run({ callers, ports }: MixedOrder): Promise<void> {
  await Promise.all(Array.from({ length: callers }, async () => {
    while (!isStopping) await call(ports[Math.floor(Math.random() * ports.length)] as number);
  }));
}

const tell = (): void => void process.send?.({ bytes, complete, reset, losses, faults, isDone } satisfies MixedCounts);
setInterval(tell, TELL_EVERY_MS);
process.on('disconnect', () => process.exit(0));
process.on('message', (message: MixedOrder | 'stop') => {
  if (message === 'stop') isStopping = true;
  else void run(message).then(() => (isDone = true));
});
