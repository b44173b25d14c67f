/** A member that has the leaf node's credentials of its cluster, and a leaf node of its own making. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TestNatsServer } from '@landbridge/federation/bus/test-nats-server.ts';
import { hubAccess } from '@landbridge/federation/bus/hub-access.ts';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import test from 'ava';
import { until } from '@landbridge/lab/until.ts';
import { HostileClusterset, HostileMember } from './clusterset.ts';
import { serviceRecord } from './exports.ts';

let set: HostileClusterset;
test.before(async () => void (set = await HostileClusterset.start()));
test.after.always(async () => await set?.[Symbol.asyncDispose]());

/** A server whose one user may do all, as a leaf node by a JWT of mallory's. */
async function startLeaf(stack: AsyncDisposableStack, jwt: string): Promise<NatsConnection> {
  const { credentials } = set.mallory;
  const { caPem, userSeed } = credentials;
  const server = stack.use(await TestNatsServer.start(async (store, port) => {
    const folder = path.join(path.dirname(store), 'leaf');
    await mkdir(folder);
    const file = (name: string): string => path.join(folder, name);
    await writeFile(file('ca.pem'), caPem);
    await writeFile(file('creds'), `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${userSeed}\n------END USER NKEY SEED------\n`);
    await writeFile(file('nats.conf'), `listen: "127.0.0.1:${port}"
http: "127.0.0.1:-1"
accounts { a { users: [ { user: x, password: y } ] } }
leafnodes { reconnect: "1s", remotes: [ { urls: ["tls://127.0.0.1:${set.hub.leafPort}"], account: a, credentials: ${JSON.stringify(file('creds'))}, tls { ca_file: ${JSON.stringify(file('ca.pem'))} } } ] }
`);
    return file('nats.conf');
  }));
  const connection = await connect({ servers: server.url, user: 'x', pass: 'y', reconnect: false });
  stack.defer(async () => await connection.close());
  return connection;
}

const leafJwtOf = ({ leafJwt }: HubCredentials): string => {
  if (leafJwt === undefined) throw new Error('the founder has given none');
  return leafJwt;
};

test.serial('a leaf node writes nothing and hears nothing of the others but what is delivered to its mirror', async (t) => {
  t.timeout(120_000);
  await using stack = new AsyncDisposableStack();
  const leaf = await startLeaf(stack, leafJwtOf(set.mallory.credentials));
  const unbound = stack.use(await set.unbound());
  const own = set.mallory.sign('svc.shop.leaf', serviceRecord('leaf'));
  const heardAtHub: string[] = [];
  /** What has the bytes that the leaf node sends. */
  const passed: string[] = [];
  unbound.connection.subscribe('>', { callback: (_, message) => void (Buffer.from(own).equals(message.data) ? passed : heardAtHub).push(message.subject) });
  await unbound.connection.flush();
  const jsm = await jetstreamManager(unbound.connection);
  const before = await jsm.streams.info('KV_fed');

  const heardAtLeaf: string[] = [];
  for (const subject of ['$KV.fed.>', 'lb.hb.*', '_INBOX_east.>', '_INBOX_west.>', '_INBOX_LEAF_west.>', 'landbridge.>']) leaf.subscribe(subject, { callback: (_, message) => void heardAtLeaf.push(message.subject) });
  const answers: string[] = [];
  leaf.subscribe('$JSC.R.>', { callback: (_, message) => void answers.push(message.subject) });
  // Without a body it is its own server's word that nobody is there.
  leaf.subscribe('_INBOX_LEAF_mallory.>', { callback: (_, message) => void (message.data.length > 0 && answers.push(message.subject)) });
  await leaf.flush();

  // It is connected once the one thing that it may do is done: to make a consumer.
  await until('the hub answers', async () => {
    leaf.publish('$JS.hub.API.CONSUMER.CREATE.KV_fed', JSON.stringify({ stream_name: 'KV_fed', config: { deliver_subject: '_INBOX_LEAF_mallory.M.x', deliver_policy: 'new', ack_policy: 'none', inactive_threshold: 30_000_000_000 } }), { reply: '$JSC.R.x' });
    await leaf.flush();
    return answers.includes('$JSC.R.x');
  });

  const forbidden = ['$KV.fed.mallory.svc.shop.leaf', '$KV.fed.west.meta', '$KV.fed.members.west', 'lb.hb.mallory', 'lb.hb.west', 'landbridge.member.mallory', 'landbridge.join.redeem', '_INBOX_west.x', '_INBOX_LEAF_west.M.x', '$JSC.R.y',
    ...['$JS.API', '$JS.hub.API'].flatMap((api) => ['STREAM.PURGE.KV_fed', 'STREAM.DELETE.KV_fed', 'STREAM.UPDATE.KV_fed', 'STREAM.MSG.DELETE.KV_fed', 'STREAM.CREATE.other', 'STREAM.INFO.KV_fed', 'CONSUMER.DELETE.KV_fed.x', 'CONSUMER.CREATE.KV_fed.named', 'INFO'].map((call) => `${api}.${call}`))];
  for (const subject of forbidden) leaf.publish(subject, own, { reply: '_INBOX_LEAF_mallory.answer' });
  await leaf.flush();
  // What the member itself says comes after all of it, by another way; so the hub is asked for what it has seen.
  await set.mallory.connection.flush();
  set.mallory.say(serviceRecord('after'));
  await set.mallory.sync();
  await until('the hub has seen what came after', () => heardAtHub.includes('$KV.fed.mallory.svc.shop.after'));
  t.deepEqual(passed, []);
  t.false(answers.includes('_INBOX_LEAF_mallory.answer'), 'nobody answers');
  const after = await jsm.streams.info('KV_fed');
  t.deepEqual([after.created, after.config], [before.created, before.config]);
  t.true(after.state.last_seq >= before.state.last_seq);
  // Its own server tells it what its own user has said; of the others it has heard nothing.
  t.deepEqual(heardAtLeaf.filter((subject) => !forbidden.includes(subject)), []);
  t.is((await jsm.streams.list().next()).length, 1);
});

test.serial('credentials of clients make no leaf node, and those of a leaf node no client', async (t) => {
  t.timeout(120_000);
  await using stack = new AsyncDisposableStack();
  const { credentials } = set.mallory;
  await t.throwsAsync(HostileMember.connect({ ...credentials, userJwt: leafJwtOf(credentials) }, hubAccess({ ...credentials, userJwt: leafJwtOf(credentials) })), { message: /authorization/i });
  const leaf = await startLeaf(stack, credentials.userJwt);
  const unbound = stack.use(await set.unbound());
  const heard: string[] = [];
  unbound.connection.subscribe('$KV.fed.mallory.>', { callback: (_, message) => void heard.push(message.subject) });
  await unbound.connection.flush();
  // Longer than a leaf node needs to be connected: the hub shows each attempt that it refuses to nobody.
  for (let tries = 0; tries < 20; tries++) {
    leaf.publish('$KV.fed.mallory.svc.shop.leaf', 'x');
    await leaf.flush();
    await unbound.connection.flush();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.deepEqual(heard, []);
});
