import { setTimeout as sleep } from 'node:timers/promises';
import { recordKey } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { makeMemoryTokenStore } from '../join/token-store.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { meta, service } from '../records/example-records.ts';
import { exampleAuthority, startExampleHub } from './example-hub.ts';
import { exampleMembership, secretsOf } from './example-membership.ts';

const soon = (): AbortSignal => AbortSignal.timeout(60_000);

test('a cluster without a hub knows that it is alone only once it has looked', async (t) => {
  await using alone = exampleMembership('east');
  t.deepEqual([alone.membership.allListed, alone.membership.allComplete, alone.membership.clusterset], [false, false, 'unknown']);
  alone.run();
  await until('it must look', () => alone.membership.allComplete);
  t.deepEqual(alone.membership.hubState(), { kind: 'none' });
  t.deepEqual([alone.membership.views().size, alone.membership.members().length, alone.membership.isAuthority], [0, 0, false]);
  t.false(alone.membership.isComplete('west'));
  t.deepEqual([alone.membership.clusterset, alone.membership.publicationOf('shop/cart')], [undefined, { kind: 'alone' }]);
});

test('only a founder makes tokens', async (t) => {
  await using alone = exampleMembership('east').run();
  t.like(await t.throwsAsync(alone.membership.createToken({ cluster: 'west' }, soon())), { code: 'not-authority' });
});

test('a cluster that has credentials does not join again, and a damaged token changes nothing', async (t) => {
  await using joined = exampleMembership('east', await secretsOf({ 'landbridge-hub-credentials': { 'credentials.json': '{}' } }));
  t.like(await t.throwsAsync(joined.membership.join('lb1.x', soon())), { code: 'already-joined' });
  await using alone = exampleMembership('east');
  t.like(await t.throwsAsync(alone.membership.join('lb1.x', soon())), { code: 'token-damaged' });
  t.is(await alone.secrets.read('landbridge-hub-credentials'), undefined);
});

test('a founder whose hub is away has its credentials, and believes nothing to be gone', async (t) => {
  const authority = exampleAuthority();
  await using founder = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(authority) } })).run();
  await until('it must begin', () => founder.membership.isAuthority);
  t.regex((await founder.secrets.read('landbridge-hub-credentials'))?.values['credentials.json'] ?? '', /"cluster":"east"/);
  t.is(founder.membership.hubState().kind, 'connecting');
  t.deepEqual([founder.membership.allListed, founder.membership.allComplete, founder.membership.isComplete('west')], [false, false, false]);
  t.like(await t.throwsAsync(founder.membership.join('lb1.x', soon())), { code: 'already-joined' });
});

test('a cluster with credentials does not take itself for one alone while it still reads other Secrets', async (t) => {
  const authority = exampleAuthority();
  const secrets = await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(authority) } });
  const read = secrets.read.bind(secrets);
  for (const slow of ['landbridge-join-keys', 'landbridge-removed-members']) {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    secrets.read = async (name) => {
      if (name !== slow) return await read(name);
      asked.resolve();
      await answer.promise;
      return await read(name);
    };
    await using cluster = exampleMembership('east', secrets).run();
    await asked.promise;
    t.deepEqual([cluster.membership.allListed, cluster.membership.allComplete, cluster.membership.clusterset], [false, false, 'unknown'], slow);
    answer.resolve();
    await until('it must begin', () => cluster.membership.isAuthority);
    t.false(cluster.membership.allListed);
  }
});

test('Secrets that are of no use are told of, and looked at again', async (t) => {
  const authority = exampleAuthority();
  const ofWest = JSON.stringify(await makeFounderCredentials(authority, 'west'));
  for (const values of [{ 'landbridge-hub-credentials': { 'credentials.json': ofWest } }, { 'landbridge-hub-credentials': {} }, { 'landbridge-hub-authority': { 'hub.json': '{' } }] as Record<string, Record<string, string>>[]) {
    await using cluster = exampleMembership('east', await secretsOf(values)).run();
    await until('it must be told of', () => cluster.warned.length > 0);
    t.is(cluster.warned[0], 'bad-credentials');
    t.false(cluster.membership.allComplete);
  }
});

test.serial('a cluster joins by a token, and both see each other completely', async (t) => {
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
  await using west = exampleMembership('west').run();

  t.deepEqual([...(await west.membership.join(token, soon()))].sort(), ['east', 'west']);
  t.like(await t.throwsAsync(west.membership.join(token, soon())), { code: 'already-joined' });
  await using rival = exampleMembership('west').run();
  t.like(await t.throwsAsync(rival.membership.join(token, soon())), { code: 'token-used' });

  const records = new Map([meta, service('cart')].map((body) => [recordKey(body), body]));
  for (const { membership } of [east, west]) membership.publish(records);
  await until('east must know west', () => east.membership.isComplete('west') && east.membership.views().get('west')?.services.has('shop/cart') === true);
  await until('west must know east', () => west.membership.isComplete('east') && west.membership.views().get('east')?.services.has('shop/cart') === true);
  await until('all must be complete', () => east.membership.allComplete && west.membership.allComplete);
  t.deepEqual(west.membership.members().map(({ cluster }) => cluster).sort(), ['east', 'west']);
  t.deepEqual([east.membership.isAuthority, west.membership.isAuthority], [true, false]);
  t.is(west.membership.hubState().kind, 'connected');
  // What the hub lets a member send and hear.
  await until('each must hear itself and the other one', () => [east, west].every(({ membership }) => membership.peers?.hasHeardItself === true) && east.membership.peers?.statusOf('west')?.heardMs !== undefined && west.membership.peers?.statusOf('east')?.heardMs !== undefined);
  t.is(east.membership.peers?.phaseOf('west'), 'ready');
  t.deepEqual([west.membership.publicationOf('shop/cart'), west.membership.publicationOf('shop/pay')], [{ kind: 'stored' }, { kind: 'waiting' }]);
  t.deepEqual([west.membership.takePublished(), west.membership.takePublished()], [['shop/cart'], []]);
  t.regex(west.membership.clusterset ?? '', /^[0-9a-f]{20}$/);
  t.is(west.membership.clusterset, east.membership.clusterset);

  await hub.server.kill();
  await until('the loss must be seen', () => west.membership.hubState().kind === 'connecting');
  t.true(west.membership.isComplete('east'), 'what is known stays');
  // Both stop while the hub is away, and the test would not end if they could not.
});

