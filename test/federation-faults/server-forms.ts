/** Case F1: servers of a hub of three that are killed all the time, while exports change. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CLUSTERS, FaultClusterset } from './fault-clusterset.ts';
import { CONVERGED_MS, REAL_TIMES } from './fault-times.ts';
import { quantile } from '../quantile.ts';
import { type FormOptions, seconds } from './forms.ts';
import { HubCluster } from './hub-cluster.ts';

const KILL_EVERY_MS = 5000;
const CHANGE_EVERY_MS = 700;
const LOOK_EVERY_MS = 20;
const MINUTE_MS = 60_000;
/** An election, and then what a reader or writer may wait until it tries again. */
const WITHIN_MS = 60_000;

export async function killedServers({ minutes, print }: FormOptions): Promise<readonly string[]> {
  await using hub = await HubCluster.start();
  await using set = await FaultClusterset.start(CLUSTERS, { serversOf: () => hub.urls, replicas: 3, times: REAL_TIMES });
  const faults: string[] = [];
  const stop = new AbortController();
  let round = 0;
  const sentMs: number[] = [];
  const seenMs: number[] = [];
  /** The newest round that each reader has seen: none may go back. */
  const newest = new Map<string, number>();
  const look = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      for (const reader of ['east', 'north']) {
        // Rounds are added in their order, and none is taken back.
        const seen = set.member(reader).exportsOf('west').filter((name) => name.startsWith('round-')).length - 1;
        const before = newest.get(reader) ?? -1;
        if (seen < before) faults.push(`${reader} went back from round ${before} to ${seen}`);
        newest.set(reader, Math.max(seen, before));
      }
      const both = Math.min(...newest.values());
      while (seenMs.length <= both) seenMs.push(performance.now() - (sentMs[seenMs.length] ?? 0));
      await sleep(LOOK_EVERY_MS);
    }
  };
  const change = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      sentMs.push(performance.now());
      set.export('west', [...(set.wanted.get('west') ?? []), `round-${round}`]);
      round += 1;
      await sleep(CHANGE_EVERY_MS);
    }
  };
  const running = Promise.all([look(), change()]);
  const startMs = performance.now();
  let kills = 0;
  while (performance.now() - startMs < minutes * MINUTE_MS) {
    const server = hub.servers[Math.floor(Math.random() * hub.servers.length)];
    await server?.kill();
    await server?.boot();
    kills += 1;
    await sleep(KILL_EVERY_MS);
  }
  stop.abort();
  await running;
  const endMs = performance.now();
  const whole = hub.whole().then(() => performance.now() - endMs);
  const convergedMs = await set.converge('after the last server was back', WITHIN_MS);
  const wholeMs = await whole;
  print(`${kills} servers killed in ${seconds(endMs - startMs)}, ${round} changes: seen by all after ${seconds(quantile(seenMs, 0.5))} (p50), ${seconds(quantile(seenMs, 0.99))} (p99), ${seconds(Math.max(...seenMs))} at most; in the end all agree after ${seconds(convergedMs)}, of which the hub had no leaders for ${seconds(wholeMs)}`);
  if (convergedMs - wholeMs > CONVERGED_MS / 2) faults.push(`converged ${seconds(convergedMs - wholeMs)} after the hub had its leaders`);
  return [...faults, ...set.lost.map((each) => `lost: ${each}`)];
}
