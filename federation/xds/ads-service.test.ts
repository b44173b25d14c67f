import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { until } from '@landbridge/lab/until.ts';
import type { DeltaDiscoveryResponse } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from '@landbridge/wire/protocol.ts';
import type { DialReport } from '@landbridge/wire/dial-report.ts';
import { DIAL_REPORT_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { pino } from 'pino';
import { Authenticator } from '../ca/authenticator.ts';
import type { TokenReviewer } from '../ca/token-reviews.ts';
import { metrics } from '../metrics.ts';
import { AdsService } from './ads-service.ts';
import { AnswerBudget } from './answer-budget.ts';
import { ExampleAgent, serveDiscovery } from './example-agent.ts';
import type { Snapshot } from './snapshot.ts';

const TYPE = 'type.googleapis.com/example.Type';
const OTHER = 'type.googleapis.com/example.Other';
/** Long enough for an answer on loopback that should not come. */
const QUIET_MS = 150;

const reviewer: TokenReviewer = async (token) => (token === 'good' ? { username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: 'agent-1' } : undefined);

function service(review = reviewer): AdsService {
  return new AdsService(new Authenticator(review, 'landbridge-system', Date.now), pino({ level: 'silent' }));
}

/** All complete; versions by name. */
function snapshot(versions: Readonly<Record<string, string>>, complete = true): Snapshot {
  const resources = new Map(Object.entries(versions).map(([name, version]) => [name, { version, bytes: Buffer.from(version) }]));
  return { types: new Map([[TYPE, resources]]), isComplete: () => complete, allComplete: complete, allListed: complete };
}

const summary = ({ resources, removedResources }: DeltaDiscoveryResponse): unknown => [resources.map(({ name, version }) => `${name}@${version}`).sort(), [...removedResources].sort()];

async function streams(): Promise<number> {
  return (await metrics.agents.get()).values[0]?.value ?? 0;
}

test.serial('nothing is told before there is a snapshot; the first answer comes even if it is empty', async (t) => {
  const ads = service();
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE });
  agent.send({ typeUrl: OTHER });
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 0);
  ads.publish(snapshot({ a: '1' }));
  const answers = await agent.wait(2);
  t.deepEqual(answers.map((answer) => [answer.typeUrl, summary(answer)]), [[TYPE, [['a@1'], []]], [OTHER, [[], []]]]);
  t.not(answers[0]?.nonce, answers[1]?.nonce);
  t.deepEqual(Buffer.from(answers[0]?.resources[0]?.resource?.value ?? []).toString(), '1');
});

test.serial('of a type one answer at a time is under way; the next has all that changed meanwhile', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE });
  const [first] = await agent.wait(1);
  for (const version of ['2', '3', '4']) ads.publish(snapshot({ a: version, b: '1' }));
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 1);
  agent.send({ typeUrl: TYPE, responseNonce: 'not the one' });
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 1, 'only the answer that is under way can be confirmed');
  agent.confirm(first as DeltaDiscoveryResponse);
  const [, second] = await agent.wait(2);
  t.deepEqual(summary(second as DeltaDiscoveryResponse), [['a@4', 'b@1'], []]);
});

test.serial('what did not change is not told again, what is gone is', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1', b: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE });
  agent.confirm((await agent.wait(1))[0] as DeltaDiscoveryResponse);
  ads.publish(snapshot({ a: '1', b: '1' }));
  ads.publish(snapshot({ b: '1' }));
  t.deepEqual(summary((await agent.wait(2))[1] as DeltaDiscoveryResponse), [[], ['a']]);
});

test.serial('an agent that comes back with what it has is told the differences', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '2', b: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE, initialResourceVersions: { a: '1', b: '1', c: '1' } });
  t.deepEqual(summary((await agent.wait(1))[0] as DeltaDiscoveryResponse), [['a@2'], ['c']]);
});

test.serial('an agent keeps what it has of a cluster of which this service knows nothing yet', async (t) => {
  const ads = service();
  ads.publish(snapshot({}, false));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE, initialResourceVersions: { 'east//Pod/shop/a': '1' } });
  const [first] = await agent.wait(1);
  t.deepEqual(summary(first as DeltaDiscoveryResponse), [[], []]);
  agent.confirm(first as DeltaDiscoveryResponse);
  ads.publish(snapshot({}));
  t.deepEqual(summary((await agent.wait(2))[1] as DeltaDiscoveryResponse), [[], ['east//Pod/shop/a']]);
});

