import test from 'ava';
import type { ImportedService } from '../merge/merge.ts';
import { endpoint } from '../records/example-records.ts';
import { desiredObjects } from './desired.ts';
import { ExampleApiServer, exampleImport, part } from './example-imports.ts';
import { plannedChanges } from './plan.ts';

const key = ({ namespace, name }: ImportedService): string => `${namespace}/${name}`;
const byKey = (...imports: readonly ImportedService[]): ReadonlyMap<string, ImportedService> => new Map(imports.map((imported) => [key(imported), imported]));
const nameOf = ({ kind, namespace, name }: { kind?: string; namespace?: string; name?: string }): string => `${kind} ${namespace}/${name}`;

/** As often as one object waits for another. */
function settle(server: ExampleApiServer, imports: ReadonlyMap<string, ImportedService>): void {
  for (let pass = 0; pass < 4; pass++) for (const object of desiredObjects(imports.values(), server.existing()).objects) server.write({ verb: 'apply', object });
}

const cart = exampleImport({ clusters: [part('east', endpoint('cart-0', '10.0.0.9')), part('west', endpoint('cart-1'))] });
const imports = byKey(cart, exampleImport({ name: 'db', type: 'Headless' }), exampleImport({ namespace: 'nowhere' }));

test('a plan names every object that is there afterwards, and writes none', (t) => {
  const server = new ExampleApiServer();
  const plan = plannedChanges(imports, server.existing(), server.list());
  t.deepEqual(server.list(), []);
  t.true(plan.every(({ verb }) => verb === 'create'));
  settle(server, imports);
  t.deepEqual(plan.map(nameOf).sort(), server.list().map(({ kind = '', metadata }) => nameOf({ kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })).sort());
  t.deepEqual(plannedChanges(imports, server.existing(), server.list()), [], 'nothing is left to do');
});

test('a plan to leave deletes what is of others, and changes what this cluster goes on to export', (t) => {
  const server = new ExampleApiServer();
  settle(server, imports);
  t.deepEqual(plannedChanges(new Map(), server.existing(), server.list()).map(({ verb }) => verb), server.list().map(() => 'delete'));
  const own = byKey({ ...cart, clusters: cart.clusters.filter(({ cluster }) => cluster === 'east') });
  const plan = plannedChanges(own, server.existing(), server.list());
  const slices = plan.filter(({ kind }) => kind === 'EndpointSlice');
  t.true(slices.some(({ verb, name }) => verb === 'delete' && name.includes('-west-')));
  t.false(slices.some(({ verb, name }) => verb === 'delete' && name.includes('-east-')));
  t.false(plan.some(({ verb, kind, name }) => verb === 'delete' && kind === 'ServiceImport' && name === 'cart'));
});
