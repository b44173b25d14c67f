import test from 'ava';
import { pino } from 'pino';
import { ALONE } from '../leadership/leadership.ts';
import type { Change } from '../outputs/changes.ts';
import type { Writer } from '../outputs/writer.ts';
import type { ClusterRegistry } from './cluster-registry.ts';
import { ImportOutputs } from './import-outputs.ts';
import type { ObjectSources } from './object-sources.ts';

interface Held {
  readonly key: string;
  readonly done: () => void;
}

/** Outputs of exports that each ask for one write, which is under way until the test says so. */
class SlowOutputs implements AsyncDisposable {
  readonly held: Held[] = [];
  readonly written: string[] = [];
  readonly outputs: ImportOutputs;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const nothing = { at: () => undefined, versionOf: () => undefined, isOurs: () => false } as unknown as ObjectSources;
    const registry = { imports: new Map(), held: new Map(), own: { of: () => [] }, keys: () => new Set() } as unknown as ClusterRegistry;
    const write = async ({ object }: Change): Promise<boolean> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const key = object.metadata?.name ?? '';
      this.held.push({ key, done: resolve });
      await promise;
      this.written.push(key);
      return true;
    };
    this.outputs = new ImportOutputs({
      objects: nothing,
      registry,
      writer: { write, writesAtOnce: 4 } as Writer,
      labelled: { change: (key: string): Change => ({ verb: 'create', object: { metadata: { name: key } } }), due: () => [] } as never,
      knowledge: () => ({ isComplete: () => true, all: true }),
      cluster: 'east',
      publicationOf: () => ({ kind: 'alone' }),
      istioShape: 'ambient',
      leadership: ALONE,
      log: pino({ level: 'silent' }),
    });
    this.#running = this.outputs.run(this.#stop.signal);
  }

  async turn(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  }

  async finish(): Promise<string> {
    const next = this.held.shift();
    next?.done();
    await this.turn();
    return next?.key ?? '';
  }

  get underWay(): string {
    return this.held.map(({ key }) => key).join(' ');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    while (this.held.length > 0) await this.finish();
    await this.#running;
  }
}

test('a few are written at a time, in the order in which they changed', async (t) => {
  await using slow = new SlowOutputs();
  await slow.turn();
  slow.outputs.add(['a', 'b', 'c', 'd', 'e', 'f']);
  await slow.turn();
  t.is(slow.held.length, 4);
  t.is(slow.underWay, 'a b c d');
  await slow.finish();
  t.is(slow.underWay, 'b c d e');
});

test('what changes again before its turn is written once, and never twice at a time', async (t) => {
  await using slow = new SlowOutputs();
  await slow.turn();
  slow.outputs.add(['a', 'b', 'c', 'd', 'e']);
  await slow.turn();
  for (let i = 0; i < 3; i++) slow.outputs.add(['a', 'e']);
  await slow.turn();
  t.is(slow.underWay, 'a b c d');
  // It waits for itself, and for who waits longer.
  await slow.finish();
  t.is(slow.underWay, 'b c d e');
  await slow.finish();
  t.is(slow.underWay, 'c d e a');
  while (slow.held.length > 0) await slow.finish();
  t.deepEqual(slow.written, ['a', 'b', 'c', 'd', 'e', 'a']);
});

test('one that waits for itself lets others on', async (t) => {
  await using slow = new SlowOutputs();
  await slow.turn();
  slow.outputs.add(['a']);
  await slow.turn();
  slow.outputs.add(['a', 'b']);
  await slow.turn();
  t.is(slow.underWay, 'a b');
});
