import test from 'ava';
import { exampleAuthority } from '../hub/example-hub.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { leafConfig } from './leaf-config.ts';
import { keepLeafSecret, LEAF_SECRET } from './leaf-secret.ts';
import { isMirrorOf } from './mirror-stream.ts';

const now = new Date();
const PLACE = { url: 'tls://landbridge-leaf.landbridge-system.svc:4222', hubPort: 7422 };

test('all servers of the hub are remotes, each once', (t) => {
  const text = leafConfig({ credentials: { cluster: 'east', urls: ['tls://a.example:4222', 'tls://b.example:4222', 'tls://a.example:4223', 'tls://[2001:db8::1]:4222'] }, hubPort: 7422, clientPublicKey: 'UABC' });
  t.true(text.includes('urls: ["tls://a.example:7422", "tls://b.example:7422", "tls://[2001:db8::1]:7422"]'), text);
  t.true(text.includes('"_INBOX_east.>"'));
});

test('the Secret is written when something is another, its own keys stay, and the configuration has no secret', async (t) => {
  const made = await makeFounderCredentials(exampleAuthority(), 'east');
  const credentials = { ...made, leafJwt: made.leafJwt ?? '' };
  const secrets = new MemorySecretStore();
  t.true(await keepLeafSecret(secrets, credentials, PLACE, now));
  t.false(await keepLeafSecret(secrets, credentials, PLACE, now));
  const before = (await secrets.read(LEAF_SECRET))?.values ?? {};
  t.deepEqual(Object.keys(before).sort(), ['client.seed', 'hub-ca.pem', 'hub.creds', 'leaf-ca.pem', 'leaf-key.pem', 'leaf.pem', 'nats.conf']);
  for (const secret of [credentials.userSeed, credentials.userJwt, credentials.leafJwt, before['client.seed'] ?? '', 'PRIVATE KEY']) t.false(before['nats.conf']?.includes(secret));
  t.false(before['hub.creds']?.includes(credentials.userJwt), 'the leaf node does not get what the member may do');

  const renewed = { ...credentials, leafJwt: `${credentials.leafJwt}x` };
  t.true(await keepLeafSecret(secrets, renewed, PLACE, now));
  const after = (await secrets.read(LEAF_SECRET))?.values ?? {};
  t.deepEqual(Object.keys(after).filter((name) => after[name] !== before[name]), ['hub.creds']);
});

test('a mirror goes on only where its last number means the same to the hub', (t) => {
  const hub = { bucket: '2026-01-01T00:00:00Z', lastSequence: 7 };
  t.true(isMirrorOf({ ...hub, lastSequence: 7 }, hub));
  t.true(isMirrorOf({ ...hub, lastSequence: 0 }, hub));
  t.false(isMirrorOf({ ...hub, lastSequence: 8 }, hub), 'the hub came back with an older store');
  t.false(isMirrorOf({ ...hub, bucket: '2026-01-02T00:00:00Z' }, hub), 'the hub was wiped');
});