test.serial('a refusal is counted, and not answered with the same again', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  const refused = async (): Promise<number> => (await metrics.discoveryRefused.get()).values.find(({ labels }) => labels['type'] === 'Type')?.value ?? 0;
  const before = await refused();
  agent.send({ typeUrl: TYPE });
  agent.confirm((await agent.wait(1))[0] as DeltaDiscoveryResponse, 'a is not understood');
  await until('the refusal to be counted', async () => (await refused()) === before + 1);
  t.is(await refused(), before + 1);
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 1);
  ads.publish(snapshot({ a: '2' }));
  t.deepEqual(summary((await agent.wait(2))[1] as DeltaDiscoveryResponse), [['a@2'], []]);
});

test.serial('who has no good token is refused, and who can not be reviewed is told to come again', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  for (const token of ['', 'bad']) {
    using agent = new ExampleAgent(server.address, token);
    agent.send({ typeUrl: TYPE });
    t.is((await agent.ended)?.code, status.UNAUTHENTICATED);
    t.is(agent.answers.length, 0);
  }
  await using away = await serveDiscovery(service(async () => await Promise.reject(new Error('no API server'))));
  using agent = new ExampleAgent(away.address);
  agent.send({ typeUrl: TYPE });
  t.is((await agent.ended)?.code, status.UNAVAILABLE);
});

test.serial('what comes before the token is reviewed is answered after it', async (t) => {
  const reviewed = Promise.withResolvers<void>();
  const ads = service(async (token, audience) => {
    await reviewed.promise;
    return await reviewer(token, audience);
  });
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: TYPE });
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 0);
  reviewed.resolve();
  t.is((await agent.wait(1)).length, 1);
});

test.serial('bytes that are no request end their stream, and no other', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using good = new ExampleAgent(server.address);
  using bad = new ExampleAgent(server.address);
  good.send({ typeUrl: TYPE });
  await good.wait(1);
  bad.write(Buffer.from([0xff, 0xff, 0xff]));
  bad.send({ typeUrl: TYPE });
  t.is((await bad.ended)?.code, status.INVALID_ARGUMENT);
  good.confirm(good.answers[0] as DeltaDiscoveryResponse);
  ads.publish(snapshot({ a: '2' }));
  t.is((await good.wait(2)).length, 2);
});

test.serial('a stream asks for a limited number of types', async (t) => {
  const ads = service();
  ads.publish(snapshot({}));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  for (let index = 0; index < 20; index++) agent.send({ typeUrl: `${TYPE}${index}` });
  await agent.wait(16);
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 16);
});

test.serial('streams are counted while they last, however they end', async (t) => {
  const ads = service();
  ads.publish(snapshot({}));
  await using server = await serveDiscovery(ads);
  const before = await streams();
  const cancelled = new ExampleAgent(server.address);
  using finished = new ExampleAgent(server.address);
  for (const agent of [cancelled, finished]) agent.send({ typeUrl: TYPE });
  await Promise.all([cancelled.wait(1), finished.wait(1)]);
  t.is(await streams(), before + 2);
  cancelled[Symbol.dispose]();
  finished.finish();
  t.is(await finished.ended, undefined);
  await until('the streams to end', async () => (await streams()) === before);
  t.is(await streams(), before);
  t.notThrows(() => ads.publish(snapshot({ a: '1' })));
});

const policySnapshot = (policies: Readonly<Record<string, string>>, workloads: Readonly<Record<string, string>>): Snapshot => {
  const resources = (versions: Readonly<Record<string, string>>) => new Map(Object.entries(versions).map(([name, version]) => [name, { version, bytes: Buffer.from(version) }]));
  return { types: new Map([[ADDRESS_TYPE, resources(workloads)], [AUTHORIZATION_TYPE, resources(policies)]]), isComplete: () => true, allComplete: true, allListed: true };
};
const told = ({ typeUrl, resources, removedResources }: DeltaDiscoveryResponse): string => [typeUrl === ADDRESS_TYPE ? 'address' : 'policy', ...resources.map(({ name, version }) => `${name}@${version}`), ...removedResources.map((name) => `-${name}`)].join(' ');

