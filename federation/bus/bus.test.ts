import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@landbridge/lab/until.ts';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, headers } from '@nats-io/transport-node';
import { patient } from '@landbridge/lab/wait.ts';
import test from 'ava';
import pino from 'pino';
import { readUntil, busContract, type BusUnderTest } from './bus.contract.ts';
import { parseDeliveryInfo } from './bucket-delivery.ts';
import { keyMatches } from './key-filter.ts';
import { makeMemoryBus } from './memory-bus.ts';
import { type NatsBus, openNatsBusAt } from './nats-bus.ts';
import { TestNatsServer } from './test-nats-server.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

busContract(test, 'memory', async () => {
  const bus = makeMemoryBus();
  return { bus, other: bus, loseBucket: async () => bus.loseBucket(), [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() };
});
busContract(test.serial, 'nats', openPair);

function openBus(server: TestNatsServer, createBucket: boolean): Promise<NatsBus> {
  return openNatsBusAt({ access: { servers: [server.url] }, createBucket, clusterName: 'a', log, signal: new AbortController().signal, heartbeatMs: 500 });
}

async function openPair(): Promise<BusUnderTest & { readonly bus: NatsBus; readonly server: TestNatsServer }> {
  const server = await TestNatsServer.start();
  const bus = await openBus(server, true);
  const other = await openBus(server, false);
  // Makes the bucket.
  await bus.get('none', soon());
  return {
    server,
    bus,
    other,
    loseBucket: () => withManager(server, (manager) => manager.streams.delete('KV_fed')),
    async [Symbol.asyncDispose]() {
      await Promise.all([bus[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
      await server[Symbol.asyncDispose]();
    },
  };
}

async function withManager(server: TestNatsServer, use: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<unknown>): Promise<void> {
  const connection = await connect({ servers: server.url });
  try {
    await use(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

test.serial('nats: a killed hub that comes back with its store goes on where it was', async (t) => {
  await using setup = await openPair();
  await setup.bus.put('a.1', bytes('1'), soon());
  const events = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  t.deepEqual(await readUntil(events, 'current'), ['a.1=1', 'current']);
  await setup.server.kill();
  await until('the loss of the connection must be seen', () => setup.bus.state().kind === 'connecting');
  const put = setup.bus.put('a.2', bytes('2'), soon());
  await setup.server.boot();
  await put;
  t.deepEqual(await readUntil(events, 'a.2=2'), ['a.2=2']);
  t.is(setup.bus.state().kind, 'connected');
});

test.serial('nats: a killed hub that comes back with an empty store is told as a restart', async (t) => {
  await using setup = await openPair();
  await setup.bus.put('a.1', bytes('1'), soon());
  await setup.bus.put('a.2', bytes('2'), soon());
  const mine = setup.bus.watch('>', soon())[Symbol.asyncIterator]();
  const others = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  await readUntil(mine, 'current');
  await readUntil(others, 'current');
  await setup.server.kill();
  await setup.server.emptyStore();
  await setup.server.boot();
  t.deepEqual(await readUntil(mine, 'current'), ['restart', 'current']);
  await setup.bus.put('a.1', bytes('1'), soon());
  t.deepEqual(await readUntil(mine, 'a.1=1'), ['a.1=1']);
  t.is((await readUntil(others, 'a.1=1'))[0], 'restart');
});

test.serial('nats: a bucket that was removed and made again at once is noticed', async (t) => {
  await using setup = await openPair();
  await setup.bus.put('a.1', bytes('1'), soon());
  await setup.bus.put('a.2', bytes('2'), soon());
  const events = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  await readUntil(events, 'current');
  const connection = await connect({ servers: setup.server.url });
  const bucket = await new Kvm(connection).create('fed');
  await bucket.destroy();
  const again = await new Kvm(connection).create('fed');
  for (const value of ['x', 'y', 'z']) await again.put('a.1', value);
  await connection.close();
  t.deepEqual(await readUntil(events, 'current'), ['restart', 'a.1=z', 'current']);
});

test.serial('nats: opens before the hub is there, and tells why it waits', async (t) => {
  const server = await TestNatsServer.start();
  await server.kill();
  await using bus = await openBus(server, true);
  await until('the reason must be shown', () => {
    const state = bus.state();
    return state.kind === 'connecting' && state.lastError !== undefined;
  });
  await t.throwsAsync(bus.put('a.1', bytes('1'), AbortSignal.timeout(100)), { name: 'TimeoutError' });
  const put = bus.put('a.1', bytes('1'), soon());
  await server.boot();
  await put;
  t.is(bus.state().kind, 'connected');
  await bus[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test.serial('nats: deletions are not told, and a deleted key is not there', async (t) => {
  await using setup = await openPair();
  await setup.bus.put('a.1', bytes('1'), soon());
  await setup.bus.put('a.2', bytes('2'), soon());
  const early = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  await readUntil(early, 'current');
  const connection = await connect({ servers: setup.server.url });
  const bucket = await new Kvm(connection).open('fed');
  for (const key of ['a.1', 'a.2']) await bucket.delete(key);
  // A member could otherwise wipe the whole bucket with one put.
  const headersOfRollup = headers();
  headersOfRollup.set('Nats-Rollup', 'all');
  await t.throwsAsync(jetstream(connection).publish('$KV.fed.a.2', bytes('x'), { headers: headersOfRollup }), { message: /rollup/ });
  await connection.close();
  await setup.bus.put('a.3', bytes('3'), soon());
  t.deepEqual(await readUntil(early, 'a.3=3'), ['a.3=3']);
  t.is(await setup.bus.get('a.1', soon()), undefined);
  const late = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  t.deepEqual(await readUntil(late, 'current'), ['a.3=3', 'current']);
});

test.serial('nats: a watch that is not read ends its delivery at the limit and still gets everything', async (t) => {
  await using setup = await openPair();
  const events = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  await readUntil(events, 'current');
  for (let start = 0; start < 6000; start += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, index) => setup.bus.put(`a.k${start + index}`, bytes('1'), soon())));
  }
  await setup.bus.put('a.end', bytes('.'), soon());
  t.is(new Set(await readUntil(events, 'a.end=.')).size, 6001);
});

test.serial('nats: a write that nobody takes yet is tried again, and reported only when it stays so', async (t) => {
  await using server = await TestNatsServer.start();
  await using early = await openBus(server, false);
  const put = early.put('a.1', bytes('1'), soon());
  const first = await Promise.race([put.then(() => 'written', (thrown: unknown) => String(thrown)), sleep(1000)]);
  t.is(first, undefined, 'there is no bucket, as where a hub of several servers has no leader');
  await using founder = await openBus(server, true);
  await founder.get('none', soon());
  await put;
  t.is(Buffer.from((await early.get('a.1', soon())) ?? []).toString(), '1');
  await t.throwsAsync(early.put('a.2', new Uint8Array(512 * 1024), soon()), { code: 'bus-unavailable' }, 'what is refused for itself is not tried again');
});

test.serial('nats: a watch of everything is shown to be alive more often than one of a part', async (t) => {
  await using server = await TestNatsServer.start();
  await using bus = await openNatsBusAt({ access: { servers: [server.url] }, createBucket: true, clusterName: 'a', log, signal: new AbortController().signal });
  const stop = new AbortController();
  for (const filter of ['>', 'a.>']) await readUntil(bus.watch(filter, stop.signal)[Symbol.asyncIterator](), 'current');
  const beats = new Map<string, number>();
  await withManager(server, async (manager) => {
    for await (const { config } of manager.consumers.list('KV_fed')) beats.set(config.filter_subject ?? '', (config.idle_heartbeat ?? 0) / 1e6);
  });
  stop.abort();
  t.deepEqual(beats, new Map([['$KV.fed.>', 2000], ['$KV.fed.a.>', 5000]]));
});

test.serial('nats: a hub that stands still is noticed by who waits for it, and is there again as soon as it goes on', async (t) => {
  await using setup = await openPair();
  const events = setup.other.watch('>', soon())[Symbol.asyncIterator]();
  await readUntil(events, 'current');
  const next = readUntil(events, 'a.1=1');
  setup.server.pause();
  const startMs = performance.now();
  await until('the connection must be given up', () => setup.other.state().kind === 'connecting');
  const afterMs = performance.now() - startMs;
  t.log(`given up after ${Math.round(afterMs)} ms`);
  // The pings of the client would take twice as long at least.
  t.true(afterMs < patient(10_000), `${afterMs} ms`);
  setup.server.resume();
  await until('it must be connected again', () => setup.other.state().kind === 'connected');
  await setup.bus.put('a.1', bytes('1'), soon());
  t.deepEqual(await next, ['a.1=1']);
});

test.serial('nats: an aborted signal closes the bus', async (t) => {
  await using server = await TestNatsServer.start();
  const stop = new AbortController();
  const bus = await openNatsBusAt({ access: { servers: [server.url] }, createBucket: true, clusterName: 'a', log, signal: stop.signal });
  await bus.put('a.1', bytes('1'), soon());
  const connection = await bus.connection(soon());
  stop.abort();
  await until('the connection must be closed', () => connection.isClosed() && bus.state().kind === 'closed');
  t.pass();
});

test('delivery information is read in both forms', (t) => {
  t.deepEqual(parseDeliveryInfo('$JS.ACK.KV_fed.watch_x.1.7.3.1700000000000000000.2'), { revision: 7, sequence: 3, pending: 2 });
  t.deepEqual(parseDeliveryInfo('$JS.ACK._.hash.KV_fed.watch_x.1.7.3.1700000000000000000.2.abc'), { revision: 7, sequence: 3, pending: 2 });
  for (const wrong of ['', 'x', '$JS.ACK.KV_fed', '$JS.ACK.KV_fed.c.1.a.3.0.2', '$JS.ACK.a.b.c.d.e.f.g.h']) t.is(parseDeliveryInfo(wrong), undefined);
});

test('filters match as NATS subjects do', (t) => {
  t.true(keyMatches('>', 'a'));
  t.true(keyMatches('a.>', 'a.b.c'));
  t.false(keyMatches('a.>', 'a'));
  t.true(keyMatches('a.*', 'a.b'));
  t.false(keyMatches('a.*', 'a.b.c'));
  t.false(keyMatches('a.b', 'a.b.c'));
});
