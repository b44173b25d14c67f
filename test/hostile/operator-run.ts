/** Case M15: an operator of the hub who, for as long as is wished, drops, replays, reorders and injects what is on it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { exampleEndpoint, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import { until } from '@landbridge/lab/until.ts';
import { HostileClusterset } from './clusterset.ts';
import { exportService, serviceRecord } from './exports.ts';

const CHANGE_EVERY_MS = 1500;
const LOOK_EVERY_MS = 20;
/** Until what was lost is noticed, by digests, and written again. */
const NOTICED_MS = 60_000;
const GARBAGE = [Buffer.alloc(0), Buffer.from('{'), Buffer.alloc(200_000, 0x5b), Buffer.from('null'), Buffer.from('{"v":1,"cluster":"west","epoch":9007199254740991}')] as const;

export interface OperatorResult {
  readonly changes: number;
  readonly dropped: number;
  readonly replayed: number;
  readonly injected: number;
  /** From the end of it until all is again as its owner wants it. */
  readonly recoveredMs: number;
  readonly faults: readonly string[];
}

const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(Math.random() * values.length)];

export async function runOperator({ durationMs }: { readonly durationMs: number }): Promise<OperatorResult> {
  await using set = await HostileClusterset.start();
  const { east, west } = set;
  exportService(west, 'cart', '10.2.0.1');
  await until('east imports of west', () => east.addresses('west').includes('10.2.0.1'));
  await using operator = await set.unbound();
  const { connection } = operator;
  /** All that was ever written. */
  const written: { readonly subject: string; readonly data: Uint8Array }[] = [];
  const own = new Set<string>();
  connection.subscribe('$KV.fed.>', { callback: (_, { subject, data }) => void (own.has(Buffer.from(data).toString('base64')) || written.push({ subject, data: Uint8Array.from(data) })) });
  await connection.flush();
  const [faults, wanted] = [new Set<string>(), ['10.2.0.1']];
  const end = performance.now() + durationMs;
  let newest = 0;
  let [changes, dropped, replayed, injected] = [0, 0, 0, 0];
  const look = async (): Promise<void> => {
    for (; performance.now() < end; await sleep(LOOK_EVERY_MS)) {
      if (!east.imports.has('shop/cart')) faults.add('east lost an import that nobody took back');
      const [seen = ''] = east.addresses('west');
      const at = wanted.indexOf(seen);
      if (at === -1) faults.add(`east believes in ${seen}, which west never said`);
      else if (at < newest) faults.add(`east went back to ${seen}`);
      newest = Math.max(newest, at);
      if ([...east.imports].some((name) => name !== 'shop/cart')) faults.add(`east imports ${[...east.imports].join()}`);
    }
  };
  const change = async (): Promise<void> => {
    for (; performance.now() < end; await sleep(CHANGE_EVERY_MS)) {
      changes += 1;
      const next = `10.2.${(changes + 1) >> 8}.${(changes + 1) & 255}`;
      wanted.push(next);
      west.objects.put(exampleSlice('cart', [exampleEndpoint('cart-1', next)], { ports: [{ name: 'http', protocol: 'TCP', port: 8080 }] }));
    }
  };
  const attack = async (): Promise<void> => {
    while (performance.now() < end) {
      const victim = pick(written);
      if (victim !== undefined && Math.random() < 0.5) {
        await connection.request('$JS.API.STREAM.PURGE.KV_fed', JSON.stringify({ filter: victim.subject }), { timeout: 5000 });
        dropped += 1;
      }
      // Out of their order, and such as were overtaken long ago.
      for (let i = 0; i < 5; i++) {
        const old = pick(written);
        if (old === undefined) continue;
        own.add(Buffer.from(old.data).toString('base64'));
        connection.publish(old.subject, old.data);
        replayed += 1;
      }
      const bytes = pick([...GARBAGE, operator.sign('svc.shop.cart', serviceRecord('cart', { ports: [{ name: 'http', protocol: 'TCP', port: 666 }] }), 'west'), operator.sign('svc.shop.cart', null, 'west'), operator.sign('svc.shop.stolen', serviceRecord('stolen'), 'west')]) ?? Buffer.alloc(0);
      own.add(Buffer.from(bytes).toString('base64'));
      connection.publish(`$KV.fed.${pick(['west.svc.shop.cart', 'west.svc.shop.stolen', 'west.meta', 'west.sync', 'members.west', 'nobody.meta', 'x'])}`, bytes);
      injected += 1;
      await connection.flush();
      await sleep(20);
    }
  };
  await Promise.all([look(), change(), attack()]);
  const startMs = performance.now();
  await until(() => `east sees ${east.addresses('west').join()}, not ${wanted.at(-1)}`, () => east.addresses('west').join() === wanted.at(-1), NOTICED_MS);
  const recoveredMs = performance.now() - startMs;
  await until('the hub has west’s record again', async () => {
    const answer = await connection.request('$JS.API.STREAM.MSG.GET.KV_fed', JSON.stringify({ last_by_subj: '$KV.fed.west.sync' }), { timeout: 5000 });
    const { message } = JSON.parse(answer.string()) as { readonly message?: { readonly data?: string } };
    const text = Buffer.from(message?.data ?? '', 'base64').toString();
    return text.includes('"sync"') && !GARBAGE.some((bytes) => bytes.toString() === text);
  }, NOTICED_MS).catch((thrown: unknown) => faults.add(String(thrown)));
  return { changes, dropped, replayed, injected, recoveredMs, faults: [...faults] };
}
