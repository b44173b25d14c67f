import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordBody } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import pino from 'pino';
import { type MemoryBus, makeMemoryBus } from '../bus/memory-bus.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import type { Leadership } from '../leadership/leadership.ts';
import { endpoint, endpoints, exampleAuthority, exampleKeys, exampleMemberBytes, meta, service, wish } from './example-records.ts';
import { type ClusterView, emptyPeers, type PeerState, reducePeers, views } from './peer-table.ts';
import { Publisher } from './publisher.ts';
import { openRecord, signRecord } from './record-signature.ts';

const log = pino({ level: 'silent' });
const keys = exampleKeys();

interface Setup extends AsyncDisposable {
  readonly bus: MemoryBus;
  readonly publisher: Publisher;
  /** What a peer sees that watches from the start. */
  view(): ClusterView | undefined;
  state(): PeerState;
  record(key: string): Promise<ReturnType<typeof openRecord>>;
}

async function setUp(options: { bus?: MemoryBus; now?: number; leadership?: Leadership } = {}): Promise<Setup> {
  const bus = options.bus ?? makeMemoryBus();
  const start = Date.now();
  const clock = (): number => (options.now ?? 1_000_000) + Date.now() - start;
  const stop = new AbortController();
  if (!bus.keys().includes('members.west')) await bus.put('members.west', exampleMemberBytes('west', keys), stop.signal);
  const publisher = new Publisher(bus, { cluster: 'west', privateKey: keys.privateKey, log, clock, ...(options.leadership === undefined ? {} : { leadership: options.leadership }) });
  const running = publisher.run(stop.signal);
  let peers = emptyPeers(exampleAuthority.publicKey);
  const watching = (async () => {
    for await (const event of bus.watch('>', stop.signal)) peers = reducePeers(peers, event, clock());
  })();
  return {
    bus,
    publisher,
    view: () => views(peers).get('west'),
    state: () => peers,
    async record(key) {
      const bytes = (await bus.get(`west.${key}`, stop.signal)) ?? new Uint8Array();
      return openRecord(bytes, { cluster: 'west', key, publicKey: keys.publicKey });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([running, watching]);
    },
  };
}

const settled = ({ publisher }: Setup): Promise<true> => until('the publisher must settle', () => !publisher.status().pending && publisher.status().published > 0);
const names = (view: ClusterView | undefined): readonly string[] => [...(view?.services.keys() ?? [])];

test('publishes what is wished and closes it with sync', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(wish(meta, service('cart'), endpoints('cart', 0, endpoint('a'))));
  await settled(setup);
  await until('the peer must see it', () => setup.view()?.complete === true);
  t.deepEqual(names(setup.view()), ['shop/cart']);
  t.deepEqual(setup.view()?.meta, meta);
  t.deepEqual(setup.publisher.status(), { published: 3, pending: false });
});

test('writes nothing before the first wish', async (t) => {
  const bus = makeMemoryBus();
  await bus.put('west.svc.shop.old', signRecord(keys.privateKey, { cluster: 'west', key: 'svc.shop.old', epoch: 1, gen: 1, body: service('old') }), AbortSignal.timeout(60_000));
  await using setup = await setUp({ bus });
  await sleep(50);
  t.deepEqual(bus.keys(), ['members.west', 'west.svc.shop.old']);
  t.false(setup.publisher.status().pending);
});

test('writes only what changed, and takes back what is no longer wished', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(wish(service('cart'), service('pay')));
  await settled(setup);
  const pay = await setup.bus.get('west.svc.shop.pay', AbortSignal.timeout(60_000));
  setup.publisher.publish(wish(service('pay'), service('new')));
  await until('the peer must follow', () => names(setup.view()).join() === 'shop/new,shop/pay');
  await settled(setup);
  t.deepEqual(await setup.bus.get('west.svc.shop.pay', AbortSignal.timeout(60_000)), pay);
  const gone = await setup.record('svc.shop.cart');
  t.true(gone.ok && gone.value.body === null);
  t.true(setup.view()?.complete);
});

