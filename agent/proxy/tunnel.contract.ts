import type { TestFn } from 'ava';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Certificate } from '../identity/certificate-store.ts';
import type { TrustBundles } from '../identity/peer.ts';
import { TestAuthority } from '../identity/test-identities.ts';
import { reset, wasReset } from './reset.ts';
import type { TunnelClient, TunnelRequest, TunnelServer, TunnelSource, TunnelTarget } from './tunnel.ts';

export interface TunnelMaker {
  client(bundles: () => TrustBundles): TunnelClient;
  server(options: { readonly certificate: Certificate; readonly bundles: () => TrustBundles; readonly onRequest: (request: TunnelRequest) => void; readonly onRefusedPeer: (remote: string, reason: string) => void }): TunnelServer;
  /** Makes the server serve a connection that was accepted elsewhere. */
  feed(server: TunnelServer, socket: Socket): void;
}

const SECONDS_20 = 20_000;

/** What every engine of tunnels must do, over real sockets on loopback. */
export function tunnelContract(test: TestFn, name: string, make: TunnelMaker): void {
  const east = new TestAuthority('east.example');
  const west = new TestAuthority('west.example');
  test.after.always(() => {
    east[Symbol.dispose]();
    west[Symbol.dispose]();
  });
  const both: TrustBundles = new Map([['east.example', [east.root]], ['west.example', [west.root]]]);
  const server = west.certificate('server');
  const client = east.certificate('client');

  async function withTunnel(options: { readonly serverBundles?: TrustBundles; readonly clientBundles?: TrustBundles; readonly serverCertificate?: Certificate; readonly onRequest?: (request: TunnelRequest) => void }, use: (open: (over?: Partial<TunnelTarget>) => Promise<Duplex>, seen: { requests: TunnelRequest[]; refused: string[]; connections: number; port: number }) => Promise<void>): Promise<void> {
    const seen = { requests: [] as TunnelRequest[], refused: [] as string[], connections: 0, port: 0 };
    const tunnelServer = make.server({
      certificate: options.serverCertificate ?? server,
      bundles: () => options.serverBundles ?? both,
      onRequest: (request) => {
        seen.requests.push(request);
        (options.onRequest ?? echo)(request);
      },
      onRefusedPeer: (_, reason) => seen.refused.push(reason),
    });
    const listener = createServer((socket) => {
      seen.connections++;
      socket.on('error', () => {});
      make.feed(tunnelServer, socket);
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as { port: number };
    seen.port = port;
    const tunnels = make.client(() => options.clientBundles ?? both);
    const source: TunnelSource = { key: 'pod', certificate: async () => client, socket: () => new Socket() };
    const target: TunnelTarget = { destination: { ip: '10.0.0.7', port: 8080 }, endpoint: { ip: '127.0.0.1', port }, identity: west.identity('server') };
    try {
      await use(async (over = {}) => await tunnels.open(source, { ...target, ...over }, AbortSignal.timeout(SECONDS_20)), seen);
    } finally {
      await tunnels[Symbol.asyncDispose]();
      listener.close();
    }
  }

  test(`${name}: bytes pass both ways, and the server learns who asks and for what`, async (t) => {
    await withTunnel({}, async (open, { requests }) => {
      const stream = await open();
      const payload = randomBytes(3 * 1024 * 1024);
      const [answer] = await Promise.all([readAll(stream), new Promise<void>((resolve) => stream.end(payload, resolve))]);
      t.is(sha256(answer), sha256(payload));
      t.is(requests[0]?.peer.id, east.identity('client'));
      t.deepEqual(requests[0]?.destination, { ip: '10.0.0.7', port: 8080 });
    });
  });

  test(`${name}: streams to one destination share a connection`, async (t) => {
    await withTunnel({}, async (open, seen) => {
      const streams = await Promise.all(Array.from({ length: 20 }, async () => await open()));
      const answers = await Promise.all(streams.map(async (stream, i) => {
        stream.end(`message ${i}`);
        return (await readAll(stream)).toString();
      }));
      t.deepEqual(answers, streams.map((_, i) => `message ${i}`));
      t.is(seen.connections, 1);
    });
  });

  test(`${name}: the end of one direction leaves the other open`, async (t) => {
    await withTunnel({ onRequest: (request) => void answerAfterEnd(request) }, async (open) => {
      const stream = await open();
      stream.end('question');
      t.is((await readAll(stream)).toString(), 'answer to question');
    });
  });

  test(`${name}: an abort by the server is not an end`, async (t) => {
    await withTunnel({ onRequest: (request) => { const stream = request.accept(); stream.write('half'); stream.once('data', () => reset(stream)); } }, async (open) => {
      const stream = await open();
      // Also where this side has ended already.
      stream.end('go');
      stream.resume();
      const ended = await new Promise<boolean>((resolve) => {
        stream.on('end', () => resolve(!wasReset(stream)));
        stream.on('error', () => resolve(false));
        stream.on('close', () => resolve(false));
      });
      t.false(ended);
    });
  });

  test(`${name}: an abort by the client reaches the server's side`, async (t) => {
    const cut = Promise.withResolvers<void>();
    await withTunnel({ onRequest: (request) => { const stream = request.accept(); stream.on('error', () => {}); stream.resume(); stream.on('close', () => cut.resolve()); } }, async (open) => {
      const stream = await open();
      stream.on('error', () => {});
      reset(stream);
      await cut.promise;
      t.pass();
    });
  });

  test(`${name}: thousands of aborted streams leave the others alone`, async (t) => {
    await withTunnel({}, async (open, seen) => {
      const witness = await open();
      for (let round = 0; round < 60; round++) {
        const streams = await Promise.all(Array.from({ length: 50 }, async () => await open()));
        for (const stream of streams) {
          stream.on('error', () => {});
          reset(stream);
        }
      }
      witness.end('still here');
      t.is((await readAll(witness)).toString(), 'still here');
      t.is(seen.connections, 1);
    });
  });

  test(`${name}: a refusal names its status`, async (t) => {
    await withTunnel({ onRequest: (request) => request.refuse(503) }, async (open) => {
      const error = await t.throwsAsync<LandbridgeError>(open());
      t.is(error?.code, 'tunnel-refused');
      t.regex(error?.message ?? '', /503/);
    });
  });

  test(`${name}: a peer that is somebody else gets no byte`, async (t) => {
    await withTunnel({}, async (open, { requests }) => {
      const error = await t.throwsAsync<LandbridgeError>(open({ identity: west.identity('other') }));
      t.is(error?.code, 'tunnel-identity');
      t.false(error?.retryable);
      t.is(requests.length, 0);
    });
  });

  test(`${name}: a peer whose identity is under another domain's root is refused by both sides`, async (t) => {
    // The identity of west, signed by east: OpenSSL accepts it where both roots are trusted.
    const { keyPem, chainPem } = east.certify(`URI:${west.identity('server')}`);
    const forged: Certificate = { ...server, keyPem, chainPem };
    await withTunnel({ serverCertificate: forged }, async (open) => {
      t.is((await t.throwsAsync<LandbridgeError>(open()))?.code, 'tunnel-identity');
    });
  });

  test(`${name}: a client whose root the server does not know is refused`, async (t) => {
    await withTunnel({ serverBundles: new Map([['west.example', [west.root]]]) }, async (open, seen) => {
      await t.throwsAsync(open());
      t.is(seen.requests.length, 0);
      t.is(seen.refused.length, 1);
    });
  });

  test(`${name}: plaintext and nonsense are refused and leave the server serving`, async (t) => {
    await withTunnel({}, async (open, seen) => {
      const stream = await open();
      for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), randomBytes(2000), Buffer.alloc(0)]) {
        const socket = connect({ host: '127.0.0.1', port: seen.port });
        socket.on('error', () => {});
        socket.end(bytes);
        socket.resume();
        await Promise.race([once(socket, 'close'), delay(SECONDS_20)]);
      }
      stream.end('still here');
      t.is((await readAll(stream)).toString(), 'still here');
    });
  });

  test(`${name}: a destination that does not answer is an error that may be tried again`, async (t) => {
    await withTunnel({}, async (open) => {
      const error = await t.throwsAsync<LandbridgeError>(open({ endpoint: { ip: '127.0.0.1', port: 1 } }));
      t.is(error?.code, 'tunnel-dial');
      t.true(error?.retryable);
    });
  });

  test(`${name}: a slow reader holds the writer back`, async (t) => {
    await withTunnel({ onRequest: (request) => { request.accept().pause(); } }, async (open) => {
      const stream = await open();
      let written = 0;
      const chunk = Buffer.alloc(64 * 1024);
      // Far more than all windows and buffers together.
      while (written < 256 * 1024 * 1024) {
        const room = stream.write(chunk);
        written += chunk.length;
        if (!room && !(await Promise.race([once(stream, 'drain').then(() => true), delay(500, false)]))) break;
      }
      t.true(written < 64 * 1024 * 1024, `${written} bytes were taken`);
      stream.on('error', () => {});
      reset(stream);
    });
  });
}

function echo(request: TunnelRequest): void {
  const stream = request.accept();
  stream.on('error', () => {});
  stream.pipe(stream);
}

async function answerAfterEnd(request: TunnelRequest): Promise<void> {
  const stream = request.accept();
  const question = await readAll(stream);
  stream.end(`answer to ${question.toString()}`);
}

async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
