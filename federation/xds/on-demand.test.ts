import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeltaDiscoveryResponse } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { pino } from 'pino';
import { Authenticator } from '../ca/authenticator.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { localServices } from '../registry/local-endpoints.ts';
import { AdsService } from './ads-service.ts';
import { addressResources } from './address-resources.ts';
import { ExampleAgent, serveDiscovery } from './example-agent.ts';
import type { Snapshot } from './snapshot.ts';

const QUIET_MS = 150;
const CART = 'shop/cart.shop.svc.cluster.local';
const POD = 'west//Pod/shop/cart-1';

const service = (): AdsService => new AdsService(new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: 'agent-1' }), 'landbridge-system', Date.now), pino({ level: 'silent' }));

function publish(ads: AdsService, pods: readonly string[], endpoints: readonly string[] = pods): void {
  ads.publish(snapshotOf(clusterObjects({ services: [exampleService('cart'), exampleService('pay', { clusterIP: '10.96.0.2', clusterIPs: ['10.96.0.2'] })], slices: [exampleSlice('cart', endpoints.map((name) => exampleEndpoint(name, '10.0.0.1')))], pods: pods.map((name, i) => examplePod(name, `10.0.0.${i + 1}`)) })));
}

function snapshotOf(objects: ReturnType<typeof clusterObjects>): Snapshot {
  return { types: new Map([[ADDRESS_TYPE, addressResources({ cluster: 'west', trustDomain: 'w', network: 'n', domain: 'cluster.local', pods: objects.pods, nodes: [], services: localServices(objects), policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, imports: [] })]]), isComplete: () => true, allComplete: true, allListed: true };
}

/** Confirms the last answer and waits for the next one. */
async function next(agent: ExampleAgent, count: number): Promise<unknown> {
  const last = agent.answers.at(-1);
  if (last !== undefined) agent.confirm(last);
  return summary((await agent.wait(count)).at(-1) as DeltaDiscoveryResponse);
}

/** The next answer that says anything: the first one may come before all is indexed, and is empty then. */
async function told(agent: ExampleAgent): Promise<unknown> {
  for (;;) {
    const answer = await next(agent, agent.answers.length + 1);
    if (JSON.stringify(answer) !== '[[],[]]') return answer;
  }
}

const summary = ({ resources, removedResources }: DeltaDiscoveryResponse): unknown => [resources.map(({ name }) => name).sort(), [...removedResources].sort()];

test('who follows nothing is told nothing until it asks: a service with its workloads, by name or by address', async (t) => {
  const ads = service();
  publish(ads, ['cart-1']);
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  t.deepEqual(await next(agent, 1), [[], []]);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: [CART] });
  t.deepEqual(await next(agent, 2), [[CART, POD], []]);
  t.deepEqual(agent.answers[1]?.resources.flatMap(({ aliases }) => aliases).sort(), ['n/10.0.0.1', 'n/10.96.0.1']);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['n/10.96.0.2'] });
  t.deepEqual(await next(agent, 3), [['shop/pay.shop.svc.cluster.local'], []]);
});

test('ztunnel is told the pods of its node unasked, as it waits for them, and our own agents are not', async (t) => {
  const ads = service();
  publish(ads, ['cart-1']);
  await using server = await serveDiscovery(ads);
  using ztunnel = new ExampleAgent(server.address, 'good', undefined, 'west');
  ztunnel.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  t.deepEqual(await told(ztunnel), [[POD], []]);
  publish(ads, ['cart-1', 'cart-2']);
  t.deepEqual(await told(ztunnel), [['west//Pod/shop/cart-2'], []]);
  publish(ads, ['cart-2']);
  // The address of the other one was that of this one before.
  t.deepEqual(await told(ztunnel), [['west//Pod/shop/cart-2'], [POD]]);
  using ours = new ExampleAgent(server.address, 'good', undefined, 'west');
  ours.send({ typeUrl: TRUST_BUNDLE_TYPE });
  ours.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  using elsewhere = new ExampleAgent(server.address, 'good', undefined, 'east');
  elsewhere.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  for (const agent of [ours, elsewhere]) {
    agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['n/10.96.0.2'] });
    await agent.wait(1);
    await sleep(QUIET_MS);
    t.deepEqual([...new Set(agent.answers.flatMap(({ resources }) => resources.map(({ name }) => name)))].filter((name) => name.includes('Pod')), []);
  }
});

