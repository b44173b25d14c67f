import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type NatsBus, openNatsBus } from '@landbridge/federation/bus/nats-bus.ts';
import { JoinAuthority } from '@landbridge/federation/join/authority.ts';
import { parseHubCredentials } from '@landbridge/federation/join/credentials.ts';
import { makeFounderCredentials } from '@landbridge/federation/join/founder-credentials.ts';
import { connectHub } from '@landbridge/federation/join/hub-connection.ts';
import { makeHubTls } from '@landbridge/federation/join/hub-material.ts';
import { bootstrapInboxPrefix, REDEEM_SUBJECT, senderOf, userPublicKeyOf } from '@landbridge/federation/join/hub-users.ts';
import { makeJoinKeys } from '@landbridge/federation/join/join-keys.ts';
import { encodeJoinToken, type JoinToken, parseJoinToken } from '@landbridge/federation/join/join-token.ts';
import { type JoinRequest, joinWithToken } from '@landbridge/federation/join/redeem.ts';
import { serveRequests } from '@landbridge/federation/join/request-service.ts';
import { makeMemoryTokenStore } from '@landbridge/federation/join/token-store.ts';
import { openMember } from '@landbridge/federation/records/members.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { RemovedMembers } from '@landbridge/federation/removal/removed-members.ts';
import { decode } from '@nats-io/jwt';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { type RunningHub, startHub } from './hub-process.ts';

const log = pino({ level: 'silent' });
const stop = new AbortController();
const signal = stop.signal;
/** Of the founder's clock. */
let behindMs = 0;
const clock = (): number => Date.now() - behindMs;

let hub: RunningHub;
let bus: NatsBus;
let authority: JoinAuthority;
let serving: AbortController;

async function makeRoot(): Promise<string> {
  return new X509Certificate((await makeHubTls(['root'], new Date())).caPem).raw.toString('base64');
}

function serve(): void {
  serving = new AbortController();
  const until = AbortSignal.any([serving.signal, signal]);
  void (async () => {
    while (!until.aborted) await serveRequests(await bus.connection(until), REDEEM_SUBJECT, ({ bytes, reply }, each) => authority.redeem(bytes, senderOf(reply), each), until);
  })().catch(() => undefined);
}

async function createToken(cluster: string, ttlSeconds = 60): Promise<string> {
  return (await authority.createToken({ cluster, ttlSeconds }, signal)).token;
}

