import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { deaf, dial, echo, startApplication } from '../agents/applications.ts';
import { eventually } from '../agents/eventually.ts';
import { closesDeaf, LATE_MS, SILENT_MS } from './deaf-peers.ts';
import { connectTo, FLAG, frame, TYPE } from './frames.ts';
import type { RawPeer } from './raw-peer.ts';
import { Victim } from './victim.ts';

const MIB = 2 ** 20;
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

test.serial('peers that read nothing are closed in time', async (t) => {
  await closesDeaf(t, 'read nothing', { count: 200, everyMs: 200, withinMs: SILENT_MS + LATE_MS, patienceMs: SILENT_MS + 2 * LATE_MS, poke: () => {} });
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