test.serial('the hub is reached at the first try, however long Secrets take', async (t) => {
  await using hub = await startExampleHub();
  const secrets = await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } });
  const read = secrets.read.bind(secrets);
  secrets.read = async (name) => {
    // Longer than the hub needs for its first question.
    if (name === 'landbridge-removed-members') await sleep(300);
    return await read(name);
  };
  await using founder = exampleMembership('east', secrets).run();
  await until('the founder must be a member', () => founder.membership.allListed);
  t.deepEqual(founder.warned, []);
});

test.serial('of two replicas of a founder one admits clusters and writes records, and the other goes on from there; both read, and make tokens', async (t) => {
  await using hub = await startExampleHub();
  const secrets = await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } });
  const tokens = makeMemoryTokenStore();
  const leaderships = [new ExampleLeadership(), new ExampleLeadership()] as const;
  await using first = exampleMembership('east', secrets, { leadership: leaderships[0], tokens }).run();
  await using second = exampleMembership('east', secrets, { leadership: leaderships[1], tokens }).run();
  const records = new Map([meta, service('cart')].map((body) => [recordKey(body), body]));
  for (const { membership } of [first, second]) membership.publish(records);
  await until('both must reach the hub', () => [first, second].every(({ membership }) => membership.hubState().kind === 'connected'));
  await sleep(300);
  t.deepEqual([first.membership.members(), first.membership.publishedRecords()], [[], 0], 'nobody leads');

  leaderships[0].set(true);
  await until('the founder must be a member', () => first.membership.allListed && second.membership.allListed);
  await until('its records must be there', () => [first, second].every(({ membership }) => membership.isComplete('east') && membership.publishedRecords() === 2));
  // A token of the one that does not lead.
  const { token } = await second.membership.createToken({ cluster: 'west' }, soon());
  await using west = exampleMembership('west').run();
  t.deepEqual([...(await west.membership.join(token, soon()))].sort(), ['east', 'west']);
  await until('both must know west', () => [first, second].every(({ membership }) => membership.members().length === 2));
  await until('west must know east', () => west.membership.isComplete('east'));
  const before = west.membership.views().get('east');

  leaderships[0].set(false);
  leaderships[1].seeOther();
  leaderships[1].set(true);
  second.membership.publish(new Map([meta, service('cart'), service('pay')].map((body) => [recordKey(body), body])));
  await until('west must hear of it', () => west.membership.views().get('east')?.services.has('shop/pay') === true);
  t.is(west.membership.views().get('east')?.services.get('shop/cart'), before?.services.get('shop/cart'), 'nobody wrote it anew');
  const next = await first.membership.createToken({ cluster: 'north' }, soon());
  await using north = exampleMembership('north').run();
  t.deepEqual([...(await north.membership.join(next.token, soon()))].sort(), ['east', 'north', 'west']);
  await using rival = exampleMembership('north').run();
  t.like(await t.throwsAsync(rival.membership.join(next.token, soon())), { code: 'token-used' });
});

test.serial('a member that leaves has exported nothing any more, and says of which Services', async (t) => {
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  await using west = exampleMembership('west').run();
  await west.membership.join((await east.membership.createToken({ cluster: 'west' }, soon())).token, soon());
  west.membership.publish(new Map([meta, service('cart')].map((body) => [recordKey(body), body])));
  await until('the hub must have it', () => west.membership.publicationOf('shop/cart').kind === 'stored');
  west.membership.takePublished();
  t.deepEqual(await west.membership.leave({ force: false }, soon()), { kind: 'done' });
  await until('it must know that it is alone', () => west.membership.hubState().kind === 'none');
  t.deepEqual([west.membership.takePublished(), west.membership.takePublished()], [['shop/cart'], []]);
  t.deepEqual([west.membership.publicationOf('shop/cart'), west.membership.clusterset], [{ kind: 'alone' }, undefined]);
});

test.serial('what there is can be asked for by a token that joins afterwards, by nobody else, and changes nothing', async (t) => {
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  east.membership.publish(new Map([meta, service('cart')].map((body) => [recordKey(body), body])));
  await until('its records must be there', () => east.membership.views().get('east')?.services.has('shop/cart') === true);
  const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
  await using west = exampleMembership('west').run();
  for (let n = 0; n < 2; n++) {
    const { clusters } = await west.membership.previewJoin(token, soon());
    t.deepEqual(clusters.map(({ cluster, services }) => [cluster, services.map(({ record }) => record.name)]), [['east', ['cart']]]);
  }
  t.deepEqual(east.membership.members().map(({ cluster }) => cluster), ['east']);
  t.is(await west.secrets.read('landbridge-hub-credentials'), undefined);
  t.is(await west.secrets.read('landbridge-join-keys'), undefined);
  t.true((await west.membership.join(token, soon())).includes('west'));
  t.like(await t.throwsAsync(west.membership.previewJoin(token, soon())), { code: 'already-joined' });
  await using rival = exampleMembership('west').run();
  t.like(await t.throwsAsync(rival.membership.previewJoin(token, soon())), { code: 'token-used' });
});
