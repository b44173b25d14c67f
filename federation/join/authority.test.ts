import { createHash } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { decode, type User } from '@nats-io/jwt';
import test, { type ExecutionContext } from 'ava';
import { openMember, signMember } from '../records/members.ts';
import { parsePrivateKey } from './ed25519.ts';
import { type ExampleFounder, encodeQuestion, makeExampleFounder, makeRoot, memberOnBus } from './example-founder.ts';
import { memberPermissions } from './hub-users.ts';
import { makeJoinKeys } from './join-keys.ts';
import { parseRedeemAnswer, type RedeemAnswer } from './redeem-messages.ts';
import { encodeStoredTokens, saveConflict, type TokenState, type TokenStore } from './token-store.ts';

const [westRoot, northRoot] = await Promise.all([makeRoot(), makeRoot()]);
const signal = AbortSignal.timeout(60_000);

function granted(answer: RedeemAnswer | LandbridgeError): RedeemAnswer {
  if (answer instanceof LandbridgeError) throw answer;
  return answer;
}

function refused(t: ExecutionContext, answer: RedeemAnswer | LandbridgeError, code: string): void {
  if (!(answer instanceof LandbridgeError)) return t.fail(`granted instead of ${code}`);
  t.is(answer.code, code);
  t.truthy(answer.hint);
}

function outcome(bytes: Uint8Array): string {
  const answer = parseRedeemAnswer(bytes);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value.ok ? 'granted' : answer.value.error.code;
}

async function storedTokens(example: ExampleFounder): Promise<TokenState> {
  return example.store.load(signal);
}

test('a token admits its cluster: the member record is on the bus before the answer', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  t.is(token.exp, example.now / 1000 + 900);
  const keys = makeJoinKeys();
  const answer = granted(await example.redeem(token, { keys, roots: [westRoot] }));
  t.deepEqual(await memberOnBus(example, 'west'), {
    cluster: 'west',
    recordPublicKey: keys.record.publicKey,
    userPublicKey: keys.user.publicKey,
    trustDomain: 'west.landbridge',
    roots: [westRoot],
    network: '',
    joinedAt: example.now,
    revoked: false,
  });
  const user = decode<User>(answer.userJwt);
  t.is(user.sub, keys.user.publicKey);
  t.is(user.exp, undefined);
  t.deepEqual(user.nats.pub, memberPermissions('west').pub);
  t.is(user.nats.issuer_account, example.hub.accountPublicKey);
  t.deepEqual(answer.members.map((bytes) => { const opened = openMember(bytes, example.hub.authorityPublicKey); return opened.ok && opened.value.member.cluster; }), ['west']);
});

test('only the hash of a code is kept', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const text = encodeStoredTokens((await storedTokens(example)).tokens);
  t.false(text.includes(token.code));
  t.false(text.includes(token.bootstrapSeed));
  t.true(text.includes(createHash('sha256').update(token.code).digest('hex')));
});

test('a second joiner with the same token is refused', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const keys = makeJoinKeys();
  granted(await example.redeem(token, { keys, roots: [westRoot] }));
  refused(t, await example.redeem(token, { keys: makeJoinKeys(), roots: [northRoot] }), 'token-used');
  refused(t, await example.redeem(token, { keys: { ...keys, user: makeJoinKeys().user }, roots: [westRoot] }), 'token-used');
  t.is((await memberOnBus(example, 'west'))?.recordPublicKey, keys.record.publicKey);
});

test('the same joiner may ask again until the token expires, and gets the same answer', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const applicant = { keys: makeJoinKeys(), roots: [westRoot] };
  const first = granted(await example.redeem(token, applicant));
  example.now += 60_000;
  t.deepEqual(granted(await example.redeem(token, applicant)), first);
  t.is((await storedTokens(example)).tokens[0]?.redemptions.length, 1);
  example.now = token.exp * 1000;
  refused(t, await example.redeem(token, applicant), 'token-expired');
});

test('a joiner whose member record was not written is admitted when it asks again', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const applicant = { keys: makeJoinKeys(), roots: [westRoot] };
  example.bus.failPuts(new LandbridgeError('hub-unreachable', 'gone', { retryable: true }));
  const failed = await example.redeem(token, applicant);
  refused(t, failed, 'founder-failed');
  t.true((failed as LandbridgeError).retryable);
  example.bus.failPuts(undefined);
  refused(t, await example.redeem(token, { keys: makeJoinKeys(), roots: [northRoot] }), 'token-used');
  granted(await example.redeem(token, applicant));
  t.is((await memberOnBus(example, 'west'))?.recordPublicKey, applicant.keys.record.publicKey);
});

