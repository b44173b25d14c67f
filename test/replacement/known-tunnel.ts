/**
 * A tunnel whose secrets are known: `folder port identity host authority streams`, with the folder of the control plane and the
 * port of its authority here. Ready once the application behind it has answered. Then writes the tunnel's traffic secrets
 * (RFC 8446, section 7.1), in hex, and at each SIGHUP what the application answers to one more message.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import tls from 'node:tls';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { GrpcCertificateAuthority } from '@landbridge/agent/identity/ca-client.ts';
import { makeRequest } from '@landbridge/agent/identity/csr.ts';

const HBONE_PORT = 15008;
const [folder = '', port = '', identity = '', host = '', authority = '', streams = '1'] = process.argv.slice(2);
const read = (name: string): Buffer => readFileSync(path.join(folder, name));
const { keyPem, requestPem } = await makeRequest(identity as SpiffeId);
const issuer = new GrpcCertificateAuthority({ address: `https://localhost:${port}`, rootPem: () => read('ca.crt'), token: () => read('token').toString() }, 'west');
const { chainPem, rootsPem } = await issuer.issue(identity as SpiffeId, requestPem, 3600, AbortSignal.timeout(10_000));
const secrets: Record<string, string> = {};
const socket = tls.connect({ host, port: HBONE_PORT, key: keyPem, cert: chainPem, ca: rootsPem, ALPNProtocols: ['h2'], servername: '', checkServerIdentity: () => undefined, minVersion: 'TLSv1.3' });
socket.on('keylog', (line: Buffer) => {
  const [label = '', , secret = ''] = line.toString().trim().split(' ');
  secrets[label] = secret;
});
await once(socket, 'secureConnect');
const session = http2.connect('https://tunnel', { createConnection: () => socket });
const [stream] = await Promise.all(Array.from({ length: Number(streams) }, () => session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false })).map(async (each) => {
  await once(each, 'response');
  return each;
}));

async function said(word: string): Promise<string> {
  stream?.write(word);
  const [answer] = (await once(stream as http2.ClientHttp2Stream, 'data')) as [Buffer];
  return answer.toString();
}

await said('in the beginning');
let messages = 0;
process.on('SIGHUP', () => void said(`message ${++messages}`).then((answer) => process.stdout.write(`${answer}\n`)));
// Only now: who has read it may send the signal at once.
process.stdout.write(`ready\n${JSON.stringify([secrets['CLIENT_TRAFFIC_SECRET_0'], secrets['SERVER_TRAFFIC_SECRET_0']])}\n`);
