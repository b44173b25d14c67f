/** A hostile member at the bus: cases M1, M2, M10, M13, M14 and M15, and the invariants that they stand for. */
import type { RecordBody } from '@landbridge/core/records.ts';
import { Membership } from '@landbridge/federation/hub/membership.ts';
import { makeRoot } from '@landbridge/federation/join/example-founder.ts';
import { makeMemoryTokenStore } from '@landbridge/federation/join/token-store.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { openMember, signMember } from '@landbridge/federation/records/members.ts';
import { openRecord } from '@landbridge/federation/records/record-signature.ts';
import { createPrivateKey } from 'node:crypto';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import test from 'ava';
import { pino } from 'pino';
import { type HonestCluster, HostileClusterset, type HostileMember } from './clusterset.ts';
import { until } from '@landbridge/lab/until.ts';
import { exportService, sayService, serviceRecord } from './exports.ts';

let set: HostileClusterset;
/** As it was when mallory joined. */
let memberRecord: Uint8Array;
let [east, west, mallory]: [HonestCluster, HonestCluster, HostileMember] = [] as never;
test.before(async () => {
  set = await HostileClusterset.start();
  ({ east, west, mallory } = set);
  exportService(west, 'cart', '10.2.0.1');
  await until('east imports of west', () => east.addresses('west').includes('10.2.0.1'));
  await using unbound = await set.unbound();
  const { message } = JSON.parse((await unbound.connection.request('$JS.API.STREAM.MSG.GET.KV_fed', JSON.stringify({ last_by_subj: '$KV.fed.members.mallory' }), { timeout: 60_000 })).string()) as { message: { data: string } };
  memberRecord = Uint8Array.from(Buffer.from(message.data, 'base64'));
});
test.after.always(async () => await set?.[Symbol.asyncDispose]());

const ofWest = (): unknown => east.membership.views().get('west')?.services.get('shop/cart');
let marks = 0;
/** All that was written to the hub before was seen by east: the stream has one order. */
async function seen(by = mallory): Promise<void> {
  const name = `mark-${(marks += 1)}`;
  mallory.say(serviceRecord(name));
  await by.connection.flush();
  await mallory.sync();
  await until('east sees what came after', () => east.membership.views().get('mallory')?.services.has(`shop/${name}`) === true);
}

/** All that is on the bus under a prefix, as it comes. */
function record(connection: NatsConnection, subject: string): { readonly subject: string; readonly data: Uint8Array }[] {
  const all: { subject: string; data: Uint8Array }[] = [];
  connection.subscribe(subject, { callback: (_, message) => void all.push({ subject: message.subject, data: Uint8Array.from(message.data) }) });
  return all;
}

test.serial('M1, invariant 1: the hub does not let a member write below another one’s name', async (t) => {
  const before = ofWest();
  for (const key of ['svc.shop.cart', 'meta', 'sync']) mallory.put(`west.${key}`, mallory.sign(key, null, 'west'));
  mallory.put('members.west', mallory.sign('west', null, 'members'));
  await until('the hub refuses', () => ['$KV.fed.west.svc.shop.cart', '$KV.fed.west.meta', '$KV.fed.west.sync', '$KV.fed.members.west'].every((subject) => mallory.refused.some((text) => text.includes(subject))));
  await seen();
  t.is(ofWest(), before);
});

test.serial('M1, invariant 1: with the hub’s permissions switched off, what another key has signed is not believed', async (t) => {
  await using unbound = await set.unbound();
  const before = ofWest();
  const lie = serviceRecord('cart', { ports: [{ name: 'http', protocol: 'TCP', port: 666 }] });
  // Signed for west, for itself, and for another place.
  for (const bytes of [unbound.sign('svc.shop.cart', lie, 'west'), unbound.sign('svc.shop.cart', lie), unbound.sign('svc.shop.till', lie, 'west'), unbound.sign('svc.shop.cart', null, 'west')]) unbound.put('west.svc.shop.cart', bytes);
  unbound.put('members.west', unbound.sign('west', null, 'members'));
  await seen(unbound);
  t.is(ofWest(), before);
  t.deepEqual(unbound.refused, []);
  t.deepEqual(east.addresses('west'), ['10.2.0.1']);
});

test.serial('M1, invariants 1 and 8: a record of another cluster that is older, with its valid signature, does not come back', async (t) => {
  await using unbound = await set.unbound();
  const written = record(unbound.connection, '$KV.fed.west.>');
  await unbound.connection.flush();
  exportService(west, 'old', '10.2.0.5');
  await until('east knows of it', () => east.imports.has('shop/old'));
  west.objects.remove('ServiceExport', 'old');
  await until('it is withdrawn', () => !east.imports.has('shop/old'));
  // East may hear of it before what listens here does.
  await unbound.connection.flush();
  const old = written.filter(({ subject, data }) => subject.includes('.old') && !Buffer.from(data).includes('"body":null'));
  t.true(old.length >= 2);
  for (const { subject, data } of old) unbound.connection.publish(subject, data);
  await seen(unbound);
  t.false(east.membership.views().get('west')?.services.has('shop/old'));
  t.false(east.imports.has('shop/old'));
});

