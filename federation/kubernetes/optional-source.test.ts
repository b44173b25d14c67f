import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import { MemoryObjectSource } from './memory-object-source.ts';
import type { ResourceKind } from './object-source.ts';
import { CRDS, OptionalSource } from './optional-source.ts';

const KIND = { group: 'example.org', versions: ['v1', 'v1beta1'], kind: 'Thing', plural: 'things', labelSelector: 'ours=yes' } as const;
const NAME = 'things.example.org';
const definition = (versions: Readonly<Record<string, boolean>>): KubernetesObject => ({ metadata: { name: NAME }, spec: { versions: Object.entries(versions).map(([name, served]) => ({ name, served })) } }) as KubernetesObject;
const thing = (name: string): KubernetesObject => ({ metadata: { namespace: 'shop', name, labels: { ours: 'yes' } } });
const turn = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
};

class Setup implements Disposable {
  readonly definitions = new MemoryObjectSource(CRDS);
  readonly opened: ResourceKind[] = [];
  readonly source: OptionalSource;
  changes = 0;
  readonly #things = new MemoryObjectSource({ apiVersion: '', kind: 'Thing', plural: 'things' });
  readonly #stop = new AbortController();

  constructor() {
    this.#things.put(thing('a'));
    this.source = new OptionalSource(KIND, (kind) => {
      this.opened.push(kind);
      return this.#things;
    });
    this.definitions.start(() => this.#follow(), this.#stop.signal);
  }

  #follow(): void {
    this.source.follow(this.definitions, () => (this.changes += 1), this.#stop.signal);
  }

  get names(): string[] {
    return this.source.list().map(({ metadata }) => metadata?.name ?? '');
  }

  async put(name: string): Promise<void> {
    this.#things.put(thing(name));
    await turn();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

test('a kind that is not defined has no objects, and that is known', async (t) => {
  using setup = new Setup();
  await turn();
  t.deepEqual([setup.source.synced, setup.source.apiVersion, setup.names, setup.opened], [true, undefined, [], []]);
});

test('it is followed from its definition on, which is not known before the objects are listed', async (t) => {
  using setup = new Setup();
  await turn();
  setup.definitions.put(definition({ v1: true }));
  await turn();
  t.deepEqual([setup.source.synced, setup.source.apiVersion, setup.names], [true, 'example.org/v1', ['a']]);
  t.deepEqual(setup.opened, [{ apiVersion: 'example.org/v1', kind: 'Thing', plural: 'things', labelSelector: 'ours=yes' }]);
  const before = setup.changes;
  await setup.put('b');
  t.deepEqual(setup.names, ['a', 'b']);
  t.true(setup.changes > before);
});

test('with its definition its objects go, and come back with it', async (t) => {
  using setup = new Setup();
  setup.definitions.put(definition({ v1: true }));
  await turn();
  setup.definitions.remove(undefined, NAME);
  await turn();
  t.deepEqual([setup.source.synced, setup.source.apiVersion, setup.names], [true, undefined, []]);
  const { changes } = setup;
  await setup.put('b');
  t.is(setup.changes, changes, 'nobody follows it any more');
  setup.definitions.put(definition({ v1: true }));
  await turn();
  t.deepEqual(setup.names, ['a', 'b']);
});

test('a definition is ours for as long as it says so', async (t) => {
  using setup = new Setup();
  const seen: boolean[] = [];
  for (const categories of [undefined, ['istio-io', 'landbridge'], ['istio-io']]) {
    setup.definitions.put({ ...definition({ v1: true }), spec: { names: { categories }, versions: [{ name: 'v1', served: true }] } } as KubernetesObject);
    await turn();
    seen.push(setup.source.isOurs);
  }
  setup.definitions.remove(undefined, NAME);
  await turn();
  t.deepEqual([...seen, setup.source.isOurs], [false, true, false, false]);
});

test('of the versions that are served the best is followed, another change of the definition changes nothing', async (t) => {
  using setup = new Setup();
  for (const versions of [{ v1: false, v1beta1: false, v2: true }, { v1beta1: true }, { v1beta1: true, v2: true }, { v1: true, v1beta1: true }, { v1: true }]) {
    setup.definitions.put(definition(versions));
    await turn();
  }
  t.deepEqual(setup.opened.map(({ apiVersion }) => apiVersion), ['example.org/v1beta1', 'example.org/v1']);
  t.deepEqual(setup.names, ['a']);
});
