import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import pino from 'pino';
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { socketName } from '@landbridge/native/stream-socket.ts';
import type { HeldPrecedence } from '@landbridge/native/thread-precedence.ts';
import { handOver } from './hand-over.ts';
import { distrust, enter, type HandoverDoor, openDoor } from './handover-door.ts';
import { MAX_HANDOVER_PACKET_BYTES } from './handover-packet.ts';
import { receiveHandovers } from './receive-handovers.ts';
import { CounterClient } from './test-counter-clients.ts';
import { Counters } from './test-counters.ts';

/* Both agents are this process. */

const CONNECTIONS = 40;
const log = pino({ level: 'silent' });
const comeFirst = (): HeldPrecedence => ({ isGranted: false, [Symbol.dispose]: () => {} });

function folder(t: ExecutionContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-door-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return path.join(directory, 'door');
}

/** Two services that can hand over to each other, the first with clients. */
async function scene(t: ExecutionContext) {
  const door: HandoverDoor = { directory: folder(t), isAgent: () => true };
  const [old, next, stop] = [new Counters(), new Counters(), new AbortController()];
  const [fd = -1] = listenHere('127.0.0.1', 0, 512, 1);
  old.listen(fd);
  const port = portOf(socketName(fd, 'local') as Buffer);
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, async () => await CounterClient.open(port)));
  t.teardown(() => {
    stop.abort();
    for (const client of clients) client.close();
    old[Symbol.dispose]();
    next[Symbol.dispose]();
  });
  for (const client of clients) await client.settled();
  const allGoOn = async (): Promise<void> => {
    for (const client of clients) t.is(await client.settled(), 'goes-on');
    t.deepEqual(clients.filter(({ fault }) => fault !== ''), []);
  };
  return { door, old, next, stop, allGoOn };
}

const soon = (): AbortSignal => AbortSignal.timeout(60_000);

test('an agent that leaves finds the one that takes over, though that comes later', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  let receiving: Promise<void> | undefined;
  const delayMs = (failures: number): number => {
    if (failures === 2) receiving = receiveHandovers({ sink: next, door, isFollowing: () => true, log, comeFirst }, stop.signal);
    return 20;
  };
  await handOver({ source: old, door, log, comeFirst, signal: soon(), delayMs });
  t.deepEqual([old.size, next.size], [0, CONNECTIONS]);
  await allGoOn();
  stop.abort();
  await receiving;
});

test('nobody may come to an agent that follows none, and who finds nobody gives up', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  const receiving = receiveHandovers({ sink: next, door, isFollowing: () => false, log, comeFirst }, stop.signal);
  await handOver({ source: old, door, log, comeFirst, signal: soon(), delayMs: () => 1 });
  t.deepEqual([old.size, next.size], [CONNECTIONS, 0]);
  await allGoOn();
  stop.abort();
  await receiving;
});

test('a process that is no agent is given nothing, and nothing is taken of it', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  const stranger = { ...door, isAgent: () => false };
  const receiving = receiveHandovers({ sink: next, door, isFollowing: () => true, log, comeFirst }, stop.signal);
  await handOver({ source: old, door: stranger, log, comeFirst, signal: soon(), delayMs: () => 20 });
  t.deepEqual([old.size, next.size], [CONNECTIONS, 0]);
  stop.abort();
  await receiving;
  const other = new AbortController();
  const wary = receiveHandovers({ sink: next, door: stranger, isFollowing: () => true, log, comeFirst }, other.signal);
  await handOver({ source: old, door, log, comeFirst, signal: soon(), delayMs: () => 20 });
  t.deepEqual([old.size, next.size], [CONNECTIONS, 0]);
  await allGoOn();
  other.abort();
  await wary;
});

test('only a process of the same user is trusted, and where it can be seen only an agent', (t) => {
  const [agents, nobody] = [{ isAgent: (pid: number) => pid === 7 }, { isAgent: () => false }];
  t.is(distrust(agents, { uid: 0, gid: 0, pid: 7 }, 0), undefined);
  t.is(distrust(nobody, { uid: 0, gid: 0, pid: undefined }, 0), undefined);
  t.regex(distrust(agents, { uid: 0, gid: 0, pid: 8 }, 0) ?? '', /process 8/);
  t.regex(distrust(agents, { uid: 1000, gid: 0, pid: 7 }, 0) ?? '', /user 1000/);
});

test('the folder is closed to others before anything is in it, and one that is not the agent\u2019s own is not used', (t) => {
  const directory = folder(t);
  mkdirSync(directory, { mode: 0o755 });
  chmodSync(directory, 0o777);
  openDoor({ directory });
  t.is(lstatSync(directory).mode & 0o777, 0o700);
  const elsewhere = `${directory}-link`;
  symlinkSync(directory, elsewhere);
  t.throws(() => openDoor({ directory: elsewhere }), { message: /is not a folder of the agent's own/ });
  t.deepEqual(enter({ directory: elsewhere, isAgent: () => true }).kind, 'closed');
});

test('a socket that nobody listens at any more is no way in', (t) => {
  const directory = folder(t);
  new SeqpacketListener(openDoor({ directory }))[Symbol.dispose]();
  const entrance = enter({ directory, isAgent: () => true });
  t.like(entrance, { kind: 'closed' });
  t.regex((entrance as { readonly reason: string }).reason, /ECONNREFUSED/);
});

test('where a successor has died, the agent waits for the next one longer than where there was none', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  const listener = new SeqpacketListener(openDoor(door));
  let receiving: Promise<void> | undefined;
  let tries = 0;
  const delayMs = (): number => {
    // More of them than one that finds nobody makes.
    if (++tries === 30) receiving = receiveHandovers({ sink: next, door, isFollowing: () => true, log, comeFirst }, stop.signal);
    return 5;
  };
  const given = handOver({ source: old, door, log, comeFirst, signal: soon(), delayMs });
  await listener.readable(soon());
  listener.accept(MAX_HANDOVER_PACKET_BYTES)?.[Symbol.dispose]();
  listener[Symbol.dispose]();
  await given;
  t.deepEqual([old.size, next.size], [0, CONNECTIONS]);
  await allGoOn();
  stop.abort();
  await receiving;
});

test('what can move does, however long the successor takes', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  next.prepareMs = 50;
  const receiving = receiveHandovers({ sink: next, door, isFollowing: () => true, log, comeFirst }, stop.signal);
  await handOver({ source: old, door, log, comeFirst, signal: soon(), settleMs: 1 });
  t.deepEqual([old.size, next.size], [0, CONNECTIONS]);
  await allGoOn();
  stop.abort();
  await receiving;
});

test('a successor that is too slow for a batch is given more time for the next try', async (t) => {
  const { door, old, next, stop, allGoOn } = await scene(t);
  next.prepareMs = 500;
  const receiving = receiveHandovers({ sink: next, door, isFollowing: () => true, log, comeFirst }, stop.signal);
  await handOver({ source: old, door, log, comeFirst, signal: soon(), delayMs: () => 20 });
  t.deepEqual([old.size, next.size], [0, CONNECTIONS]);
  await allGoOn();
  stop.abort();
  await receiving;
});