test('expired, unknown and foreign tokens each have their own refusal', async (t) => {
  const example = makeExampleFounder();
  const applicant = { keys: makeJoinKeys(), roots: [westRoot] };
  const token = await example.createToken('west', { ttlSeconds: 60 });
  refused(t, await example.redeem(token, { ...applicant, cluster: 'north' }), 'token-for-another-cluster');
  refused(t, await example.redeem({ ...token, code: Buffer.alloc(32).toString('base64url') }, applicant), 'token-unknown');
  example.now += 60_000;
  refused(t, await example.redeem(token, applicant), 'token-expired');
  t.is(await memberOnBus(example, 'west'), undefined);
});

test('a taken name, trust domain or root is refused and costs no use', async (t) => {
  const example = makeExampleFounder();
  granted(await example.redeem(await example.createToken('west'), { keys: makeJoinKeys(), roots: [westRoot] }));
  refused(t, await example.redeem(await example.createToken('west'), { keys: makeJoinKeys(), roots: [northRoot] }), 'cluster-name-taken');
  const token = await example.createToken('north');
  const keys = makeJoinKeys();
  refused(t, await example.redeem(token, { keys, roots: [northRoot], trustDomain: 'west.landbridge' }), 'trust-domain-taken');
  refused(t, await example.redeem(token, { keys, roots: [northRoot, westRoot] }), 'root-taken');
  t.is(await memberOnBus(example, 'north'), undefined);
  granted(await example.redeem(token, { keys, roots: [northRoot] }));
});

test('a revoked key does not come back, the name does', async (t) => {
  const example = makeExampleFounder();
  const keys = makeJoinKeys();
  granted(await example.redeem(await example.createToken('west'), { keys, roots: [westRoot] }));
  const member = await memberOnBus(example, 'west');
  const authorityKey = parsePrivateKey(example.hub.authorityPrivateKeyPem);
  if (!member || !authorityKey.ok) return t.fail();
  await example.bus.put('members.west', signMember(authorityKey.value, { ...member, revoked: true }, { epoch: example.now + 1, gen: 0 }), signal);
  const token = await example.createToken('west');
  refused(t, await example.redeem(token, { keys, roots: [westRoot] }), 'member-revoked');
  granted(await example.redeem(token, { keys: makeJoinKeys(), roots: [westRoot] }));
  t.is((await memberOnBus(example, 'west'))?.revoked, false);
});

test('a member record that the authority did not sign counts for nothing', async (t) => {
  const example = makeExampleFounder();
  const other = makeExampleFounder();
  granted(await other.redeem(await other.createToken('west'), { keys: makeJoinKeys(), roots: [westRoot] }));
  await example.bus.put('members.west', (await other.bus.get('members.west', signal)) as Uint8Array, signal);
  const keys = makeJoinKeys();
  const answer = granted(await example.redeem(await example.createToken('west'), { keys, roots: [westRoot] }));
  t.is(answer.members.length, 1);
  t.is((await memberOnBus(example, 'west'))?.recordPublicKey, keys.record.publicKey);
});

test('of two joiners at once with one token, in two processes of the founder, one wins', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  // Both processes have loaded before either saves, so one save must conflict.
  const bothLoaded = Promise.withResolvers<void>();
  let loads = 0;
  const store: TokenStore = {
    save: example.store.save,
    load: async (loadSignal) => {
      const state = await example.store.load(loadSignal);
      loads += 1;
      if (loads === 2) bothLoaded.resolve();
      await bothLoaded.promise;
      return state;
    },
  };
  const requests = [westRoot, northRoot].map((root) => encodeQuestion(token, { keys: makeJoinKeys(), roots: [root] }));
  const answers = await Promise.all(requests.map((request) => example.another(store).redeem(request, 'sender', signal)));
  t.deepEqual(answers.map(outcome).sort(), ['granted', 'token-used']);
  t.is(loads, 3);
  t.is((await storedTokens(example)).tokens[0]?.redemptions.length, 1);
});

test('joins at once in one founder are decided one after the other', async (t) => {
  const example = makeExampleFounder();
  const tokens = await Promise.all([example.createToken('west'), example.createToken('north')]);
  const answers = await Promise.all(tokens.map((token) => example.redeem(token, { keys: makeJoinKeys(), roots: [westRoot], trustDomain: 'same.domain' })));
  t.deepEqual(answers.map((answer) => (answer instanceof LandbridgeError ? answer.code : 'granted')).sort(), ['granted', 'trust-domain-taken']);
});

test('a store that always conflicts ends in a refusal that may be retried', async (t) => {
  let broken = false;
  const example = makeExampleFounder((store) => ({ load: store.load, save: (state, s) => (broken ? Promise.reject(saveConflict()) : store.save(state, s)) }));
  const token = await example.createToken('west');
  broken = true;
  const answer = await example.redeem(token, { keys: makeJoinKeys(), roots: [westRoot] });
  refused(t, answer, 'founder-failed');
  t.is(await memberOnBus(example, 'west'), undefined);
});

