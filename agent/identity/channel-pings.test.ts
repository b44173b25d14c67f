import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import test from 'ava';
import { openChannel } from './ca-client.ts';
import { TestAuthority } from './test-identities.ts';

/** istiod (1.31) ends a connection at the third ping that comes within this time of the one before: half of its keepaliveInterval. */
const TOO_SOON_MS = 15_000;

const same = (bytes: Buffer): Buffer => bytes;

test('a stream with nothing to say is pinged, and not so often that istiod ends it', async (t) => {
  using authority = new TestAuthority('west.example');
  const { chainPem, keyPem } = authority.certify('DNS:localhost');
  const server = createSecureServer({ cert: chainPem, key: keyPem });
  t.teardown(() => void server.close());
  const pinged = Promise.withResolvers<number>();
  server.on('session', (session) => session.on('ping', () => pinged.resolve(performance.now())));
  server.on('stream', (stream) => stream.on('error', () => {}).respond({ ':status': 200, 'content-type': 'application/grpc' }));
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const client = openChannel({ address: `https://localhost:${(server.address() as { port: number }).port}`, rootPem: () => Buffer.from(authority.rootPem), token: () => '' });
  const call = client.makeBidiStreamRequest('/a/Stream', same, same);
  call.on('error', () => {});
  t.teardown(() => {
    call.cancel();
    client.close();
  });
  await once(call, 'metadata');
  const beganMs = performance.now();
  const pingMs = (await pinged.promise) - beganMs;
  t.true(pingMs > TOO_SOON_MS + 1000, `after ${pingMs} ms`);
  t.true(pingMs < 2 * TOO_SOON_MS, `after ${pingMs} ms`);
});
