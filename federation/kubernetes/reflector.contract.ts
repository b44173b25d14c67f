/** What every source of objects does; run against each kind of it by reflector.test.ts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { ExecutionContext, SerialFn, TestFn } from 'ava';
import { MCS_VERSION } from './types.ts';
import type { ObjectSource, ResourceKind } from './object-source.ts';

export interface ObjectSourceUnderTest extends AsyncDisposable {
  /** Selects objects that `put` made. */
  readonly source: ObjectSource;
  /** The objects' namespace; undefined where the kind has none. */
  readonly namespace: string | undefined;
  /** Makes the object or changes its label `turn`; `isSelected` says whether the source's selector is for it. */
  put(name: string, turn: string, isSelected?: boolean): Promise<void>;
  remove(name: string): Promise<void>;
  /** Whether the source can reach the API server; others can always. */
  setReachable(isReachable: boolean): Promise<void>;
  /** The API server dies and begins anew with its objects, but without the history of their changes. */
  restart(): Promise<void>;
}

export const KINDS: readonly ResourceKind[] = [
  { apiVersion: 'v1', kind: 'Service', plural: 'services' },
  { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices' },
  { apiVersion: MCS_VERSION, kind: 'ServiceExport', plural: 'serviceexports' },
];
const [SERVICE] = KINDS as [ResourceKind];
const TIMEOUT_MS = 30_000;

/** `name=turn` of all objects. */
const words = (source: ObjectSource): string => source.list().map(({ metadata }) => `${metadata?.name}=${metadata?.labels?.['turn']}`).sort().join(' ');

class Follower implements Disposable {
  readonly #source: ObjectSource;
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();
  calls = 0;
  /** What was there each time that a change was told while the source was synced. */
  readonly told: string[] = [];
  /** The keys that were told since they were last taken. */
  readonly keys = new Set<string>();

  constructor(source: ObjectSource) {
    this.#source = source;
    source.start((keys) => {
      this.calls += 1;
      for (const key of keys) this.keys.add(key);
      if (source.synced) this.told.push(words(source));
      this.#changed.resolve();
    }, this.#stop.signal);
  }

  /** Waits to be told of a change after which the objects are these. */
  async until(t: ExecutionContext, wanted: string): Promise<void> {
    const late = delay(TIMEOUT_MS, 'late', { ref: false });
    while (!(this.#source.synced && this.told.at(-1) === wanted)) {
      if ((await Promise.race([this.#changed.promise, late])) === 'late') return t.fail(`not “${wanted}”: told were “${this.told.join('”, “')}”`);
      this.#changed = Promise.withResolvers();
    }
    t.is(words(this.#source), wanted);
  }

  /** Names of what was told as added, changed or removed since the last time. */
  take(): string {
    const names = [...this.keys].map((key) => key.slice(key.indexOf('/') + 1)).sort().join(' ');
    this.keys.clear();
    return names;
  }

  stop(): void {
    this.#stop.abort();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

export function objectSourceContract(test: TestFn | SerialFn, name: string, open: (kind: ResourceKind) => Promise<ObjectSourceUnderTest>): void {
  for (const kind of KINDS) {
    test(`${name}: ${kind.kind}s that were there and that come have their type, and are found by name`, async (t) => {
      await using setup = await open(kind);
      const { source, namespace } = setup;
      const typeOf = (object: KubernetesObject | undefined): string => `${object?.apiVersion} ${object?.kind} ${object?.metadata?.namespace} ${object?.metadata?.name}`;
      const typed = (object: string): string => `${kind.apiVersion} ${kind.kind} ${namespace} ${object}`;
      await setup.put('old', '1');
      await setup.put('older', '1');
      using follower = new Follower(source);
      await follower.until(t, 'old=1 older=1');
      t.deepEqual(source.list().map(typeOf).sort(), [typed('old'), typed('older')].sort());
      t.is(follower.take(), 'old older');
      await setup.put('new', '1');
      await follower.until(t, 'new=1 old=1 older=1');
      t.is(follower.take(), 'new');
      await setup.put('old', '2');
      await follower.until(t, 'new=1 old=2 older=1');
      t.is(follower.take(), 'old');
      t.is(source.at(`${namespace ?? ''}/old`), source.get(namespace, 'old'));
      for (const object of ['new', 'old', 'older']) t.is(typeOf(source.get(namespace, object)), typed(object));
      t.is(source.get(namespace, 'other'), undefined);
      t.is(source.get('other', 'old'), undefined);
      if (kind.kind === 'Namespace') return;
      await setup.remove('old');
      await follower.until(t, 'new=1 older=1');
      t.is(follower.take(), 'old');
      t.is(source.get(namespace, 'old'), undefined);
    });
  }

  test(`${name}: nothing is there before the start; where there are no objects, that is told`, async (t) => {
    await using setup = await open(SERVICE);
    await setup.put('a', '1', false);
    await delay(50);
    t.false(setup.source.synced);
    using follower = new Follower(setup.source);
    await follower.until(t, '');
    t.deepEqual(follower.told, ['']);
  });

  test(`${name}: the first that is told once synced is the complete list`, async (t) => {
    await using setup = await open(SERVICE);
    for (const object of ['a', 'b', 'c']) await setup.put(object, '1');
    await setup.setReachable(false);
    using follower = new Follower(setup.source);
    await delay(300);
    t.false(setup.source.synced);
    t.is(words(setup.source), '');
    await setup.put('d', '1');
    await setup.setReachable(true);
    await follower.until(t, 'a=1 b=1 c=1 d=1');
    t.is(follower.told[0], 'a=1 b=1 c=1 d=1');
  });

  test(`${name}: an object that the selector is no longer for is gone`, async (t) => {
    await using setup = await open(SERVICE);
    await setup.put('a', '1');
    await setup.put('b', '1', false);
    using follower = new Follower(setup.source);
    await follower.until(t, 'a=1');
    await setup.put('b', '2', true);
    await follower.until(t, 'a=1 b=2');
    await setup.put('a', '2', false);
    await follower.until(t, 'b=2');
  });

  for (const forgets of [false, true]) {
    test(`${name}: what changes while the API server is out of reach is noticed afterwards${forgets ? ', also when it has forgotten how' : ''}`, async (t) => {
      await using setup = await open(SERVICE);
      const { source, namespace } = setup;
      for (const object of ['changed', 'gone', 'same']) await setup.put(object, '1');
      using follower = new Follower(source);
      await follower.until(t, 'changed=1 gone=1 same=1');
      follower.take();
      await setup.setReachable(false);
      await setup.remove('gone');
      await setup.put('changed', '2');
      await setup.put('new', '1');
      if (forgets) await setup.restart();
      t.true(source.synced);
      t.is(words(source), 'changed=1 gone=1 same=1');
      await setup.setReachable(true);
      await follower.until(t, 'changed=2 new=1 same=1');
      t.is(follower.take(), 'changed gone new', 'what is the same is not told');
      t.is(source.get(namespace, 'gone'), undefined);
      // And it goes on.
      await setup.remove('new');
      await follower.until(t, 'changed=2 same=1');
    });
  }

  test(`${name}: after the signal aborts nothing is told any more`, async (t) => {
    await using setup = await open(SERVICE);
    await setup.put('a', '1');
    using follower = new Follower(setup.source);
    await follower.until(t, 'a=1');
    await using second = await open(SERVICE);
    using other = new Follower(second.source);
    await other.until(t, '');
    follower.stop();
    const { calls } = follower;
    await setup.put('a', '2');
    await setup.put('b', '1');
    await delay(300);
    t.is(follower.calls, calls);
    t.is(words(setup.source), 'a=1');
  });
}
