import { connect } from 'node:tls';
import { once } from 'node:events';
import test from 'ava';
import { pino } from 'pino';
import { startGrpcServer } from '../grpc-server.ts';
import type { ServerCertificate } from './authority.ts';
import { exampleAuthority, exampleIssuer } from './example-authority.ts';
import { firstServerCertificate, renewServerCertificate } from './server-certificate.ts';

const log = pino({ level: 'silent' });
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

/** Whether a client with these roots takes the server. */
async function isTrusted(port: number, ca: string): Promise<boolean> {
  const socket = connect({ port, host: 'localhost', ca, ALPNProtocols: ['h2'] });
  try {
    await once(socket, 'secureConnect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('a new authority gives the service a new certificate at once, and connections from then on see it', async (t) => {
  const authority = exampleAuthority('west.landbridge');
  const before = authority.rootsPem;
  const first = await authority.issueServer(['localhost'], Date.now(), soon());
  await using server = await startGrpcServer({ port: 0, certificate: first, createCertificate: (_, done) => done(null), deltaAggregatedResources: (call) => call.end() });
  const { port } = server;
  t.true(await isTrusted(port, before));
  const stop = new AbortController();
  const served = Promise.withResolvers<ServerCertificate>();
  const running = renewServerCertificate({ authority, dnsNames: ['localhost'], first, clock: Date.now, log }, (certificate) => {
    server.replaceCertificate(certificate);
    served.resolve(certificate);
  }, stop.signal);
  authority.replace(exampleIssuer('west.landbridge'));
  await served.promise;
  t.false(await isTrusted(port, before));
  t.true(await isTrusted(port, authority.rootsPem));
  stop.abort();
  await running;
});

test('after half of its life, and after failures, there is another one', async (t) => {
  const authority = exampleAuthority('west.landbridge');
  const first = await authority.issueServer(['localhost'], Date.now(), soon());
  const { issuer } = authority;
  let failures = 2;
  authority.replace({ ...issuer, signer: { sign: async (request, signal) => (failures-- > 0 ? await Promise.reject(new Error('away')) : await issuer.signer.sign(request, signal)) } });
  const stop = new AbortController();
  const served = Promise.withResolvers<ServerCertificate>();
  // As if half of it were over.
  const running = renewServerCertificate({ authority, dnsNames: ['localhost'], first: { ...first, notAfterMs: Date.now() }, clock: Date.now, log }, served.resolve, stop.signal);
  t.true((await served.promise).notAfterMs > Date.now());
  t.is(failures, -1);
  stop.abort();
  await running;
});

test('a service that starts while nobody signs has its certificate when somebody does, or ends when it is told to', async (t) => {
  const authority = exampleAuthority('west.landbridge');
  const { issuer } = authority;
  let tries = 0;
  authority.replace({ ...issuer, signer: { sign: async (...asked) => (++tries < 3 ? await Promise.reject(new Error('away')) : await issuer.signer.sign(...asked)) } });
  const first = await firstServerCertificate({ authority, dnsNames: ['localhost'], clock: Date.now, log }, soon());
  t.regex(first?.chainPem ?? '', /BEGIN CERTIFICATE/);
  t.is(tries, 3);
  const stop = new AbortController();
  const ending = async (): Promise<never> => {
    stop.abort();
    throw new Error('away');
  };
  authority.replace({ ...issuer, signer: { sign: ending } });
  t.is(await firstServerCertificate({ authority, dnsNames: ['localhost'], clock: Date.now, log }, stop.signal), undefined);
});