test.serial('a policy is told before the workload that names it, and goes after it', async (t) => {
  const ads = service();
  ads.publish(policySnapshot({}, { pod: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  for (const typeUrl of [ADDRESS_TYPE, AUTHORIZATION_TYPE]) agent.send({ typeUrl });
  t.deepEqual((await agent.wait(2)).map(told).sort(), ['address pod@1', 'policy']);
  for (const answer of [...agent.answers]) agent.confirm(answer);
  ads.publish(policySnapshot({ 'shop/a': '1' }, { pod: 'names a' }));
  t.deepEqual((await agent.wait(4)).slice(2).map(told), ['policy shop/a@1', 'address pod@names a']);
  // A change of both while neither answer is confirmed: the workload waits for the policy's turn.
  ads.publish(policySnapshot({ 'shop/b': '1' }, { pod: 'names b' }));
  agent.confirm(agent.answers[3] as DeltaDiscoveryResponse);
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 4, 'not before the policy');
  agent.confirm(agent.answers[2] as DeltaDiscoveryResponse);
  t.deepEqual((await agent.wait(6)).slice(4).map(told), ['policy shop/b@1', 'address pod@names b']);
  agent.confirm(agent.answers[5] as DeltaDiscoveryResponse);
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 6);
  agent.confirm(agent.answers[4] as DeltaDiscoveryResponse);
  t.deepEqual((await agent.wait(7)).slice(6).map(told), ['policy -shop/a']);
  agent.confirm(agent.answers[6] as DeltaDiscoveryResponse);
  ads.publish(policySnapshot({}, { pod: '2' }));
  t.deepEqual((await agent.wait(9)).slice(7).map(told), ['address pod@2', 'policy -shop/b']);
});

test.serial('who has confirmed a resource as it is now is known, and who refused it has not', async (t) => {
  const ads = service();
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  const agents = [new ExampleAgent(server.address), new ExampleAgent(server.address)] as const;
  const confirmation = (): unknown => ads.confirmation(TYPE, 'a');
  const becomes = async (connected: number, confirmed: number): Promise<void> => {
    await until('the confirmation', () => JSON.stringify(confirmation()) === JSON.stringify({ connected, confirmed }));
    t.deepEqual(confirmation(), { connected, confirmed });
  };
  await becomes(0, 0);
  for (const agent of agents) agent.send({ typeUrl: TYPE });
  await becomes(2, 0);
  const [one, two] = [(await agents[0].wait(1))[0], (await agents[1].wait(1))[0]] as [DeltaDiscoveryResponse, DeltaDiscoveryResponse];
  agents[0].confirm(one);
  await becomes(2, 1);
  agents[1].confirm(two, 'a: not understood');
  await sleep(QUIET_MS);
  await becomes(2, 1);
  ads.publish(snapshot({ a: '2' }));
  t.deepEqual(confirmation(), { connected: 2, confirmed: 0 });
  agents[0].confirm((await agents[0].wait(2))[1] as DeltaDiscoveryResponse);
  agents[1].confirm((await agents[1].wait(2))[1] as DeltaDiscoveryResponse);
  await becomes(2, 2);
  t.deepEqual(ads.confirmation(TYPE, 'nobody has it'), { connected: 2, confirmed: 0 });
  t.deepEqual(ads.confirmation(OTHER, 'a'), { connected: 0, confirmed: 0 });
  agents[1][Symbol.dispose]();
  await becomes(1, 1);
  agents[0][Symbol.dispose]();
});

const limited = (options: ConstructorParameters<typeof AdsService>[2]): AdsService => new AdsService(new Authenticator(reviewer, 'landbridge-system', Date.now), pino({ level: 'silent' }), options);

test.serial('an agent that does not confirm in time is cut off, and others are told all the same', async (t) => {
  const ads = limited({ confirmMs: 1000 });
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using slow = new ExampleAgent(server.address);
  using good = new ExampleAgent(server.address);
  for (const agent of [slow, good]) agent.send({ typeUrl: TYPE });
  good.confirm((await good.wait(1))[0] as DeltaDiscoveryResponse);
  t.like(await slow.ended, { code: status.UNAVAILABLE, details: 'an answer was not confirmed in time' });
  ads.publish(snapshot({ a: '2' }));
  t.is((await good.wait(2)).length, 2);
});

test.serial('of large answers some are under way at a time: the next agent is told when one has confirmed, or left', async (t) => {
  const ads = limited({ budget: new AnswerBudget(1) });
  const resource = { version: '1', bytes: Buffer.alloc(2 * 1024 * 1024) };
  ads.publish({ ...snapshot({}), types: new Map([[ADDRESS_TYPE, new Map([['east//Pod/shop/a', resource]])]]) });
  await using server = await serveDiscovery(ads);
  const [first, second, third] = [new ExampleAgent(server.address), new ExampleAgent(server.address), new ExampleAgent(server.address)] as const;
  t.teardown(() => {
    for (const agent of [first, second, third]) agent[Symbol.dispose]();
  });
  for (const [index, agent] of [first, second, third].entries()) {
    agent.send({ typeUrl: ADDRESS_TYPE });
    await until('its question', () => ads.confirmation(ADDRESS_TYPE, 'a').connected === index + 1);
  }
  await first.wait(1);
  await sleep(QUIET_MS);
  t.deepEqual([second.answers.length, third.answers.length], [0, 0]);
  first.confirm(first.answers[0] as DeltaDiscoveryResponse);
  await second.wait(1);
  t.is(third.answers.length, 0);
  second[Symbol.dispose]();
  await third.wait(1);
  t.pass();
});

test.serial('of addresses an agent is told what changed since its last answer, once', async (t) => {
  const ads = service();
  const addresses = (versions: Readonly<Record<string, string>>, ...changed: string[]): Snapshot => ({ ...snapshot({}), types: new Map([[ADDRESS_TYPE, new Map(Object.entries(versions).map(([name, version]) => [name, { version, bytes: Buffer.from(version) }]))]]), changed: new Map([[ADDRESS_TYPE, new Set(changed)]]) });
  ads.publish(addresses({ 'shop/a': '1', 'shop/b': '1' }, 'shop/a', 'shop/b'));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, initialResourceVersions: { 'shop/b': '1', 'shop/z': '1' } });
  t.deepEqual(summary((await agent.wait(1))[0] as DeltaDiscoveryResponse), [['shop/a@1'], ['shop/z']]);
  agent.confirm(agent.answers[0] as DeltaDiscoveryResponse);
  ads.publish(addresses({ 'shop/a': '2', 'shop/c': '1' }, 'shop/a', 'shop/b', 'shop/c'));
  t.deepEqual(summary((await agent.wait(2))[1] as DeltaDiscoveryResponse), [['shop/a@2', 'shop/c@1'], ['shop/b']]);
  agent.confirm(agent.answers[1] as DeltaDiscoveryResponse, 'shop/a: no');
  ads.publish(addresses({ 'shop/a': '2', 'shop/c': '1' }));
  await sleep(QUIET_MS);
  t.is(agent.answers.length, 2);
});