test('what is not there is answered, and told once it is; what others ask for is not told', async (t) => {
  const ads = service();
  publish(ads, []);
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: [POD, 'n/192.0.2.1'] });
  // The index may be made only after the first answer.
  let answer = await next(agent, 1);
  let count = 1;
  if (JSON.stringify(answer) === '[[],[]]') answer = await next(agent, ++count);
  t.deepEqual(answer, [[], ['n/192.0.2.1', POD]]);
  publish(ads, ['cart-1', 'cart-2']);
  t.deepEqual(await next(agent, ++count), [[POD], []]);
  publish(ads, ['cart-2']);
  t.deepEqual(await next(agent, ++count), [[], [POD]]);
  publish(ads, ['cart-2']);
  await sleep(QUIET_MS);
  t.is(agent.answers.length, count);
});

test('workloads of a service that come later are told, and who asks again is answered again', async (t) => {
  const ads = service();
  publish(ads, ['cart-1']);
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] });
  await next(agent, 1);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: [CART] });
  await next(agent, 2);
  publish(ads, ['cart-1', 'cart-2']);
  t.deepEqual(await next(agent, 3), [['west//Pod/shop/cart-2'], []]);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: [POD] });
  t.deepEqual(await next(agent, 4), [[POD], []]);
});

test('who comes again is told what it has missed, and not again what it has', async (t) => {
  const ads = service();
  publish(ads, ['cart-1', 'cart-2']);
  await using server = await serveDiscovery(ads);
  const versions = new Map<string, string>();
  {
    using agent = new ExampleAgent(server.address);
    agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*', CART], resourceNamesUnsubscribe: ['*'] });
    await told(agent);
    for (const { name, version } of agent.answers.at(-1)?.resources ?? []) versions.set(name, version);
  }
  t.is(versions.size, 3);
  publish(ads, ['cart-2', 'cart-3']);
  for (const asks of [[CART], ['n/10.96.0.1'], []]) {
    using agent = new ExampleAgent(server.address);
    // ztunnel comes with the names that it asked by, too, and with no name to ask for.
    agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*', ...asks], resourceNamesUnsubscribe: ['*'], initialResourceVersions: { ...Object.fromEntries(versions), ...(asks.length === 0 ? { 'n/10.96.0.1': '' } : {}) } });
    // cart-2 has another address.
    t.deepEqual(await told(agent), [['west//Pod/shop/cart-2', 'west//Pod/shop/cart-3'], [POD]], asks.join());
  }
});

test('a workload that leaves its service is told so, and what an agent takes back is followed no more', async (t) => {
  const ads = service();
  publish(ads, ['cart-1', 'cart-2']);
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*', CART], resourceNamesUnsubscribe: ['*'] });
  await told(agent);
  publish(ads, ['cart-1', 'cart-2'], ['cart-1']);
  t.deepEqual(await told(agent), [['west//Pod/shop/cart-2'], []], 'it runs on');
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesUnsubscribe: ['west//Pod/shop/cart-2'] });
  publish(ads, ['cart-1'], ['cart-1']);
  t.deepEqual(await told(agent), [[], ['west//Pod/shop/cart-2']], 'but for what becomes of it first');
  publish(ads, ['cart-1', 'cart-2'], ['cart-1']);
  publish(ads, ['cart-1', 'cart-2', 'cart-3'], ['cart-1', 'cart-3']);
  t.deepEqual(await told(agent), [['west//Pod/shop/cart-3'], []]);
});

test('endpoints of a headless service without ports come with it', async (t) => {
  const ads = service();
  const objects = clusterObjects({ services: [exampleService('cart', { clusterIP: 'None', clusterIPs: ['None'], ports: [] })], slices: [{ ...exampleSlice('cart', [exampleEndpoint('cart-1', '10.0.0.1')]), ports: [] }], pods: [examplePod('cart-1', '10.0.0.1')] });
  ads.publish(snapshotOf(objects));
  await using server = await serveDiscovery(ads);
  using agent = new ExampleAgent(server.address);
  agent.send({ typeUrl: ADDRESS_TYPE, resourceNamesSubscribe: ['*', CART], resourceNamesUnsubscribe: ['*'] });
  t.deepEqual(await told(agent), [[CART, POD], []]);
});
