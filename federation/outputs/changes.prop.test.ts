import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import fc from 'fast-check';
import { MCS_SOURCE_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { changes, identity, type Knowledge } from './changes.ts';
import { desiredObjects } from './desired.ts';
import { ExampleApiServer, importsArbitrary } from './example-imports.ts';

const everything: Knowledge = { isComplete: () => true, all: true };

/** Passes until nothing is left to do, as the service makes them. */
function settle(server: ExampleApiServer, imports: readonly ImportedService[], knowledge = everything): number {
  for (let passes = 0; passes < 10; passes++) {
    const todo = changes(desiredObjects(imports, server.existing()).objects, server.list(), knowledge);
    if (todo.length === 0) return passes;
    for (const change of todo) server.write(change);
  }
  return Number.POSITIVE_INFINITY;
}

/** What the server holds, without what names one life of an object. */
function content(server: ExampleApiServer): unknown {
  return server
    .list()
    .map((object) => JSON.parse(JSON.stringify(object, (name, value) => (name === 'uid' ? undefined : value))))
    .sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
}

test('what was applied is not written again', (t) => {
  fc.assert(fc.property(importsArbitrary, (imports) => {
    const passes = settle(new ExampleApiServer(), imports);
    t.true(passes <= 4, 'import, Service, slices with the addresses, nothing');
  }), { numRuns: 60 });
});

test('whatever was there before, it ends as if only the last imports had ever been', (t) => {
  fc.assert(fc.property(fc.array(importsArbitrary, { maxLength: 3 }), importsArbitrary, (before, last) => {
    const server = new ExampleApiServer();
    for (const imports of before) settle(server, imports);
    t.true(settle(server, last) < 10);
    const fresh = new ExampleApiServer();
    settle(fresh, last);
    t.deepEqual(content(server), content(fresh));
  }), { numRuns: 60 });
});

test('nothing of a source that is not complete is deleted, and without all of them only slices are', (t) => {
  fc.assert(fc.property(importsArbitrary, importsArbitrary, fc.uniqueArray(fc.constantFrom<string[]>('east', 'north', 'west')), fc.boolean(), (before, after, complete, all) => {
    const server = new ExampleApiServer();
    settle(server, before);
    const knowledge: Knowledge = { isComplete: (cluster) => complete.includes(cluster), all };
    const source = (object: KubernetesObject): string | undefined => object.metadata?.labels?.[MCS_SOURCE_LABEL];
    for (const { verb, object } of changes(desiredObjects(after, server.existing()).objects, server.list(), knowledge)) {
      if (verb === 'apply') continue;
      const from = source(object);
      t.true(from === undefined ? all : complete.includes(from), identity(object));
    }
  }), { numRuns: 60 });
});
