import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordBody } from '@landbridge/core/records.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { busKey, MEMBERS, splitBusKey } from '../bus/bus.ts';
import { makeMemoryBus, type MemoryBus } from '../bus/memory-bus.ts';
import { MemoryBeats } from '../bus/memory-beats.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import { exampleAuthority, exampleKeys, exampleMemberBytes, meta, service, wish } from '../records/example-records.ts';
import { emptyPeers, type PeerState, reducePeers, views } from '../records/peer-table.ts';
import { Publisher } from '../records/publisher.ts';
import { signBeat } from './beat-signature.ts';
import { PeerWatch } from './peer-watch.ts';

const TIMES = { beatMs: 250, suspectMs: 1000, staleMs: 2500, dropMs: 0, holdMs: 500, isolatedMs: 1000, echoMs: 300 };
const log = pino({ level: 'silent' });
const keys = new Map(['east', 'west'].map((cluster) => [cluster, exampleKeys()]));
const beating = { ...meta, beats: true } as RecordBody;

interface Running extends AsyncDisposable {
  readonly watch: PeerWatch;
  readonly publisher: Publisher;
  readonly services: () => string[];
  /** As with a queue in which records of west wait. */
  isBehind: boolean;
  /** What it was warned of. */
  readonly warnings: readonly string[];
}

interface StartOptions {
  readonly leadership?: Leadership;
  /** Misses a record of west. */
  readonly deaf?: boolean;
  readonly syncMs?: number;
  /** Whether each `sync` comes late, after records of a later time. */
  readonly overtaken?: boolean;
}

/** Longer than a record takes that is written meanwhile. */
const LATE_MS = 50;

