/** Case M7, invariants 7 and 10: what one member writes too fast costs the others little, and only that member waits. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { THROTTLE_LIMITS } from '@landbridge/federation/consent/origin-throttle.ts';
import { exampleEndpoint, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import test from 'ava';
import { HostileClusterset } from './clusterset.ts';
import { until } from '@landbridge/lab/until.ts';
import { exportService } from './exports.ts';

const SAMPLES = 20;
const FLOOD_MS = 8000;

test('M7, invariants 7 and 10: a member that floods is named and waits; the others’ changes go on', async (t) => {
  t.timeout(300_000);
  await using set = await HostileClusterset.start();
  const { east, west, mallory } = set;
  exportService(west, 'cart', '10.2.0.1');
  await until('east imports of west', () => east.addresses('west').includes('10.2.0.1'));
  let address = 1;
  /** From a change in west to its slice in east, in milliseconds, the median. */
  const latency = async (samples: number): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < samples; i++) {
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
  const quietMs = await latency(SAMPLES);
  const usage = process.cpuUsage();
  const program = fork(path.join(import.meta.dirname, 'flood-program.ts'), { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.teardown(() => program.kill());
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
  const floodedMs = await latency(SAMPLES);
  await sleep(Math.max(0, FLOOD_MS - (performance.now() - startMs)));
  const busy = process.cpuUsage(usage);
  const [elapsedMs, grownMib] = [performance.now() - startMs, (process.memoryUsage.rss() - rss) / 2 ** 20];
  t.deepEqual([...east.membership.throttled().keys()], ['mallory'], 'nobody else waits');
  program.send('end');
  await once(program, 'exit');
  await until('its last word counts in the end', () => east.imports.has('shop/last-word'), 60_000);
  await until('nothing waits any more', () => east.membership.throttled().size === 0);
  t.deepEqual([...east.imports].sort(), ['shop/cart', 'shop/last-word'].sort());
  t.log(`${written} records in ${Math.round(elapsedMs)} ms; named ${Math.round(namedMs)} ms after it had written more than it may; median of a change ${Math.round(quietMs)} ms at rest, ${Math.round(floodedMs)} ms in the flood (× ${(floodedMs / quietMs).toFixed(1)}); two importers in one process used ${Math.round(((busy.user + busy.system) / 1000 / elapsedMs) * 100)} % of a processor; + ${Math.round(grownMib)} MiB`);
  // In a process that holds two importers, beside a hub and a flood, on as few as two processors: a bound that only a queue would break. How soon it is named depends on how soon its records are read.
  t.true(floodedMs < Math.max(2000, 20 * quietMs), `${floodedMs} ms`);
});
