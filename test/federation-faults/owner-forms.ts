/** Everything is started again in every order, by a hub with its store, without any, and with that of yesterday. */
import { CLUSTERS, FaultClusterset } from './fault-clusterset.ts';
import { quantile } from '../quantile.ts';
import { type FormOptions, seconds } from './forms.ts';

export const STORES = ['kept', 'wiped', 'of yesterday'] as const;
export type Store = (typeof STORES)[number];
const HUB = 'hub';

/** What vanished although nobody took it back, and how long it took until all agreed, in milliseconds. */
export async function restartAll(order: readonly string[], store: Store): Promise<{ readonly lost: readonly string[]; readonly convergedMs: number }> {
  await using all = await FaultClusterset.start();
  let yesterday: Awaited<ReturnType<typeof all.server.copyStore>> | undefined;
  if (store === 'of yesterday') {
    await all.server.kill();
    yesterday = await all.server.copyStore();
    await all.server.boot();
    for (const cluster of CLUSTERS) all.export(cluster, [...(all.wanted.get(cluster) ?? []), `${cluster}-today`]);
    await all.converge('before the restart', 20_000);
  }
  const lost: string[] = [];
  for (const cluster of CLUSTERS) {
    lost.push(...all.lost);
    await all.leave(cluster);
  }
  await all.server.kill();
  if (store === 'wiped') await all.server.emptyStore();
  await yesterday?.restore();
  for (const each of order) {
    if (each === HUB) await all.server.boot();
    else await all.join(each);
  }
  const convergedMs = await all.converge(`after the restart in the order ${order.join(', ')}, store ${store}`);
  return { lost: [...lost, ...all.lost], convergedMs };
}

export function* ordersOf(names: readonly string[]): Generator<readonly string[]> {
  if (names.length === 0) yield [];
  for (const first of names) for (const rest of ordersOf(names.filter((name) => name !== first))) yield [first, ...rest];
}

/** Once through all of them, however long that takes. */
export async function allOrders({ print }: FormOptions): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const store of STORES) {
    const tookMs: number[] = [];
    for (const order of ordersOf([HUB, ...CLUSTERS])) {
      try {
        const { lost, convergedMs } = await restartAll(order, store);
        tookMs.push(convergedMs);
        faults.push(...lost.map((each) => `${order.join(', ')}, store ${store}, lost: ${each}`));
      } catch (thrown) {
        faults.push(String(thrown));
      }
    }
    print(`store ${store}: ${tookMs.length} orders, all agree ${seconds(quantile(tookMs, 0.5))} (p50), ${seconds(Math.max(...tookMs))} at most after the last one began`);
  }
  return faults;
}
