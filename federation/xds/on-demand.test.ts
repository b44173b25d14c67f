import { setTimeout as sleep } from 'node:timers/promises';
import type { DeltaDiscoveryResponse } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import { pino } from 'pino';
import { Authenticator } from '../ca/authenticator.ts';
import { clusterObjects, exampleEndpoint, examplePod, exampleService, exampleSlice } from '../registry/example-objects.ts';
import { localServices } from '../registry/local-endpoints.ts';
import { AdsService } from './ads-service.ts';
import { addressResources } from './address-resources.ts';
import { ExampleAgent, serveDiscovery } from './example-agent.ts';

const QUIET_MS = 150;
const CART = 'shop/cart.shop.svc.cluster.local';
const POD = 'west//Pod/shop/cart-1';

const service = (): AdsService => new AdsService(new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: 'agent-1' }), 'landbridge-system', Date.now), pino({ level: 'silent' }));

function publish(ads: AdsService, pods: readonly string[]): void {
  const objects = clusterObjects({ services: [exampleService('cart'), exampleService('pay', { clusterIP: '10.96.0.2', clusterIPs: ['10.96.0.2'] })], slices: [exampleSlice('cart', pods.map((name) => exampleEndpoint(name, '10.0.0.1')))], pods: pods.map((name, i) => examplePod(name, `10.0.0.${i + 1}`)) });
  ads.publish({ types: new Map([[ADDRESS_TYPE, addressResources({ cluster: 'west', trustDomain: 'w', network: 'n', domain: 'cluster.local', pods: objects.pods, nodes: [], services: localServices(objects), policiesOf: () => [], imports: [] })]]), isComplete: () => true, allComplete: true, allListed: true });
}

/** Confirms the last answer and waits for the next one. */
async function next(agent: ExampleAgent, count: number): Promise<unknown> {
  const last = agent.answers.at(-1);
  if (last !== undefined) agent.confirm(last);
  return summary((await agent.wait(count)).at(-1) as DeltaDiscoveryResponse);
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
