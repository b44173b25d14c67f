/** Case M7: a member that writes faster than it may, beside two honest clusters. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { THROTTLE_LIMITS } from '@landbridge/federation/consent/origin-throttle.ts';
import { exampleEndpoint, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { until } from '@landbridge/lab/until.ts';
import { HostileClusterset } from './clusterset.ts';
import { exportService } from './exports.ts';

const SAMPLES = 20;

export interface FloodResult {
  readonly written: number;
  readonly elapsedMs: number;
  /** From the moment at which it had written more than it may until that is said of it. */
  readonly namedMs: number;
  /** Of whom it is said that they write too much. */
  readonly throttled: readonly string[];
  /** From a change in west to its slice in east: medians. */
  readonly quietMs: number;
  readonly floodedMs: number;
  /** Of a processor, by two importers in one process. */
  readonly busyShare: number;
  readonly grownMib: number;
  /** In the end. */
  readonly imports: readonly string[];
}

export async function runFlood({ perSecond, durationMs }: { readonly perSecond: number; readonly durationMs: number }): Promise<FloodResult> {
  await using set = await HostileClusterset.start();
  const { east, west, mallory } = set;
  exportService(west, 'cart', '10.2.0.1');
  await until('east imports of west', () => east.addresses('west').includes('10.2.0.1'));
  let address = 1;
  const latency = async (): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      address += 1;
      const next = `10.2.${address >> 8}.${address & 255}`;
      const startMs = performance.now();
      west.objects.put(exampleSlice('cart', [exampleEndpoint('cart-1', next)], { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] }));
      await until('east has it', () => east.addresses('west').includes(next));
      times.push(performance.now() - startMs);
      await sleep(50);
    }
    return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
  };
  const quietMs = await latency();
  const usage = process.cpuUsage();
  const program = fork(path.join(import.meta.dirname, 'flood-program.ts'), [String(perSecond)], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    let written = 0;
    program.on('message', (count: number) => (written = count));
    const startMs = performance.now();
    program.send(JSON.stringify(mallory.credentials));
    // Half of the records count as one unit, half as two.
    await until('it has written more than it may', () => written * 1.5 > THROTTLE_LIMITS.burst + (THROTTLE_LIMITS.perSecond * (performance.now() - startMs)) / 1000);
    const overMs = performance.now();
    await until('east knows who it is', () => east.membership.throttled().has('mallory'));
    const namedMs = performance.now() - overMs;
    const rss = process.memoryUsage.rss();
    const floodedMs = await latency();
    await sleep(Math.max(0, durationMs - (performance.now() - startMs)));
    const busy = process.cpuUsage(usage);
    const elapsedMs = performance.now() - startMs;
    const throttled = [...east.membership.throttled().keys()];
    const grownMib = (process.memoryUsage.rss() - rss) / 2 ** 20;
    const before = written;
    program.send('end');
    await once(program, 'exit');
    await until('its last word counts in the end', () => east.imports.has('shop/last-word'), 120_000);
    await until('nothing waits any more', () => east.membership.throttled().size === 0);
    return { written: before, elapsedMs, namedMs, throttled, quietMs, floodedMs, busyShare: (busy.user + busy.system) / 1000 / elapsedMs, grownMib, imports: [...east.imports].sort() };
  } finally {
    program.kill();
  }
}

export function floodText({ written, elapsedMs, namedMs, quietMs, floodedMs, busyShare, grownMib }: FloodResult): string {
  return `${written} records in ${Math.round(elapsedMs)} ms; named ${Math.round(namedMs)} ms after it had written more than it may; median of a change ${Math.round(quietMs)} ms at rest, ${Math.round(floodedMs)} ms in the flood (× ${(floodedMs / quietMs).toFixed(1)}); two importers in one process used ${Math.round(busyShare * 100)} % of a processor; + ${Math.round(grownMib)} MiB`;
}
