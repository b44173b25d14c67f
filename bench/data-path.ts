/**
 * What a pair of agents costs: the same load on an application directly and through HBONE over node:http2, in
 * interleaved rounds, every part a process of its own on loopback. Usage: node bench/data-path.ts [SECONDS] [ROUNDS]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, Socket } from 'node:net';
import { X509Certificate } from 'node:crypto';
import type { Certificate } from '@landbridge/agent/identity/certificate-store.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { HboneClient } from '@landbridge/agent/proxy/hbone-client.ts';
import { HboneServer } from '@landbridge/agent/proxy/hbone-server.ts';
import { relay } from '@landbridge/agent/proxy/relay.ts';
import pino from 'pino';

type Role = 'application' | 'inbound' | 'outbound';
interface Setup {
  readonly role: Role;
  readonly certificate: Certificate;
  readonly root: string;
  /** Of the part that this one talks to; 0 for the application. */
  readonly next: number;
}

const SECONDS = Number(process.argv[2] ?? 3);
const ROUNDS = Number(process.argv[3] ?? 3);
const HOST = '127.0.0.1';
const ECHO = 'E';
const SINK = 'S';
const CONNECTIONS = 32;
const MESSAGE_BYTES = 64;

/** One part in a process of its own; returns its port. */
async function serve({ role, certificate, root, next }: Setup): Promise<number> {
  const bundles = new Map([['bench.example', [new X509Certificate(root)]]]);
  const log = pino({ level: 'silent' });
  let server: Server;
  if (role === 'application') {
    server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {});
      // The first byte says what to do with the rest.
      socket.once('data', (first: Buffer) => {
        if (first[0] === SINK.charCodeAt(0)) socket.on('data', () => {}).on('end', () => socket.end());
        else {
          socket.write(first.subarray(1));
          socket.pipe(socket);
        }
      });
    });
  } else if (role === 'inbound') {
    const tunnels = new HboneServer({
      certificate,
      bundles: () => bundles,
      onRequest: (request) => {
        const application = connect({ port: next, host: HOST, allowHalfOpen: true, noDelay: true }, () => void relay(request.accept(), application));
        application.on('error', () => request.refuse(503));
      },
      onRefusedPeer: (_, reason) => process.stderr.write(`${reason}\n`),
      log,
    });
    server = createServer((socket) => tunnels.take(socket));
  } else {
    const tunnels = new HboneClient(() => bundles);
    const source = { key: 'bench', certificate: async () => certificate, socket: () => new Socket() };
    server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on('error', () => {});
      tunnels.open(source, { destination: { ip: HOST, port: 1 }, endpoint: { ip: HOST, port: next }, identity: certificate.identity }, new AbortController().signal).then(
        (stream) => relay(socket, stream),
        (thrown: unknown) => {
          process.stderr.write(`${String(thrown)}\n`);
          socket.resetAndDestroy();
        },
      );
    });
  }
  server.listen(0, HOST);
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function drive(): Promise<void> {
  using authority = new TestAuthority('bench.example');
  const certificate = authority.certificate('agent');
  const children: ChildProcess[] = [];
  const start = async (role: Role, next: number): Promise<number> => {
    const child = fork(import.meta.filename, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    children.push(child);
    child.send({ role, certificate, root: authority.rootPem, next } satisfies Setup);
    return ((await once(child, 'message')) as [number])[0];
  };
  try {
    const direct = await start('application', 0);
    const tunnelled = await start('outbound', await start('inbound', direct));
    const cases = { 'up, 1 connection (MiB/s)': upload, 'requests of 64 B, 32 connections (1/s)': requests, 'new connections, 8 at once (1/s)': connections };
    for (const [name, measure] of Object.entries(cases)) {
      const results = { direct: [] as number[], tunnelled: [] as number[] };
      // The first one warms both up.
      await measure(direct, 0.5);
      await measure(tunnelled, 0.5);
      for (let round = 0; round < ROUNDS; round++) {
        results.direct.push(await measure(direct, SECONDS));
        results.tunnelled.push(await measure(tunnelled, SECONDS));
      }
      const [a, b] = [median(results.direct), median(results.tunnelled)];
      process.stdout.write(`| ${name} | ${a.toFixed(0)} | ${b.toFixed(0)} | ${(b / a).toFixed(2)} |\n`);
    }
  } finally {
    for (const child of children) child.kill();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: HOST, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function upload(port: number, seconds: number): Promise<number> {
  const socket = await dial(port);
  socket.write(SINK);
  const chunk = Buffer.alloc(64 * 1024);
  const startedAt = performance.now();
  let bytes = 0;
  while (performance.now() - startedAt < seconds * 1000) {
    bytes += chunk.length;
    if (!socket.write(chunk)) await once(socket, 'drain');
  }
  // The end comes back once everything has arrived.
  socket.resume().end();
  await once(socket, 'end');
  return bytes / 1024 / 1024 / ((performance.now() - startedAt) / 1000);
}

async function requests(port: number, seconds: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, async () => await dial(port)));
  const message = Buffer.alloc(MESSAGE_BYTES, 'x');
  let done = 0;
  const startedAt = performance.now();
  await Promise.all(sockets.map(async (socket) => {
    let received = 0;
    socket.write(Buffer.concat([Buffer.from(ECHO), message]));
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received < MESSAGE_BYTES) return;
        received -= MESSAGE_BYTES;
        done++;
        if (performance.now() - startedAt < seconds * 1000) socket.write(message);
        else resolve();
      });
    });
  }));
  const rate = done / ((performance.now() - startedAt) / 1000);
  for (const socket of sockets) socket.destroy();
  return rate;
}

async function connections(port: number, seconds: number): Promise<number> {
  let done = 0;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (performance.now() - startedAt < seconds * 1000) {
      const socket = await dial(port);
      socket.write(`${ECHO}x`);
      await once(socket, 'data');
      socket.resetAndDestroy();
      done++;
    }
  }));
  return done / ((performance.now() - startedAt) / 1000);
}

if (process.send === undefined) await drive();
else process.once('message', (setup: Setup) => void serve(setup).then((port) => process.send?.(port)));