test('while records change all the time, few of them are closed by a sync, and the last one is', async (t) => {
  await using setup = await setUp();
  const syncs = new Set<number>();
  const stop = new AbortController();
  const counting = (async () => {
    for await (const event of setup.bus.watch('west.sync', stop.signal)) if (event.kind === 'entry') syncs.add(event.revision);
  })();
  for (let port = 1; port <= 40; port += 1) {
    setup.publisher.publish(wish(service('cart', port)));
    await until('it must be written', () => setup.view()?.services.get('shop/cart')?.ports[0]?.port === port);
  }
  await settled(setup);
  t.true(syncs.size <= 5, `${syncs.size} syncs`);
  t.true(setup.view()?.complete);
  stop.abort();
  await counting;
});

test('the latest wish wins', async (t) => {
  await using setup = await setUp();
  for (let port = 1; port <= 50; port += 1) {
    setup.publisher.publish(wish(service('cart', port)));
    if (port % 7 === 0) await sleep(1);
  }
  await settled(setup);
  const record = await setup.record('svc.shop.cart');
  t.deepEqual(record.ok && record.value.body, service('cart', 50) as RecordBody);
});

test('a new life goes past every own record it finds, also one from the future, and takes back stale ones', async (t) => {
  const bus = makeMemoryBus();
  const put = (key: string, epoch: number, body: RecordBody): Promise<void> =>
    bus.put(`west.${key}`, signRecord(keys.privateKey, { cluster: 'west', key, epoch, gen: 9, body }), AbortSignal.timeout(60_000));
  await put('svc.shop.old', 7_000_000, service('old'));
  await put('svc.shop.cart', 5_000_000, service('cart'));
  await using setup = await setUp({ bus, now: 6_000_000 });
  setup.publisher.publish(wish(service('cart')));
  await settled(setup);
  const old = await setup.record('svc.shop.old');
  const cart = await setup.record('svc.shop.cart');
  t.true(old.ok && old.value.body === null && old.value.epoch === 7_000_001);
  t.true(cart.ok && cart.value.epoch === 7_000_001);
  await until('the peer must see the new snapshot', () => setup.view()?.complete === true && names(setup.view()).join() === 'shop/cart');
});

test('a lost bucket is filled again with the same records, tombstones too', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(wish(service('cart'), service('old')));
  await settled(setup);
  setup.publisher.publish(wish(service('cart')));
  await until('the tombstone must be there', () => names(setup.view()).join() === 'shop/cart');
  await settled(setup);
  const before = await setup.bus.get('west.svc.shop.cart', AbortSignal.timeout(60_000));
  setup.bus.loseBucket();
  t.deepEqual(names(setup.view()), ['shop/cart']);
  await until('all must be there again', () => setup.bus.keys().join() === 'west.svc.shop.cart,west.svc.shop.old,west.sync');
  t.deepEqual(await setup.bus.get('west.svc.shop.cart', AbortSignal.timeout(60_000)), before);
  await settled(setup);
  t.deepEqual(names(setup.view()), ['shop/cart']);
});

test('what others wrote under our keys is put right', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(wish(service('cart', 1)));
  await settled(setup);
  const older = await setup.bus.get('west.svc.shop.cart', AbortSignal.timeout(60_000));
  setup.publisher.publish(wish(service('cart', 2)));
  await sleep(50);
  await settled(setup);
  const newest = await setup.bus.get('west.svc.shop.cart', AbortSignal.timeout(60_000));
  t.notDeepEqual(older, newest);
  for (const forged of [older ?? new Uint8Array(), new Uint8Array([1, 2, 3])]) {
    await setup.bus.put('west.svc.shop.cart', forged, AbortSignal.timeout(60_000));
    await until('the newest to be back', async () => Buffer.compare((await setup.bus.get('west.svc.shop.cart', AbortSignal.timeout(60_000))) ?? Buffer.alloc(0), newest ?? Buffer.alloc(0)) === 0);
  }
  t.is(setup.view()?.services.get('shop/cart')?.ports[0]?.port, 2);
});

