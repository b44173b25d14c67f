/** Two federations at one hub, with clusters of the same names; a member of one, and its founder, try to reach the other. */
import type { HubControl } from '@landbridge/federation/join/credentials.ts';
import { ANY_CLAIMS_UPDATE_SUBJECT, claimsLookupSubject, claimsUpdateSubject, controlInboxPrefix, signAccount } from '@landbridge/federation/join/hub-accounts.ts';
import { connectHub } from '@landbridge/federation/join/hub-connection.ts';
import { userPublicKeyOf } from '@landbridge/federation/join/hub-users.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import test from 'ava';
import { until } from '@landbridge/lab/until.ts';
import { HonestCluster, HostileClusterset } from './clusterset.ts';
import { exportService, serviceRecord } from './exports.ts';

let set: HostileClusterset;
let [founder, member]: [HonestCluster, HonestCluster] = [] as never;
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

test.before(async () => {
  set = await HostileClusterset.start();
  const secrets = new MemorySecretStore();
  await secrets.write('landbridge-hub-authority', { 'hub.json': JSON.stringify(await set.hub.addFederation()) }, undefined);
  // Of the same names as in the first federation. The hub hears of this one by its founder.
  founder = await HonestCluster.start('east', secrets);
  await until('the second federation has its founder', () => founder.membership.allListed);
  member = await HonestCluster.start('west');
  const { token } = await founder.membership.createToken({ cluster: 'west' }, soon());
  await member.membership.join(token, soon());
  await until('the second federation is whole', () => [founder, member].every(({ membership }) => membership.allComplete && membership.views().size === 2));
});
test.after.always(async () => {
  await member?.[Symbol.asyncDispose]();
  await founder?.[Symbol.asyncDispose]();
  await set?.[Symbol.asyncDispose]();
});

test.serial('a name that is taken in one federation is free in the other, and taken there once', async (t) => {
  // Both have a west already.
  for (const { membership } of [set.east, founder]) t.like(await t.throwsAsync(membership.createToken({ cluster: 'west' }, soon())), { code: 'cluster-name-taken' });
  for (const { membership } of [set.east, founder]) {
    const { token } = await membership.createToken({ cluster: 'we*', uses: 5 }, soon());
    await using rival = await HonestCluster.start('west');
    t.like(await t.throwsAsync(rival.membership.join(token, soon())), { code: 'cluster-name-taken' });
  }
});

test.serial('what is exported in one federation is not seen in the other, whatever a member there listens to', async (t) => {
  await using unbound = await set.unbound();
  const heard: string[] = [];
  unbound.connection.subscribe('>', { callback: (_, message) => void heard.push(message.subject) });
  await unbound.connection.flush();
  exportService(member, 'secret', '10.9.0.1');
  await until('the other member has it', () => founder.imports.has('shop/secret'));
  set.mallory.say(serviceRecord('open'));
  await set.mallory.sync();
  await until('the first federation goes on', () => set.east.imports.has('shop/open'));
  t.false(set.east.imports.has('shop/secret'));
  t.false(founder.imports.has('shop/open'));
  t.deepEqual(heard.filter((subject) => subject.includes('secret')), []);
  t.true(heard.some((subject) => subject.includes('open')), 'it does hear its own federation');
  t.deepEqual(set.east.membership.members().map(({ cluster }) => cluster).sort(), ['east', 'mallory', 'west']);
  t.deepEqual(founder.membership.members().map(({ cluster }) => cluster).sort(), ['east', 'west']);
});

test.serial('streams and consumers of one federation are not there for the other, even with all rights in its own', async (t) => {
  await using unbound = await set.unbound();
  const jsm = await jetstreamManager(unbound.connection);
  const names = (await jsm.streams.list().next()).map(({ config }) => config.name);
  t.deepEqual(names, ['KV_fed']);
  exportService(member, 'kept', '10.9.0.2');
  await until('it is stored, and read', () => member.membership.publicationOf('shop/kept').kind === 'stored' && founder.membership.views().get('west')?.services.has('shop/kept') === true);
  t.is(await jsm.streams.getMessage('KV_fed', { last_by_subj: '$KV.fed.west.svc.shop.kept' }), null);
  await jsm.streams.delete('KV_fed');
  await until('its owners write the first one’s anew', () => set.east.membership.allComplete);
  t.true(founder.membership.views().get('west')?.services.has('shop/kept'));
});

test.serial('a founder replaces and reads the account of its own federation only, though both sign with one key', async (t) => {
  const authority = JSON.parse((await founder.secrets.read('landbridge-hub-authority'))?.values['hub.json'] ?? '') as { control: HubControl; urls: string[]; caPem: string };
  const { control } = authority;
  const theirs = set.hub.authority.accountPublicKey;
  const connection = await connectHub({ urls: authority.urls, caPem: authority.caPem, jwt: control.systemUserJwt, seed: control.systemUserSeed, inboxPrefix: controlInboxPrefix(userPublicKeyOf(control.systemUserSeed)), name: 'hostile founder', timeoutMs: 5000 }, soon());
  t.teardown(async () => await connection.close());
  const jwt = await signAccount({ accountPublicKey: theirs, accountSigningSeed: set.hub.authority.accountSigningSeed, operatorSigningSeed: control.operatorSigningSeed }, new Map([[userPublicKeyOf(set.mallory.credentials.userSeed), Math.floor(Date.now() / 1000) + 1000]]));
  for (const subject of [claimsUpdateSubject(theirs), ANY_CLAIMS_UPDATE_SUBJECT, claimsLookupSubject(theirs), '$SYS.REQ.CLAIMS.LIST', '$SYS.REQ.CLAIMS.PACK', `$SYS.ACCOUNT.${theirs}.CLAIMS.UPDATE`]) await t.throwsAsync(connection.request(subject, jwt, { timeout: 60_000 }), { message: /permissions violation/i }, subject);
  // Under the name of its own account.
  const own = claimsUpdateSubject((authority as unknown as { accountPublicKey: string }).accountPublicKey);
  t.regex((await connection.request(own, jwt, { timeout: 60_000 })).string(), /does not match/);
  await set.mallory.connection.flush();
  t.false(set.mallory.connection.isClosed());
});