function start(cluster: string, bus: MemoryBus, beats: MemoryBeats, { leadership = ALONE, deaf = false, syncMs = 1000, overtaken = false }: StartOptions = {}): Running {
  const { privateKey } = keys.get(cluster) ?? exampleKeys();
  const stop = new AbortController();
  let state: PeerState = emptyPeers(exampleAuthority.publicKey);
  const publisher = new Publisher(bus, { cluster, privateKey, clock: Date.now, log, leadership, minAuditMs: 200, syncMs });
  const warnings: string[] = [];
  const take = (key: string, value: Uint8Array): void => void (state = reducePeers(state, { kind: 'entry', key, value, revision: 0 }, Date.now()));
  const watch = new PeerWatch({ cluster, privateKey, channel: beats.channel(cluster), bus, publisher, peers: () => state, isBehind: () => running.isBehind, take, leadership, times: TIMES, stalePolicy: 'deprioritize', digestTimes: { graceMs: 600, rereadMs: 600, againMs: 5000 }, clock: Date.now, onChange: () => {}, log: { info: () => {}, warn: (what: object) => void warnings.push(JSON.stringify(what)) } as never });
  const read = async (): Promise<void> => {
    for await (const event of bus.watch('>', stop.signal)) {
      if (event.kind !== 'entry' || (deaf && event.key.endsWith('.lost'))) continue;
      const place = splitBusKey(event.key);
      const see = (): void => {
        take(event.key, event.value);
        if (place?.recordKey === 'sync') watch.sawSync(place.cluster);
      };
      if (overtaken && place?.recordKey === 'sync') setTimeout(see, LATE_MS);
      else see();
    }
  };
  const ended = Promise.all([read(), publisher.run(stop.signal), watch.run(stop.signal)]);
  const running: Running = {
    isBehind: false,
    watch,
    publisher,
    warnings,
    services: () => [...(views(state).get('west')?.services.keys() ?? [])].sort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
  return running;
}

async function clusterset(): Promise<{ readonly bus: MemoryBus; readonly beats: MemoryBeats }> {
  const bus = makeMemoryBus();
  for (const [cluster, of] of keys) await bus.put(busKey(MEMBERS, cluster), exampleMemberBytes(cluster, of), new AbortController().signal);
  return { bus, beats: new MemoryBeats() };
}

interface Pair extends AsyncDisposable {
  readonly west: Running;
  readonly east: Running;
}

/** East has all that west exports. */
async function whole(ofWest: StartOptions, ofEast: StartOptions): Promise<Pair> {
  const { bus, beats } = await clusterset();
  const west = start('west', bus, beats, ofWest);
  west.publisher.publish(wish(beating, service('cart')));
  const east = start('east', bus, beats, ofEast);
  east.publisher.publish(wish(beating));
  await until('the snapshot is whole', () => east.services().length === 1);
  return {
    west,
    east,
    async [Symbol.asyncDispose]() {
      await east[Symbol.asyncDispose]();
      await west[Symbol.asyncDispose]();
    },
  };
}

test('clusters hear each other, and one that ends is Stale to the other, which goes on hearing itself', async (t) => {
  const { bus, beats } = await clusterset();
  await using east = start('east', bus, beats);
  east.publisher.publish(wish(beating));
  const west = start('west', bus, beats);
  west.publisher.publish(wish(beating, service('cart')));
  await until('both are heard', () => east.watch.statusOf('west')?.heardMs !== undefined && west.watch.statusOf('east')?.heardMs !== undefined);
  t.deepEqual([east.watch.ownState, east.watch.phaseOf('west'), east.watch.phaseOf('east')], ['connected', 'ready', undefined]);
  await west[Symbol.asyncDispose]();
  await until('it is Stale', () => east.watch.phaseOf('west') === 'stale');
  t.deepEqual([east.watch.ownState, east.watch.standingOf('west'), east.services()], ['connected', 'last', ['shop/cart']]);
});

test('one that is cut off knows it, and judges nobody', async (t) => {
  const { bus, beats } = await clusterset();
  await using east = start('east', bus, beats);
  await using west = start('west', bus, beats);
  for (const { publisher } of [east, west]) publisher.publish(wish(beating));
  await until('both are heard', () => east.watch.phaseOf('west') === 'ready' && west.watch.phaseOf('east') === 'ready' && west.watch.hasHeardItself);
  beats.cut('west', true);
  await until('it knows', () => west.watch.ownState === 'isolated');
  await until('the other one judges it', () => east.watch.phaseOf('west') === 'stale');
  t.is(west.watch.phaseOf('east'), 'ready');
  beats.cut('west', false);
  await until('all is well', () => west.watch.ownState === 'connected' && east.watch.phaseOf('west') === 'ready');
});

test('a record that did not arrive is found by the digest, and read again', async (t) => {
  await using pair = await whole({}, { deaf: true });
  const { west, east } = pair;
  west.publisher.publish(wish(beating, service('cart'), service('lost')));
  await until('it is there', () => east.services().includes('shop/lost'));
  t.pass();
});

test('while records of it are about to be looked at, nobody takes them for lost', async (t) => {
  await using pair = await whole({}, { deaf: true });
  const { west, east } = pair;
  east.isBehind = true;
  west.publisher.publish(wish(beating, service('cart'), service('lost')));
  await sleep(2000);
  t.deepEqual([east.warnings, east.services()], [[], ['shop/cart']]);
  east.isBehind = false;
  await until('it is there', () => east.services().includes('shop/lost'));
});

/** Changes a record of it all the time, for so long. */
async function busy(publisher: Publisher, records: readonly RecordBody[], ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  for (let port = 1; performance.now() < untilMs; port = (port % 60_000) + 1) {
    publisher.publish(wish(beating, service('busy', port), ...records));
    await sleep(5);
  }
}

test('a peer that changes all the time is not taken for one whose records were lost', async (t) => {
  const { bus, beats } = await clusterset();
  await using west = start('west', bus, beats, { syncMs: 100 });
  west.publisher.publish(wish(beating));
  await using east = start('east', bus, beats);
  east.publisher.publish(wish(beating));
  await until('it is heard', () => east.watch.statusOf('west')?.heardMs !== undefined);
  await busy(west.publisher, [], 3000);
  t.deepEqual(east.warnings, []);
});

test('nor is one whose digests always come after records of a later time; when it rests what is lost is found', async (t) => {
  await using pair = await whole({ syncMs: 100 }, { deaf: true, overtaken: true });
  const { west, east } = pair;
  await busy(west.publisher, [service('cart')], 3000);
  t.deepEqual(east.warnings, []);
  west.publisher.publish(wish(beating, service('cart'), service('lost')));
  await until('it is there', () => east.services().includes('shop/lost'));
});

test('a record that did not arrive is found while others change all the time', async (t) => {
  await using pair = await whole({ syncMs: 100 }, { deaf: true });
  const { west, east } = pair;
  const changing = busy(west.publisher, [service('cart'), service('lost')], 4000);
  await until('it is there', () => east.services().includes('shop/lost'));
  await changing;
  t.pass();
});

test('a record that the bus lost without a word is asked for, and written again by its owner', async (t) => {
  const { bus, beats } = await clusterset();
  await using west = start('west', bus, beats);
  west.publisher.publish(wish(beating, service('cart'), service('pay')));
  await until('it is written', () => bus.keys().includes('west.sync'));
  bus.lose('west.svc.shop.pay');
  await using east = start('east', bus, beats);
  east.publisher.publish(wish(beating));
  await until('it is there again', () => bus.keys().includes('west.svc.shop.pay'));
  await until('and is read', () => east.services().length === 2);
  t.pass();
});

test('of replicas that do not lead the first one that misses the beats sends them; one that leads always does', async (t) => {
  const { bus, beats } = await clusterset();
  await using east = start('east', bus, beats);
  east.publisher.publish(wish(beating));
  const leadership = new ExampleLeadership(true);
  await using west = start('west', bus, beats, { leadership });
  west.publisher.publish(wish(beating));
  await until('it is heard', () => east.watch.statusOf('west')?.heardMs !== undefined);
  leadership.set(false);
  const atMs = Date.now();
  await until('it is heard again', () => (east.watch.statusOf('west')?.heardMs ?? 0) > atMs + 1000);
  t.not(east.watch.phaseOf('west'), 'stale');
});

test('beats of others, of another key, and of an epoch that ended are not believed', async (t) => {
  const { bus, beats } = await clusterset();
  await using east = start('east', bus, beats);
  east.publisher.publish(wish(beating));
  const west = start('west', bus, beats);
  west.publisher.publish(wish(beating));
  await until('it is heard', () => east.watch.statusOf('west')?.heardMs !== undefined);
  await west[Symbol.asyncDispose]();
  const heardMs = east.watch.statusOf('west')?.heardMs;
  const beat = { epoch: west.publisher.summary.epoch, sequence: 2 ** 47, intervalMs: 250, digest: '0'.repeat(16), asks: [] };
  const [own, other] = [keys.get('west') ?? exampleKeys(), exampleKeys()];
  const channel = beats.channel('west');
  channel.send(signBeat(other.privateKey, 'west', beat));
  channel.send(signBeat(own.privateKey, 'north', beat));
  channel.send(signBeat(own.privateKey, 'west', { ...beat, epoch: 1 }));
  channel.send(Uint8Array.of(1, 2, 3));
  t.is(east.watch.statusOf('west')?.heardMs, heardMs);
  await sleep(1100);
  channel.send(signBeat(own.privateKey, 'west', beat));
  t.not(east.watch.statusOf('west')?.heardMs, heardMs);
});
