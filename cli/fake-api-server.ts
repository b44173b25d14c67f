/** A Kubernetes API server for tests: answers GETs from a table and forwards ports of pods to loopback. */
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { makeHubTls } from '@landbridge/federation/join/hub-material.ts';
import { binaryFrame, CLOSE_FRAME, frameReader, handshake } from './websocket-frames.ts';

export interface FakeApiServer extends AsyncDisposable {
  readonly kubeconfig: string;
  readonly port: number;
  /** Objects by path; a number is a status to refuse with. Everything else is a 404. */
  readonly objects: Map<string, object | number>;
  /** Ports of this machine by `<pod>:<port>`; a number below 0 is the status to refuse with. */
  readonly forwards: Map<string, number>;
}

export async function startFakeApiServer(): Promise<FakeApiServer> {
  const objects = new Map<string, object | number>();
  const forwards = new Map<string, number>();
  const tls = await makeHubTls(['127.0.0.1'], new Date());
  const server = createServer({ cert: tls.certificatePem, key: tls.keyPem }, (request, response) => {
    const found = objects.get((request.url ?? '').replace(/\?.*/, '')) ?? 404;
    const status = typeof found === 'number' ? found : 200;
    const body = typeof found === 'number' ? { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: `refused with ${found}`, code: found } : found;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server.on('upgrade', (request, socket) => forward(request, socket, forwards));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-api-'));
  const kubeconfig = path.join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigFor(address.port, tls.caPem));
  return {
    kubeconfig,
    port: address.port,
    objects,
    forwards,
    [Symbol.asyncDispose]: async () => {
      rmSync(directory, { recursive: true, force: true });
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function kubeconfigFor(port: number, caPem: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'fake', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } }],
    users: [{ name: 'fake', user: {} }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
    'current-context': 'fake',
  });
}

/** The protocol of `kubectl port-forward` over WebSocket: each message begins with its stream's number, 0 for data and 1 for errors. */
function forward(request: IncomingMessage, socket: Duplex, forwards: ReadonlyMap<string, number>): void {
  socket.on('error', () => undefined);
  const [, pod, port] = /\/pods\/([^/]+)\/portforward\?ports=(\d+)$/.exec(request.url ?? '') ?? [];
  const target = forwards.get(`${pod}:${port}`) ?? -404;
  if (target < 0) {
    socket.end(`HTTP/1.1 ${-target} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    return;
  }
  socket.write(handshake(request.headers['sec-websocket-key'] ?? '', 'v4.channel.k8s.io'));
  const portNumber = Buffer.alloc(2);
  portNumber.writeUInt16LE(Number(port));
  for (const stream of [0, 1]) socket.write(binaryFrame(Buffer.concat([Buffer.from([stream]), portNumber])));
  const send = (stream: number, data: Buffer): void => void socket.write(binaryFrame(Buffer.concat([Buffer.from([stream]), data])));
  const upstream = connect(target, '127.0.0.1');
  upstream.on('data', (data) => send(0, data));
  upstream.on('error', (error) => send(1, Buffer.from(`error forwarding port ${port}: ${error.message}`)));
  upstream.on('close', () => socket.end(CLOSE_FRAME));
  socket.on('close', () => upstream.destroy());
  socket.on('data', frameReader((message) => (message === undefined ? upstream.end() : upstream.write(message.subarray(1)))));
}
