import type { IpAddress } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { type HostAnswer, HostResolver, MAX_HOSTS, MAX_LOOKUPS } from './host-resolver.ts';

const A = '192.0.2.1' as IpAddress;
const B = '192.0.2.2' as IpAddress;
const turn = async (): Promise<void> => await new Promise(setImmediate);

class Setup implements Disposable {
  readonly asked: string[] = [];
  readonly changed: string[] = [];
  readonly timers: (() => void)[] = [];
  readonly used = new Set<string>(['a.example']);
  answer: HostAnswer = { kind: 'found', addresses: [B, A, A], ttlMs: 0 };
  readonly resolver: HostResolver;

  constructor(lookUp?: () => Promise<HostAnswer>) {
    this.resolver = new HostResolver(async (hostname) => {
      this.asked.push(hostname);
      return await (lookUp?.() ?? Promise.resolve(this.answer));
    }, (work) => {
      this.timers.push(work);
      return () => {};
    });
    this.resolver.serve({ isUsed: (hostname) => this.used.has(hostname), changed: (hostname) => void this.changed.push(hostname) });
  }

  [Symbol.dispose](): void {
    this.resolver[Symbol.dispose]();
  }
}

test('a name is asked for at the first question, and known once there is an answer', async (t) => {
  using setup = new Setup();
  t.is(setup.resolver.resolve('a.example'), undefined);
  t.is(setup.resolver.resolve('a.example'), undefined);
  await turn();
  t.deepEqual([setup.asked, setup.changed, setup.resolver.resolve('a.example')], [['a.example'], ['a.example'], [A, B]]);
});

test('nobody is asked for what is no name', (t) => {
  using setup = new Setup();
  for (const text of ['', '127.1', '0177.0.0.1', '*.example', '::1', 'a b', `${'a.'.repeat(200)}a`]) t.deepEqual(setup.resolver.resolve(text), []);
  t.deepEqual(setup.asked, []);
});

test('what has lived its time is asked for again while it is used, and what failed does not take away what was known', async (t) => {
  using setup = new Setup();
  const { timers } = setup;
  const expire = async (answer: HostAnswer): Promise<readonly string[] | undefined> => {
    setup.answer = answer;
    timers.shift()?.();
    await turn();
    return setup.resolver.resolve('a.example');
  };
  setup.resolver.resolve('a.example');
  await turn();
  t.deepEqual(await expire({ kind: 'failed' }), [A, B]);
  t.deepEqual(await expire({ kind: 'found', addresses: [A, B], ttlMs: 1 }), [A, B]);
  t.deepEqual(setup.changed, ['a.example']);
  t.deepEqual(await expire({ kind: 'found', addresses: [A], ttlMs: 1 }), [A]);
  t.deepEqual(await expire({ kind: 'none' }), []);
  t.is(setup.changed.length, 3);
  setup.used.clear();
  timers.shift()?.();
  t.is(setup.asked.length, 5);
  t.is(setup.resolver.resolve('a.example'), undefined, 'it was forgotten');
});

test('so many at a time, and so many in all', async (t) => {
  const ends: (() => void)[] = [];
  using setup = new Setup(async () => await new Promise((resolve) => ends.push(() => resolve({ kind: 'none' }))));
  for (let i = 0; i < MAX_HOSTS; i++) t.is(setup.resolver.resolve(`h${i}.example`), undefined);
  t.deepEqual(setup.resolver.resolve('one-more.example'), []);
  t.is(setup.asked.length, MAX_LOOKUPS);
  ends.shift()?.();
  await turn();
  t.is(setup.asked.length, MAX_LOOKUPS + 1);
});
