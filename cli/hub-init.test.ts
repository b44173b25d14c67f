import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { issueBootstrapUser, issueFounderUser, issueMemberUser, makeUserKeys } from '@landbridge/federation/join/hub-users.ts';
import { bootstrapInboxPrefix, memberInboxPrefix, REDEEM_SUBJECT, type UserKeys } from '@landbridge/federation/join/hub-users.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, jwtAuthenticator, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import test from 'ava';
import { parse } from 'yaml';
import { makeHub, writeHub } from './hub-init.ts';
import { type RunningHub, startHub } from './hub-process.ts';
import { parseHubUrl } from './hub-url.ts';

let hub: RunningHub;
let founder: NatsConnection;
const connections: NatsConnection[] = [];

async function open(jwt: string, keys: UserKeys, inboxPrefix: string): Promise<NatsConnection> {
  const connection = await connect({
    servers: [hub.url],
    tls: { ca: hub.authority.caPem },
    authenticator: jwtAuthenticator(jwt, new TextEncoder().encode(keys.seed)),
    inboxPrefix,
    reconnect: false,
  });
  connections.push(connection);
  return connection;
}

async function openMember(cluster: string, inboxPrefix = memberInboxPrefix(cluster)): Promise<NatsConnection> {
  const keys = makeUserKeys();
  return open(await issueMemberUser(hub.authority, cluster, keys.publicKey), keys, inboxPrefix);
}

async function first(messages: Subscription): Promise<string | undefined> {
  for await (const message of messages) return message.string();
  return undefined;
}

const violation = { message: /Permissions Violation/i };

test.before(async () => {
  hub = await startHub();
  const keys = makeUserKeys();
  founder = await open(await issueFounderUser(hub.authority, 'east', keys.publicKey), keys, '_INBOX');
  await new Kvm(founder).create('fed', { history: 1 });
});

test.after.always(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await hub?.[Symbol.asyncDispose]();
});

test('the files are private, and the Secret holds the authority', async (t) => {
  for (const name of ['nats.conf', 'tls/ca.pem', 'tls/hub.pem', 'tls/hub-key.pem', 'authority-secret.yaml', 'operator.json']) {
    t.is(statSync(path.join(hub.directory, name)).mode & 0o777, 0o600, name);
  }
  t.deepEqual(hub.authority.urls, [hub.url]);
});

test('the files of another hub are never overwritten', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-hub-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const url = parseHubUrl('tls://hub.example:4222');
  if (!url.ok) return t.fail();
  const files = await makeHub({ urls: [url.value], sans: [], directory, namespace: 'elsewhere' }, new Date());
  t.is((parse(files.get('authority-secret.yaml') as string) as { metadata: { namespace: string } }).metadata.namespace, 'elsewhere');
  mkdirSync(path.join(directory, 'tls'));
  writeFileSync(path.join(directory, 'tls', 'ca.pem'), 'old');
  await t.throwsAsync(writeHub(directory, files), { code: 'hub-files-exist' } as never);
  t.throws(() => statSync(path.join(directory, 'nats.conf')));
});

test('a member writes its own keys and watches all', async (t) => {
  const west = await openMember('west');
  const bucket = await new Kvm(west).open('fed');
  await bucket.put('west.meta', 'mine');
  t.is((await bucket.get('west.meta'))?.string(), 'mine');
  await (await new Kvm(founder).open('fed')).put('members.west', 'signed');
  const seen = new Map<string, string>();
  for await (const entry of await bucket.watch()) {
    seen.set(entry.key, entry.string());
    if (seen.has('members.west') && seen.has('west.meta')) break;
  }
  t.is(seen.get('west.meta'), 'mine');
  await bucket.delete('west.meta');
});

test('a member writes neither another cluster’s keys nor member records, and changes no stream', async (t) => {
  const west = await openMember('west');
  const bucket = await new Kvm(west).open('fed');
  for (const key of ['east.meta', 'west', 'western.meta', 'members.west', 'members.east']) await t.throwsAsync(bucket.put(key, 'x'), violation, key);
  for (const subject of ['$JS.API.STREAM.PURGE.KV_fed', '$JS.API.STREAM.DELETE.KV_fed', '$JS.API.STREAM.UPDATE.KV_fed', '$JS.API.STREAM.CREATE.other', '$JS.API.STREAM.MSG.DELETE.KV_fed', REDEEM_SUBJECT]) {
    await t.throwsAsync(west.request(subject, '{}', { timeout: 2000 }), violation, subject);
  }
});

test('a member receives neither joins nor the replies to others', async (t) => {
  const west = await openMember('west');
  for (const subject of [REDEEM_SUBJECT, '_INBOX.>', `${memberInboxPrefix('north')}.>`, '$KV.fed.>', '>']) {
    const subscription = west.subscribe(subject);
    await t.throwsAsync(first(subscription), violation, subject);
  }
});

test('a bootstrap user can ask for the join and nothing else', async (t) => {
  const keys = makeUserKeys();
  const jwt = await issueBootstrapUser(hub.authority, 'west', keys.publicKey, Math.floor(Date.now() / 1000) + 60);
  const bootstrap = await open(jwt, keys, bootstrapInboxPrefix(keys.publicKey));
  const service = founder.subscribe(REDEEM_SUBJECT, { max: 1, callback: (_, message) => void message.respond('answer') });
  await founder.flush();
  t.is((await bootstrap.request(REDEEM_SUBJECT, 'question')).string(), 'answer');
  service.unsubscribe();
  for (const subject of ['$KV.fed.west.meta', '$JS.API.INFO', '$JS.API.DIRECT.GET.KV_fed.$KV.fed.west.meta', '$JS.API.CONSUMER.CREATE.KV_fed.x.>']) {
    await t.throwsAsync(bootstrap.request(subject, '', { timeout: 2000 }), violation, subject);
  }
  await t.throwsAsync(first(bootstrap.subscribe('$KV.fed.>')), violation);
});

test('a bootstrap user is refused after its end', async (t) => {
  const keys = makeUserKeys();
  const jwt = await issueBootstrapUser(hub.authority, 'west', keys.publicKey, Math.floor(Date.now() / 1000) - 1);
  await t.throwsAsync(open(jwt, keys, bootstrapInboxPrefix(keys.publicKey)), { name: 'AuthorizationError' });
});

test('users of another account’s signing key are refused', async (t) => {
  const other = parseHubUrl(hub.url);
  if (!other.ok) return t.fail();
  const files = await makeHub({ urls: [other.value], sans: [], directory: '/nowhere', namespace: 'x' }, new Date());
  const secret = parse(files.get('authority-secret.yaml') as string) as { stringData: { 'hub.json': string } };
  const keys = makeUserKeys();
  const { accountSigningSeed } = JSON.parse(secret.stringData['hub.json']) as { accountSigningSeed: string };
  const jwt = await issueFounderUser({ ...hub.authority, accountSigningSeed }, 'east', keys.publicKey);
  await t.throwsAsync(open(jwt, keys, '_INBOX'), { name: 'AuthorizationError' });
});

test('the stream has no limit of the account', async (t) => {
  const account = await (await jetstreamManager(founder)).getAccountInfo();
  t.deepEqual([account.limits.max_storage, account.limits.max_memory, account.limits.max_streams, account.limits.max_consumers], [-1, -1, -1, -1]);
});
