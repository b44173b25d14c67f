/** What every bus does; run against each kind of bus by bus.test.ts. */
import type { SerialFn, TestFn } from 'ava';
import type { Bus, BusEvent } from './bus.ts';

export interface BusUnderTest extends AsyncDisposable {
  readonly bus: Bus;
  /** Another client of the same bucket, which does not make the bucket. */
  readonly other: Bus;
  /** Removes the bucket with all that is in it, under the eyes of its watchers. */
  loseBucket(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

/** Reads events as short words until one is `last`. */
export async function readUntil(events: AsyncIterator<BusEvent>, last: string): Promise<string[]> {
  const words: string[] = [];
  for (;;) {
    const next = await events.next();
    if (next.done === true) throw new Error(`the watch ended after ${words.join(' ')}`);
    words.push(next.value.kind === 'entry' ? `${next.value.key}=${text(next.value.value)}` : next.value.kind);
    if (words.at(-1) === last) return words;
  }
}

export function busContract(test: TestFn | SerialFn, name: string, open: () => Promise<BusUnderTest>): void {
  test(`${name}: a value that was put can be got, by others too`, async (t) => {
    await using setup = await open();
    t.is(await setup.bus.get('a.svc.x', soon()), undefined);
    await setup.bus.put('a.svc.x', bytes('1'), soon());
    await setup.bus.put('a.svc.x', bytes('2'), soon());
    t.is(text((await setup.bus.get('a.svc.x', soon())) ?? bytes('nothing')), '2');
    t.is(text((await setup.other.get('a.svc.x', soon())) ?? bytes('nothing')), '2');
    t.is(await setup.bus.get('a.svc', soon()), undefined);
    t.is(setup.bus.state().kind, 'connected');
  });

  test(`${name}: a watch tells what is there, then current, then changes`, async (t) => {
    await using setup = await open();
    await setup.bus.put('a.1', bytes('old'), soon());
    await setup.bus.put('a.2', bytes('v'), soon());
    await setup.bus.put('a.1', bytes('new'), soon());
    const events = setup.other.watch('>', soon())[Symbol.asyncIterator]();
    t.deepEqual((await readUntil(events, 'current')).sort(), ['a.1=new', 'a.2=v', 'current']);
    await setup.bus.put('b.1', bytes('later'), soon());
    t.deepEqual(await readUntil(events, 'b.1=later'), ['b.1=later']);
    await events.return?.();
  });

  test(`${name}: a watch of an empty bucket is current at once`, async (t) => {
    await using setup = await open();
    const events = setup.bus.watch('>', soon())[Symbol.asyncIterator]();
    t.deepEqual(await readUntil(events, 'current'), ['current']);
    await events.return?.();
  });

  test(`${name}: a filter keeps other keys away`, async (t) => {
    await using setup = await open();
    for (const key of ['a.svc.x', 'b.svc.x', 'a.meta', 'ab.meta']) await setup.bus.put(key, bytes('1'), soon());
    const events = setup.bus.watch('a.>', soon())[Symbol.asyncIterator]();
    t.deepEqual((await readUntil(events, 'current')).sort(), ['a.meta=1', 'a.svc.x=1', 'current']);
    await setup.bus.put('b.meta', bytes('2'), soon());
    await setup.bus.put('a.meta', bytes('2'), soon());
    t.deepEqual(await readUntil(events, 'a.meta=2'), ['a.meta=2']);
    await events.return?.();
  });

  test(`${name}: a slow reader of many changes gets the last value of each key`, async (t) => {
    await using setup = await open();
    const events = setup.bus.watch('>', soon())[Symbol.asyncIterator]();
    await readUntil(events, 'current');
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 200 }, (_, index) => setup.bus.put(`a.k${index}`, bytes(String(round)), soon())));
    }
    await setup.bus.put('a.end', bytes('.'), soon());
    const last = new Map((await readUntil(events, 'a.end=.')).map((word) => word.split('=') as [string, string]));
    t.is(last.size, 201);
    for (let index = 0; index < 200; index += 1) t.is(last.get(`a.k${index}`), '2');
    await events.return?.();
  });

  test(`${name}: a lost bucket is told as a restart, and the bus works again`, async (t) => {
    await using setup = await open();
    await setup.bus.put('a.1', bytes('before'), soon());
    const mine = setup.bus.watch('>', soon())[Symbol.asyncIterator]();
    const others = setup.other.watch('>', soon())[Symbol.asyncIterator]();
    await readUntil(mine, 'current');
    await readUntil(others, 'current');
    await setup.loseBucket();
    t.deepEqual(await readUntil(mine, 'current'), ['restart', 'current']);
    await setup.bus.put('a.1', bytes('after'), soon());
    t.deepEqual(await readUntil(mine, 'a.1=after'), ['a.1=after']);
    const seen = await readUntil(others, 'a.1=after');
    t.is(seen[0], 'restart');
    await Promise.all([mine.return?.(), others.return?.()]);
  });

  test(`${name}: an aborted watch ends without an error`, async (t) => {
    await using setup = await open();
    const stop = new AbortController();
    const events = setup.bus.watch('>', stop.signal)[Symbol.asyncIterator]();
    await readUntil(events, 'current');
    const next = events.next();
    stop.abort();
    t.true((await next).done);
    t.true((await setup.bus.watch('>', stop.signal)[Symbol.asyncIterator]().next()).done);
  });

  test(`${name}: get and put reject with the reason of an aborted signal`, async (t) => {
    await using setup = await open();
    const signal = AbortSignal.abort(new Error('enough'));
    await t.throwsAsync(setup.bus.put('a.1', bytes('1'), signal), { message: 'enough' });
    await t.throwsAsync(setup.bus.get('a.1', signal), { message: 'enough' });
  });

  test(`${name}: a closed bus ends its watches and refuses requests`, async (t) => {
    await using setup = await open();
    const events = setup.bus.watch('>', soon())[Symbol.asyncIterator]();
    await readUntil(events, 'current');
    const next = events.next();
    await setup.bus[Symbol.asyncDispose]();
    t.true((await next).done);
    t.is(setup.bus.state().kind, 'closed');
    await t.throwsAsync(setup.bus.put('a.1', bytes('1'), soon()), { code: 'bus-closed' });
  });
}