test.serial('M2: what a header says of who writes is not read', async (t) => {
  const before = ofWest();
  const claimed = headers();
  for (const name of ['Nats-Request-Info', 'Nats-Client-Info', 'Nats-Account-Info']) claimed.set(name, JSON.stringify({ acc: set.hub.authority.accountPublicKey, user: 'west', name: 'west' }));
  claimed.set('Nats-Subject', '$KV.fed.west.svc.shop.cart');
  mallory.put('mallory.svc.shop.cart', mallory.sign('svc.shop.cart', serviceRecord('cart'), 'west'), claimed);
  mallory.put('mallory.svc.shop.stolen', mallory.sign('svc.shop.stolen', serviceRecord('stolen')), claimed);
  await seen();
  t.is(ofWest(), before);
  t.deepEqual([...east.membership.views()].filter(([, { services }]) => services.has('shop/stolen')).map(([cluster]) => cluster), ['mallory']);
  t.false(east.membership.views().get('mallory')?.services.has('shop/cart'));
});

test.serial('M10: a member hears only what is for it, and asks the hub for nothing but the bucket', async (t) => {
  const wanted = ['>', '*', '$KV.fed.>', '$KV.>', '_INBOX.>', '_INBOX_west.>', '_INBOX_east.>', '_INBOX_*.>', '$SYS.>', '$JS.API.>', '$JS.EVENT.>', 'landbridge.>', 'landbridge.join.redeem'];
  for (const subject of wanted) {
    const subscription = mallory.connection.subscribe(subject, { callback: () => {} });
    const ended = await subscription.closed;
    t.true(ended instanceof Error, `${subject} ${String(ended)}`);
  }
  const asked = ['$JS.API.STREAM.DELETE.KV_fed', '$JS.API.STREAM.PURGE.KV_fed', '$JS.API.STREAM.UPDATE.KV_fed', '$JS.API.STREAM.CREATE.mine', '$JS.API.STREAM.MSG.DELETE.KV_fed', '$JS.API.STREAM.SNAPSHOT.KV_fed', '$JS.API.STREAM.RESTORE.KV_fed', '$JS.API.CONSUMER.LIST.KV_fed', '$JS.API.CONSUMER.NAMES.KV_fed', '$JS.API.CONSUMER.CREATE.other.x', '$SYS.REQ.SERVER.PING', '_INBOX_west.x', '$KV.fed.mallory', '$KV.other.mallory.x'];
  for (const subject of asked) mallory.connection.publish(subject, '{}');
  await until('all are refused', () => asked.every((subject) => mallory.refused.some((text) => text.includes(`"${subject}"`))));
});

test.serial('M14: names that look like another’s are none, and a name that is held has no second token', async (t) => {
  const token = async (cluster: string): Promise<string> => await east.membership.createToken({ cluster }, AbortSignal.timeout(60_000)).then(() => 'made', (thrown: { code?: string }) => thrown.code ?? String(thrown));
  for (const name of ['West', 'WEST', 'west.', 'west-', '-west', 'w est', 'wеst', 'west\u200b', 'west\n', 'west/x', '*', '>', 'west.>', '', 'members', 'svc', 'clusterset', 'local', 'w'.repeat(64)]) t.is(await token(name), 'cluster-name-invalid', JSON.stringify(name));
  t.is(await token('west'), 'cluster-name-taken');
  t.is(await token('mallory'), 'cluster-name-taken');
});

test.serial('M15: an operator who drops, replays, reorders and injects makes nobody believe or lose anything, and what is lost comes back from its owner', async (t) => {
  await using unbound = await set.unbound();
  const before = ofWest();
  const publicKey = east.membership.views().get('west')?.member.recordPublicKey ?? '';
  /** What others have put in its place is no record of west. */
  const held = async (): Promise<boolean> => {
    const answer = await unbound.connection.request('$JS.API.STREAM.MSG.GET.KV_fed', JSON.stringify({ last_by_subj: '$KV.fed.west.svc.shop.cart' }), { timeout: 60_000 });
    const { message } = JSON.parse(answer.string()) as { message?: { data?: string } };
    return openRecord(Buffer.from(message?.data ?? '', 'base64'), { cluster: 'west', key: 'svc.shop.cart', publicKey }).ok;
  };
  await until('what tests before have put in its place is put right', held);
  const startMs = performance.now();
  await unbound.connection.request('$JS.API.STREAM.PURGE.KV_fed', '{}', { timeout: 60_000 });
  for (const bytes of [Buffer.alloc(0), Buffer.from('{'), Buffer.alloc(200_000, 0x5b), Buffer.from('null')]) for (const key of ['west.svc.shop.cart', 'west.meta', 'nobody.meta', 'members.west', 'x', '..']) if (key !== '..') unbound.put(key, bytes);
  await seen(unbound);
  t.is(ofWest(), before);
  t.deepEqual(east.addresses('west'), ['10.2.0.1']);
  await until('west writes its records again', held);
  t.log(`west's record was back after ${Math.round(performance.now() - startMs)} ms`);
});

