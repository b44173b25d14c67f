import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { fountain, startApplication } from '../agents/applications.ts';
import { connectTo, frame, TYPE } from './frames.ts';
import type { RawPeer } from './raw-peer.ts';
import { Victim } from './victim.ts';

/** A peer is asked every ten seconds and has as long to answer. */
export const SILENT_MS = 20_000;
export const LATE_MS = 3000;

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
export async function closesDeaf(t: ExecutionContext, title: string, { count, everyMs, withinMs, patienceMs, poke }: Deaf): Promise<void> {
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
