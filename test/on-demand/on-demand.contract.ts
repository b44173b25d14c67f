import { Discovery } from '@landbridge/agent/discovery/xds-client.ts';
import type { ExecutionContext, TestFn } from 'ava';
import { pino } from 'pino';
import { eventually } from '../agents/eventually.ts';
import type { DiscoveryServer, StartServer } from './discovery-server.ts';
import { type ExampleResource, keyOf, uidOf } from './example-mesh.ts';

const WITHIN_MS = 60_000;
/** More than any name stays that nobody uses, or waits to be asked for again. */
const LONG_MS = 600_000;

const CART: ExampleResource = { kind: 'service', host: 'cart', ip: '10.96.0.1' };
const PAY: ExampleResource = { kind: 'service', host: 'pay', ip: '10.96.0.2' };
export const pod = (name: string, ip: string, services: readonly string[] = ['cart'], node = 'elsewhere'): ExampleResource => ({ kind: 'workload', name, ip, services, node });
const MESH = [CART, PAY, pod('cart-1', '10.0.0.1'), pod('pay-1', '10.0.0.2', ['pay'])];

export class Follower {
  readonly #t: ExecutionContext;
  readonly discovery: Discovery;
  nowMs = 0;

  constructor(t: ExecutionContext, { access, asksForTrust }: DiscoveryServer) {
    this.#t = t;
    this.discovery = new Discovery(access, { name: 'agent', namespace: 'landbridge-system', node: 'n', cluster: 'east', ip: '' }, pino({ level: 'silent' }), { asksForTrust, isOnDemand: true, now: () => this.nowMs });
    const stop = new AbortController();
    const running = this.discovery.run(stop.signal);
    t.teardown(async () => {
      stop.abort();
      await running;
    });
  }

  async ask(...names: readonly string[]): Promise<boolean> {
    return await (this.discovery.onDemand as NonNullable<Discovery['onDemand']>).known(names, AbortSignal.timeout(WITHIN_MS));
  }

  get names(): readonly string[] {
    return this.discovery.registry.names().sort();
  }

  async becomes(...names: readonly string[]): Promise<void> {
    await eventually(() => this.names.join(), (text) => text === [...names].sort().join(), WITHIN_MS);
    this.#t.pass();
  }
}

const CART_NAMES = [uidOf('cart-1'), keyOf('cart')];

/** What an agent may count on that asks for what it needs, whoever the control plane is. */
export function onDemandContract(test: TestFn, kind: string, start: StartServer): void {
  test(`${kind}: an agent knows nothing but what it asks for, by address or by name, and then that there is nothing else`, async (t) => {
    await using server = await start();
    server.set(MESH);
    const follower = new Follower(t, server);
    await follower.discovery.ready;
    t.deepEqual(follower.names, []);
    t.true(await follower.ask('/10.96.0.1'));
    t.deepEqual(follower.names, CART_NAMES);
    t.true(await follower.ask('/192.0.2.1', 'shop/none.shop.svc.cluster.local'));
    t.deepEqual(follower.names, CART_NAMES);
    t.true(await follower.ask(keyOf('pay')));
    t.deepEqual(follower.names, [...CART_NAMES, keyOf('pay'), uidOf('pay-1')].sort());
  });

  test(`${kind}: what was asked for is followed: endpoints come, change, leave their service, and end`, async (t) => {
    await using server = await start();
    server.set(MESH);
    const follower = new Follower(t, server);
    const { registry } = follower.discovery;
    t.true(await follower.ask('/10.96.0.1'));
    server.set([...MESH, pod('cart-2', '10.0.0.3')]);
    await follower.becomes(...CART_NAMES, uidOf('cart-2'));
    server.set([CART, PAY, pod('cart-1', '10.0.0.9'), pod('cart-2', '10.0.0.3', [])]);
    const endpoints = (): string => {
      const service = registry.service(keyOf('cart'));
      return service === undefined ? 'gone' : registry.endpointsOf(service).map(({ uid, addresses }) => `${uid} ${addresses.join()}`).join();
    };
    await eventually(endpoints, (text) => text === `${uidOf('cart-1')} /10.0.0.9`, WITHIN_MS);
    server.set([CART, PAY]);
    await eventually(endpoints, (text) => text === '', WITHIN_MS);
    server.set([PAY]);
    await eventually(endpoints, (text) => text === 'gone', WITHIN_MS);
    t.pass();
  });

  test(`${kind}: what was not there is known when it is, at the latest when it is asked for again`, async (t) => {
    await using server = await start();
    server.set([CART]);
    const follower = new Follower(t, server);
    t.true(await follower.ask('/10.0.0.7'));
    server.set([CART, pod('late', '10.0.0.7', [])]);
    await eventually(() => {
      follower.nowMs += 40_000;
      // Somebody uses it.
      follower.discovery.onDemand?.need(['/10.0.0.7']);
      follower.discovery.onDemand?.sweep();
      return follower.discovery.registry.workloadAt('/10.0.0.7')?.uid;
    }, (uid) => uid === uidOf('late'), WITHIN_MS);
    t.pass();
  });

  test(`${kind}: on another stream the agent asks again for all of it, and hears what has changed meanwhile`, async (t) => {
    await using server = await start();
    server.set(MESH);
    const follower = new Follower(t, server);
    t.true(await follower.ask('/10.96.0.1', '/10.96.0.9', '/10.96.0.2'));
    server.cut();
    server.set([CART, { kind: 'service', host: 'new', ip: '10.96.0.9' }, pod('cart-2', '10.0.0.3')]);
    await follower.becomes(keyOf('cart'), keyOf('new'), uidOf('cart-2'));
    t.true(await follower.ask('/10.96.0.2'));
  });

  test(`${kind}: what nobody uses any more is let go and forgotten; what is pinned, or held, or on the agent's own node stays`, async (t) => {
    await using server = await start();
    server.set([...MESH, pod('near', '10.0.0.5', ['pay'], 'n')]);
    const follower = new Follower(t, server);
    const onDemand = follower.discovery.onDemand as NonNullable<Discovery['onDemand']>;
    using _pinned = onDemand.pin(['/10.0.0.5']);
    using _held = onDemand.hold({ heldNames: () => new Set([keyOf('cart')]), letGo: () => t.fail() });
    t.true(await follower.ask(keyOf('cart'), '/10.96.0.2', '/10.0.0.5'));
    follower.nowMs += LONG_MS;
    follower.discovery.onDemand?.sweep();
    await follower.becomes(...CART_NAMES, uidOf('near'));
    server.set([CART, pod('cart-1', '10.0.0.1'), pod('near', '10.0.0.5', ['pay'], 'n')]);
    t.true(await follower.ask('/10.96.0.2'), 'it is gone');
    t.deepEqual(follower.names, [...CART_NAMES, uidOf('near')].sort());
    server.set(MESH);
    await eventually(async () => {
      follower.nowMs += 40_000;
      onDemand.need(['/10.96.0.2']);
      follower.discovery.onDemand?.sweep();
      return follower.names;
    }, (names) => names.includes(keyOf('pay')) && names.includes(uidOf('pay-1')), WITHIN_MS);
  });
}