test.serial('invariant 9: no key, seed or credential of any cluster was ever on the bus', async (t) => {
  await using unbound = await set.unbound();
  const state = async (): Promise<{ readonly first_seq: number; readonly last_seq: number; readonly messages: number }> => (JSON.parse((await unbound.connection.request('$JS.API.STREAM.INFO.KV_fed', '{}', { timeout: 60_000 })).string()) as { state: Awaited<ReturnType<typeof state>> }).state;
  // Whoever came before has had all of it written again.
  await until('the bus has its records', async () => (await state()).messages > 5);
  const { first_seq: first, last_seq } = await state();
  let last = last_seq;
  const secrets: string[] = [];
  for (const { secrets: store } of [east, west]) for (const text of Object.values((await store.read('landbridge-hub-credentials'))?.values ?? {})) for (const value of Object.values(JSON.parse(text) as Record<string, unknown>)) if (typeof value === 'string' && /PRIVATE KEY|^SU|^ey/.test(value)) secrets.push(value);
  t.true(secrets.length >= 6);
  let looked = 0;
  for (let seq = first; seq <= last; seq++) {
    const message = JSON.parse((await unbound.connection.request('$JS.API.STREAM.MSG.GET.KV_fed', JSON.stringify({ seq }), { timeout: 60_000 })).string()) as { message?: { data?: string } };
    const text = Buffer.from(message.message?.data ?? '', 'base64').toString();
    if (text !== '') looked += 1;
    for (const secret of [...secrets, 'PRIVATE KEY', set.hub.authority.accountSigningSeed]) t.false(text.includes(secret));
    // What was written in the place of one that is looked for comes after it.
    if (seq === last) ({ last_seq: last } = await state());
  }
  t.true(looked > 5);
});

test.serial('M13, invariant 8: who was removed does not come back by old records, an old member record or old credentials', async (t) => {
  await using unbound = await set.unbound();
  const written = record(unbound.connection, '$KV.fed.mallory.>');
  await unbound.connection.flush();
  await sayService(mallory, 'bazaar', ['10.9.0.1']);
  await until('east imports of it', () => east.imports.has('shop/bazaar'));
  await unbound.connection.flush();
  const opened = openMember(memberRecord, set.hub.authority.authorityPublicKey);
  if (!opened.ok) return t.fail(opened.error);
  const { member, epoch, gen } = opened.value;
  const removal = signMember(createPrivateKey(set.hub.authority.authorityPrivateKeyPem), { ...member, revoked: true }, { epoch, gen: gen + 1 });
  const startMs = performance.now();
  unbound.put('members.mallory', removal);
  await until('east lets go of it', () => !east.membership.views().has('mallory') && !east.imports.has('shop/bazaar'));
  t.log(`gone ${Math.round(performance.now() - startMs)} ms after the removal was written`);
  unbound.put('members.mallory', memberRecord);
  t.true(written.some(({ subject }) => subject.endsWith('.sync')));
  for (const { subject, data } of written) unbound.connection.publish(subject, data);
  const fresh: RecordBody = serviceRecord('again');
  unbound.put('mallory.svc.shop.again', mallory.sign('svc.shop.again', fresh));
  await unbound.connection.flush();
  exportService(west, 'after', '10.2.0.9');
  await until('east sees what came after', () => east.imports.has('shop/after'));
  t.false(east.membership.views().has('mallory'));
  t.deepEqual([...east.imports].filter((name) => /bazaar|again/.test(name)), []);
});

test.serial('M14: two tokens for one name make one member', async (t) => {
  const [first, second] = [await east.membership.createToken({ cluster: 'north' }, AbortSignal.timeout(60_000)), await east.membership.createToken({ cluster: 'north' }, AbortSignal.timeout(60_000))];
  const join = async (token: string): Promise<string> => {
    const root = Buffer.from(await makeRoot(), 'base64');
    const membership = new Membership({ cluster: 'north', trustDomain: 'north.landbridge', network: '', roots: () => [root], secrets: new MemorySecretStore(), tokens: makeMemoryTokenStore(), clock: Date.now, log: pino({ level: 'silent' }), onChange: () => {} });
    return await membership.join(token, AbortSignal.timeout(60_000)).then(() => 'joined', (thrown: { code?: string }) => thrown.code ?? String(thrown));
  };
  t.is(await join(first.token), 'joined');
  t.is(await join(second.token), 'cluster-name-taken');
});