test('tries again when the bus refuses, and tells why', async (t) => {
  await using setup = await setUp();
  setup.bus.failPuts(new Error('no room'));
  setup.publisher.publish(wish(service('cart')));
  await until('the reason must be told', () => setup.publisher.status().lastError === 'no room');
  t.true(setup.publisher.status().pending);
  setup.bus.failPuts(undefined);
  await settled(setup);
  t.is(setup.publisher.status().lastError, undefined);
});

test('a record that is too large is left out and told; the others are published', async (t) => {
  await using setup = await setUp();
  const many = Array.from({ length: 500 }, (_, index) => ({ ...endpoint(`w${index}`), node: 'n'.repeat(253), serviceAccount: 's'.repeat(253) }));
  setup.publisher.publish(wish(service('cart'), endpoints('cart', 0, ...many)));
  await settled(setup);
  t.regex(setup.publisher.status().lastError ?? '', /eps\.shop\.cart\.0/);
  await until('the peer must see the rest', () => setup.view()?.complete === true);
  t.is(setup.publisher.status().published, 1);
});

test('an empty wish is a snapshot too', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(new Map());
  await until('the peer must see it', () => setup.view()?.complete === true);
  t.deepEqual(setup.publisher.status(), { published: 0, pending: false });
});

test('refuses a wish under a wrong key', (t) => {
  const publisher = new Publisher(makeMemoryBus(), { cluster: 'west', privateKey: keys.privateKey, log, clock: Date.now });
  t.throws(() => publisher.publish(new Map([['svc.shop.other', service('cart')]])), { message: /is not the key/ });
});

test('many records are published and seen', async (t) => {
  await using setup = await setUp();
  setup.publisher.publish(wish(...Array.from({ length: 1500 }, (_, index) => service(`s${index}`))));
  await until('the peer must see all', () => setup.view()?.complete === true && setup.view()?.services.size === 1500);
  t.is(setup.publisher.status().published, 1500);
});

test('a replica that does not lead writes nothing; once it does, only what differs', async (t) => {
  const bus = makeMemoryBus();
  const leaderships = [new ExampleLeadership(true), new ExampleLeadership()] as const;
  await using first = await setUp({ bus, leadership: leaderships[0] });
  await using second = await setUp({ bus, leadership: leaderships[1] });
  const wished = wish(service('cart', 1), service('pay', 1), endpoints('cart', 0, endpoint('a')));
  for (const { publisher } of [first, second]) publisher.publish(wished);
  await settled(first);
  await settled(second);
  const bytes = async (key: string): Promise<Uint8Array | undefined> => await bus.get(`west.${key}`, AbortSignal.timeout(60_000));
  const before = await Promise.all(['svc.shop.cart', 'svc.shop.pay', 'eps.shop.cart.0', 'sync'].map(bytes));
  second.publisher.publish(wish(service('cart', 2), service('pay', 1), endpoints('cart', 0, endpoint('a'))));
  await sleep(50);
  t.deepEqual(await bytes('svc.shop.cart'), before[0]);

  leaderships[0].set(false);
  leaderships[1].seeOther();
  leaderships[1].set(true);
  await until('the peer must see the change', () => first.view()?.services.get('shop/cart')?.ports[0]?.port === 2);
  await settled(second);
  const after = await Promise.all(['svc.shop.cart', 'svc.shop.pay', 'eps.shop.cart.0', 'sync'].map(bytes));
  t.deepEqual(after.map((each, i) => Buffer.compare(each ?? Buffer.alloc(0), before[i] ?? Buffer.alloc(0)) === 0), [false, true, true, false]);
  t.true(second.view()?.complete);
});

test('a replica that leads without having seen another one lead begins a new epoch: the bus may be older than what peers know', async (t) => {
  const bus = makeMemoryBus();
  const leadership = new ExampleLeadership();
  await using earlier = await setUp({ bus });
  earlier.publisher.publish(wish(service('cart')));
  await settled(earlier);
  const before = await earlier.record('svc.shop.cart');
  await earlier[Symbol.asyncDispose]();
  await using later = await setUp({ bus, leadership, now: 2_000_000 });
  later.publisher.publish(wish(service('cart')));
  await sleep(50);
  leadership.set(true);
  await settled(later);
  const after = await later.record('svc.shop.cart');
  t.true(before.ok && after.ok && after.value.epoch > before.value.epoch);
});