test.serial('what agents of nodes say of their dials is passed on by the node of the token, is no subscription, and comes as often as it may', async (t) => {
  const heard: [string, DialReport][] = [];
  const accounts: Readonly<Record<string, string>> = { good: 'landbridge-agent', gateway: 'landbridge-gateway' };
  const review: TokenReviewer = async (token) => ({ username: `system:serviceaccount:landbridge-system:${accounts[token]}`, node: 'node-1', pod: token });
  const ads = new AdsService(new Authenticator(review, 'landbridge-system', Date.now), pino({ level: 'silent' }), { onDials: (node, report) => void heard.push([node, report]) });
  ads.publish(snapshot({ a: '1' }));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  using gateway = new ExampleAgent(server.address, 'gateway');
  const report = { typeUrl: DIAL_REPORT_TYPE, initialResourceVersions: { 'west': '1 2', 'Not a cluster': '1 2', 'north': 'x' } };
  gateway.send(report);
  for (let i = 0; i < 100; i++) agent.send(report);
  for (const each of [gateway, agent]) each.send({ typeUrl: TYPE });
  t.deepEqual([...(await gateway.wait(1)), ...(await agent.wait(1))].map(({ typeUrl }) => typeUrl), [TYPE, TYPE]);
  t.deepEqual(heard[0], ['node-1', new Map([['west', { opened: 1, failed: 2 }]])]);
  t.true(heard.length >= 5 && heard.length <= 15, `${heard.length} were passed on`);
});