test('requests that are not requests are refused', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const good = JSON.parse(Buffer.from(encodeQuestion(token, { keys: makeJoinKeys(), roots: [westRoot] })).toString()) as object;
  const bad = ['', '{}', 'x'.repeat(200_000), JSON.stringify({ ...good, trustDomain: 'other' }), JSON.stringify({ ...good, recordPublicKey: makeJoinKeys().record.publicKey }), JSON.stringify({ ...good, roots: ['AAAA'] })];
  for (const text of bad) {
    t.is(outcome(await example.founder.redeem(Buffer.from(text), text, signal)), 'redeem-malformed', text.slice(0, 80));
  }
});

test('tokens are not made for names that can not join', async (t) => {
  const example = makeExampleFounder();
  for (const cluster of ['West', 'members', '', 'a'.repeat(64)]) await t.throwsAsync(example.createToken(cluster), { code: 'cluster-name-invalid' } as never, cluster);
  for (const options of [{ ttlSeconds: 0 }, { ttlSeconds: 1e9 }, { ttlSeconds: 60.5 }, { uses: 0 }]) await t.throwsAsync(example.createToken('west', options), { code: 'token-request-invalid' } as never);
});

test('the founder admits itself once, and again when its roots change', async (t) => {
  const example = makeExampleFounder();
  const credentials = await example.founder.makeFounderCredentials('east');
  const founder = { credentials, trustDomain: 'east.landbridge', roots: [westRoot], network: '' };
  const member = await example.founder.admitFounder(founder, signal);
  t.deepEqual(await memberOnBus(example, 'east'), member);
  example.now += 1000;
  t.deepEqual(await example.founder.admitFounder(founder, signal), member);
  const changed = await example.founder.admitFounder({ ...founder, roots: [westRoot, northRoot] }, signal);
  t.deepEqual([changed.joinedAt, changed.roots.length], [member.joinedAt, 2]);
  const remade = await example.founder.makeFounderCredentials('east');
  const back = await example.founder.admitFounder({ ...founder, credentials: remade, roots: [northRoot] }, signal);
  t.is(back.recordPublicKey, remade.recordPublicKey);
  refused(t, await example.redeem(await example.createToken('west'), { keys: makeJoinKeys(), roots: [northRoot] }), 'root-taken');
});

test('after ten attempts that failed in a minute a sender is not heard any more, and others are', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west');
  const wrong = { ...token, code: Buffer.alloc(32).toString('base64url') };
  const keys = makeJoinKeys();
  for (let n = 0; n < 10; n++) refused(t, await example.redeem(wrong, { keys, roots: [westRoot] }), 'token-unknown');
  refused(t, await example.redeem(token, { keys, roots: [westRoot] }), 'too-many-attempts');
  granted(await example.redeem({ ...(await example.createToken('north')) }, { keys: makeJoinKeys(), roots: [northRoot] }));
  example.now += 60_000;
  granted(await example.redeem(token, { keys, roots: [westRoot] }));
});

test('a token for a pattern admits clusters whose names begin so, each with keys of its own', async (t) => {
  const example = makeExampleFounder();
  const token = await example.createToken('west-*', { uses: 2 });
  const keys = makeJoinKeys();
  refused(t, await example.redeem(token, { cluster: 'east-1', keys, roots: [westRoot] }), 'token-for-another-cluster');
  const first = granted(await example.redeem(token, { cluster: 'west-1', keys, roots: [westRoot] }));
  refused(t, await example.redeem(token, { cluster: 'west-2', keys, roots: [northRoot] }), 'key-taken');
  granted(await example.redeem(token, { cluster: 'west-2', keys: makeJoinKeys(), roots: [northRoot] }));
  t.deepEqual(granted(await example.redeem(token, { cluster: 'west-1', keys, roots: [westRoot] })).userJwt, first.userJwt, 'the answer was lost');
  refused(t, await example.redeem(token, { cluster: 'west-3', keys: makeJoinKeys(), roots: [await makeRoot()] }), 'token-used');
  for (const pattern of ['*', '-*', 'West-*', 'west-*-x', `${'a'.repeat(63)}*`]) await t.throwsAsync(example.createToken(pattern), { code: 'cluster-name-invalid' } as never, pattern);
});

test('names are RFC 1123 labels, and no two members differ by what looks alike', async (t) => {
  const example = makeExampleFounder();
  for (const cluster of ['B', 'b.', 'b-', '-b', 'b b', 'ｂ', 'b\n', 'b/c', 'a'.repeat(64), '', 'svc', 'members']) await t.throwsAsync(example.createToken(cluster), { code: 'cluster-name-invalid' } as never, cluster);
});