test('whoever is asked writes what the bus lost, and all of it once where nothing was missing, however often it is asked', async (t) => {
  const bus = makeMemoryBus();
  const { privateKey } = exampleKeys();
  const stop = new AbortController();
  let writes = 0;
  const counting = { ...bus, put: async (key: string, value: Uint8Array, signal: AbortSignal) => {
    writes += 1;
    await bus.put(key, value, signal);
  } };
  const publisher = new Publisher(counting, { cluster: 'west', privateKey, clock: Date.now, log: pino({ level: 'silent' }), minAuditMs: 20 });
  publisher.publish(wish(meta, service('cart')));
  const running = publisher.run(stop.signal);
  await until('all to be written', () => bus.keys().length === 3 && !publisher.status().pending);
  t.is(writes, 3);
  bus.lose('west.svc.shop.cart');
  publisher.ask();
  await until('it to be written again', () => bus.keys().includes('west.svc.shop.cart'));
  t.is(writes, 4);
  for (let asked = 0; asked < 30; asked += 1) {
    publisher.ask();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await until('the publisher to settle', () => !publisher.status().pending);
  t.is(writes, 7, 'all of them, once');
  stop.abort();
  await running;
});

/** Answers to writes under these keys come when the test says so. */
function slowBus(isHeld: (key: string) => boolean) {
  const bus = makeMemoryBus();
  const written: string[] = [];
  const held: (() => void)[] = [];
  const put = async (key: string, value: Uint8Array, signal: AbortSignal): Promise<void> => {
    written.push(key);
    if (isHeld(key)) await new Promise<void>((resolve, reject) => {
      held.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    await bus.put(key, value, signal);
  };
  const answer = (): void => {
    for (const each of held.splice(0)) each();
  };
  return { ...bus, put, written, answer };
}

test('a later wish does not wait for answers that are due, but those of its own key', async (t) => {
  const bus = slowBus((key) => key === 'west.svc.shop.slow');
  await using setup = await setUp({ bus });
  const { publisher } = setup;
  const writesOf = (name: string): number => bus.written.filter((key) => key === `west.svc.shop.${name}`).length;
  publisher.publish(wish(meta, service('slow', 1)));
  await until('the first one is under way', () => writesOf('slow') === 1);
  publisher.publish(wish(meta, service('slow', 2), service('fast')));
  await until('the record behind it is written', () => writesOf('fast') === 1);
  t.is(writesOf('slow'), 1, 'which an older one must not follow');
  t.false(bus.written.includes('west.sync'));
  bus.answer();
  await until('the newer one is under way', () => writesOf('slow') === 2);
  bus.answer();
  await until('all is there', () => !publisher.status().pending);
  t.is(bus.written.at(-1), 'west.sync');
});

test('of writes without an answer no more are under way than may be', async (t) => {
  const bus = slowBus((key) => key.startsWith('west.svc.'));
  await using setup = await setUp({ bus });
  const { publisher } = setup;
  for (let count = 1; count <= 40; count++) {
    publisher.publish(wish(meta, ...Array.from({ length: count }, (_, i) => service(`s${i}`))));
    await sleep(1);
  }
  await until('as many as may be are under way', () => bus.written.filter((key) => key.startsWith('west.svc.')).length >= 16);
  await sleep(20);
  t.is(bus.written.filter((key) => key.startsWith('west.svc.')).length, 16);
  const answering = setInterval(() => bus.answer(), 1);
  await until('all is there', () => !publisher.status().pending);
  clearInterval(answering);
});

test('wishes that follow each other faster than answers come are closed all the same', async (t) => {
  const bus = slowBus((key) => key.startsWith('west.'));
  await using setup = await setUp({ bus });
  const { publisher } = setup;
  const startMs = performance.now();
  for (let port = 1; !bus.written.includes('west.sync') && performance.now() - startMs < 20_000; port++) {
    publisher.publish(wish(meta, service('cart', port)));
    await sleep(20);
    bus.answer();
    publisher.publish(wish(meta, service('cart', port), service('more', port)));
    await sleep(20);
  }
  t.true(bus.written.includes('west.sync'));
});
