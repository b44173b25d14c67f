import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { deaf, dial, echo, fountain, startApplication } from '../agents/applications.ts';
import { eventually } from '../agents/eventually.ts';
import { connectTo, data, FLAG, frame, TYPE } from './frames.ts';
import type { RawPeer } from './raw-peer.ts';
import { Victim } from './victim.ts';

const MIB = 2 ** 20;
/** A peer is asked every ten seconds and has as long to answer. */
const SILENT_MS = 20_000;
const LATE_MS = 3000;
/** Of one data thread, in all its connections (docs/limits.md). */
const HELD_BY_THREAD = 320 * MIB;

/** Waits until all are closed; tells the times from the shortest to the longest. */
async function closedTimes(peers: readonly RawPeer[], sinceMs: number): Promise<readonly [shortest: number, longest: number]> {
  const times = await Promise.all(peers.map(async (peer) => {
    await peer.closed;
    return performance.now() - sinceMs;
  }));
  return [Math.min(...times), Math.max(...times)];
}

test.serial('applications that read nothing hold their windows and no more', async (t) => {
  await using app = await startApplication(deaf);
  const victim = await Victim.start(t);
  const count = 300;
  const bytes = Buffer.alloc(MIB, 0x62);
  const sockets = await victim.under(t, `${count} connections to applications that read nothing`, async () => {
    const port = await victim.client(t, app.port);
    const dialed = await Promise.all(Array.from({ length: count }, async () => await dial(port)));
    // More than all buffers on the way have room for.
    for (const socket of dialed) for (let i = 0; i < 16; i++) socket.write(bytes);
    await delay(8000);
    return dialed;
  }, { growthBytes: HELD_BY_THREAD });
  t.deepEqual(await victim.failures(), {});
  t.true(sockets.every(({ destroyed }) => !destroyed));
  for (const socket of sockets) socket.resetAndDestroy();
  await eventually(async () => (await victim.agent.call('totals')).gauges.openConnections, (open) => open === 1, 10_000);
});

interface Deaf {
  readonly count: number;
  readonly everyMs: number;
  /** All are to be closed by then. */
  readonly withinMs: number;
  /** Until when it is waited. */
  readonly patienceMs: number;
  /** What each does again and again. */
  readonly poke: (peer: RawPeer) => void;
}

/** Peers that ask for more than they take: the server lets none of them hold what waits for it. */
async function closesDeaf(t: ExecutionContext, title: string, { count, everyMs, withinMs, patienceMs, poke }: Deaf): Promise<void> {
  await using app = await startApplication(fountain);
  const victim = await Victim.start(t);
  await victim.under(t, `${count} peers that ${title}`, async () => {
    const peers = await Promise.all(Array.from({ length: count }, async () => await victim.connect({ reads: false, settings: [[4, 2 ** 30]] })));
    const sinceMs = performance.now();
    for (const peer of peers) peer.write(connectTo(1, `127.0.0.1:${app.port}`), frame(TYPE.windowUpdate, 0, 0, Buffer.from([0x3f, 0, 0, 0])));
    // They see nothing of it: the agent is asked.
    for (;;) {
      await delay(everyMs);
      for (const peer of peers) poke(peer);
      if ((await victim.agent.call('totals')).gauges.serverSessions <= 1 || performance.now() - sinceMs > patienceMs) break;
    }
    t.true(performance.now() - sinceMs < withinMs, `${performance.now() - sinceMs} ms`);
    for (const peer of peers) peer.destroy();
  });
  t.deepEqual(await victim.failures(), { 'peer-silent': count });
}

test.serial('peers that read nothing are closed in time', async (t) => {
  await closesDeaf(t, 'read nothing', { count: 200, everyMs: 200, withinMs: SILENT_MS + LATE_MS, patienceMs: SILENT_MS + 2 * LATE_MS, poke: () => {} });
});

test.serial('peers that read nothing and send all the while are closed in time', async (t) => {
  await closesDeaf(t, 'read nothing and send', { count: 50, everyMs: 500, withinMs: 2 * SILENT_MS + LATE_MS, patienceMs: 4 * SILENT_MS, poke: (peer) => peer.write(data(1, 'x')) });
});

test.serial('peers that read a byte a second are closed in time', async (t) => {
  await closesDeaf(t, 'read a byte a second', { count: 100, everyMs: 1000, withinMs: 2 * SILENT_MS + LATE_MS, patienceMs: 4 * SILENT_MS, poke: (peer) => void peer.socket.read(1) });
});

test.serial('peers that vanish are noticed, and those that only rest are not', async (t) => {
  await using app = await startApplication(echo);
  const victim = await Victim.start(t);
  const count = 100;
  await victim.under(t, `${count} peers that vanish`, async () => {
    const rests = await victim.connect();
    const answer = setInterval(() => {
      for (const ping of rests.frames.splice(0).filter(({ type, flags }) => type === TYPE.ping && flags === 0)) rests.write(frame(TYPE.ping, FLAG.ack, 0, ping.payload));
    }, 100);
    const gone = await Promise.all(Array.from({ length: count }, async () => await victim.connect()));
    const sinceMs = performance.now();
    for (const peer of gone) peer.write(connectTo(1, `127.0.0.1:${app.port}`));
    const [shortest, longest] = await closedTimes(gone, sinceMs);
    t.true(shortest > SILENT_MS / 2 && longest < SILENT_MS + LATE_MS, `${shortest} to ${longest} ms`);
    await delay(2000);
    t.false(rests.isClosed);
    clearInterval(answer);
    rests.destroy();
  }, { growthBytes: 32 * MIB });
  t.deepEqual(await victim.failures(), { 'peer-silent': count });
  t.is(app.sockets.size, 0);
});