function read(token: string): JoinToken {
  const parsed = parseJoinToken(token);
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

async function request(cluster: string, token: string, changes: Partial<JoinRequest> = {}): Promise<JoinRequest> {
  return { token, cluster, trustDomain: `${cluster}.landbridge`, roots: [await makeRoot()], network: '', signal, clock, timeoutMs: 20_000, ...changes };
}

async function refused(t: ExecutionContext, join: JoinRequest, code: string, message: RegExp): Promise<void> {
  const error = await joinWithToken(join).then(() => undefined, (thrown: unknown) => thrown);
  if (!(error instanceof LandbridgeError)) return t.fail(`${code}: ${String(error)}`);
  t.is(error.code, code);
  t.regex(error.message, message);
  t.truthy(error.hint);
}

async function openMemberBus(credentials: Parameters<typeof openNatsBus>[0]['credentials']): Promise<NatsBus> {
  return openNatsBus({ credentials, createBucket: false, clusterName: credentials.cluster, log, signal });
}

test.before(async () => {
  hub = await startHub();
  const store = makeMemoryTokenStore();
  // The bus needs the founder's credentials before there is an authority over it.
  const credentials = await makeFounderCredentials(hub.authority, 'east');
  bus = await openNatsBus({ credentials, createBucket: true, clusterName: 'east', log, signal });
  authority = new JoinAuthority({ founder: 'east', authority: hub.authority, store, bus, members: () => new Map(), removed: new RemovedMembers(new MemorySecretStore(), hub.authority.authorityPublicKey), clock, log });
  await authority.admitFounder({ credentials, trustDomain: 'east.landbridge', roots: [await makeRoot()], network: '' }, AbortSignal.timeout(60_000));
  serve();
});

test.after.always(async () => {
  stop.abort();
  await bus?.[Symbol.asyncDispose]();
  await hub?.[Symbol.asyncDispose]();
});

test.serial('a cluster joins, reads all, writes its own keys and no others', async (t) => {
  const { credentials, members } = await joinWithToken(await request('west', await createToken('west')));
  t.deepEqual(members.map(({ cluster }) => cluster).sort(), ['east', 'west']);
  t.true(parseHubCredentials(JSON.stringify(credentials)).ok);
  await using west = await openMemberBus(credentials);
  await west.put('west.meta', Buffer.from('mine'), AbortSignal.timeout(60_000));
  for (const key of ['east.meta', 'members.west', 'members.north']) {
    const error = await t.throwsAsync(west.put(key, Buffer.from('x'), AbortSignal.timeout(60_000)), { instanceOf: LandbridgeError });
    t.regex(String(error?.cause), /Permissions Violation/, key);
  }
  const seen = new Map<string, Uint8Array>();
  for await (const event of west.watch('>', AbortSignal.timeout(60_000))) {
    if (event.kind === 'entry') seen.set(event.key, event.value);
    if (event.kind === 'current') break;
  }
  t.is(Buffer.from(seen.get('west.meta') ?? []).toString(), 'mine');
  const member = openMember(seen.get('members.west') as Uint8Array, credentials.authorityPublicKey);
  t.is(member.ok && member.value.member.recordPublicKey, credentials.recordPublicKey);
});

test.serial('each reason why a token does not work has its own error', async (t) => {
  const used = await createToken('south');
  await joinWithToken(await request('south', used));
  await refused(t, await request('south', used), 'token-used', /used already/);
  const fresh = await createToken('north');
  await refused(t, await request('other', fresh), 'token-for-another-cluster', /is for cluster "north", but this cluster is named "other"/);
  await refused(t, await request('north', fresh.slice(0, fresh.length / 2)), 'token-damaged', /end is missing/);
  await refused(t, await request('north', fresh, { clock: () => Date.now() + 3_600_000 }), 'token-expired', /expired at/);
  await refused(t, await request('north', fresh, { trustDomain: 'east.landbridge' }), 'trust-domain-taken', /belongs to cluster "east"/);
  await refused(t, await request('south', await createToken('south')), 'cluster-name-taken', /already a member/);
  t.is((await joinWithToken(await request('north', fresh))).members[0]?.cluster, 'north');
});

test.serial('a token that ends while the joiner’s clock is behind is refused by the hub', async (t) => {
  // The shortest life there is, most of which has passed already.
  behindMs = 8000;
  const token = await createToken('late', 10);
  behindMs = 0;
  await delay(3000);
  await refused(t, await request('late', token, { clock: () => 0 }), 'token-expired', /no longer accepts/);
});

test.serial('a token changed to name another cluster is refused by the founder', async (t) => {
  const token = read(await createToken('mine'));
  await refused(t, await request('yours', encodeJoinToken({ ...token, cluster: 'yours' })), 'token-for-another-cluster', /is for cluster "mine"/);
});

test.serial('of two joiners at once with one token, one wins', async (t) => {
  const token = await createToken('twin');
  const outcomes = await Promise.all([0, 1].map(async () => joinWithToken(await request('twin', token)).then(() => 'joined', (error: LandbridgeError) => error.code)));
  t.deepEqual(outcomes.sort(), ['joined', 'token-used']);
});

test.serial('a joiner whose answer was lost asks again and gets it', async (t) => {
  const token = await createToken('retry');
  const keys = makeJoinKeys();
  const join = await request('retry', token, { keys });
  const first = await joinWithToken(join);
  const second = await joinWithToken(join);
  const { renewalJwt, leafJwt, ...same } = first.credentials;
  t.like(second.credentials, same);
  // These are made anew, at another time, and say the same.
  const says = (jwt = ''): object => ({ ...decode(jwt), iat: 0, jti: '' });
  t.deepEqual([second.credentials.renewalJwt, second.credentials.leafJwt].map(says), [renewalJwt, leafJwt].map(says));
});

test.serial('an absent founder is told from an absent hub, and both may come back', async (t) => {
  const token = await createToken('patient');
  serving.abort();
  await refused(t, await request('patient', token, { timeoutMs: 500 }), 'founder-unreachable', /hub is there, but the founding cluster does not answer/);
  const early = joinWithToken(await request('patient', token));
  await delay(500);
  serve();
  t.is((await early).credentials.cluster, 'patient');

  const later = await createToken('stubborn');
  await hub.stop();
  await refused(t, await request('stubborn', later, { timeoutMs: 500 }), 'hub-unreachable', /can not be reached at tls:\/\/127\.0\.0\.1/);
  const join = joinWithToken(await request('stubborn', later));
  await delay(500);
  await hub.start();
  t.is((await join).credentials.cluster, 'stubborn');
});

test.serial('another server at the hub’s address is not believed', async (t) => {
  const token = read(await createToken('careful'));
  const { caPem } = await makeHubTls(['127.0.0.1'], new Date());
  await refused(t, await request('careful', encodeJoinToken({ ...token, caPem }), { timeoutMs: 500 }), 'hub-unreachable', /certificate/);
});

test.serial('answers that the authority did not sign are not believed', async (t) => {
  const token = read(await createToken('wary'));
  const authorityPublicKey = Buffer.alloc(32, 1).toString('base64url');
  await refused(t, await request('wary', encodeJoinToken({ ...token, authorityPublicKey })), 'answer-malformed', /not by the authority/);
});

test.serial('a join can be called off', async (t) => {
  const token = await createToken('hasty');
  serving.abort();
  const off = new AbortController();
  const join = joinWithToken(await request('hasty', token, { signal: off.signal }));
  setTimeout(() => off.abort(new Error('enough')), 300);
  await t.throwsAsync(join, { message: 'enough' });
  serve();
});

test.serial('a flood of requests with a leaked token gets answers and harms nobody', async (t) => {
  const { urls, caPem, bootstrapJwt: jwt, bootstrapSeed: seed } = read(await createToken('flood'));
  const connection = await connectHub({ urls, caPem, jwt, seed, inboxPrefix: bootstrapInboxPrefix(userPublicKeyOf(seed)), name: 'flood', timeoutMs: 5000 }, signal);
  const answers = await Promise.all(Array.from({ length: 200 }, () => connection.request(REDEEM_SUBJECT, '{}', { timeout: 10_000 })));
  await connection.close();
  const codes = new Set(answers.map((answer) => answer.json<{ error: { code: string } }>().error.code));
  t.true(codes.has('redeem-malformed'));
  t.is((await joinWithToken(await request('calm', await createToken('calm')))).credentials.cluster, 'calm');
});
