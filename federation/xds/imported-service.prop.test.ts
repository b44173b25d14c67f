import type { Endpoint } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import type { ImportedService } from '../merge/merge.ts';
import { exampleImport, importedArbitrary, part } from '../outputs/example-imports.ts';
import { endpoint } from '../records/example-records.ts';
import { importedMeshService } from './imported-service.ts';
import type { MeshService } from './service.ts';

/** As it would be told: what of it is worked out later stands in it. */
const plain = (service: MeshService): unknown => ({ ...service, endpoints: [...service.endpoints].map(([uid, each]) => [uid, JSON.parse(JSON.stringify(each))]) });

const rules = fc.constantFrom(undefined, { percents: new Map([['east', 30], ['west', 70]]), caps: new Map<string, number>() });
/** The same endpoints in another import, of other clusters, or of clusters that stand elsewhere. */
const related = fc.record({ first: importedArbitrary, second: importedArbitrary, isLast: fc.boolean(), name: fc.boolean() }).map(({ first, second, isLast, name }): readonly ImportedService[] => [
  first,
  { ...second, ...(name ? { name: first.name, namespace: first.namespace } : {}), clusters: second.clusters.map((part, i) => ({ ...part, ...(isLast ? { isLast } : {}), endpoints: first.clusters[i]?.endpoints ?? part.endpoints })) },
  { ...first, clusters: first.clusters.map((part) => ({ ...part, trustDomain: `${part.trustDomain}.other` })) },
  first,
]);

test('what was made of the same endpoints before makes no difference', (t) => {
  fc.assert(fc.property(related, rules, (imports, rule) => {
    let before: MeshService | undefined;
    for (const imported of imports) {
      const made = (of: ImportedService, known?: MeshService) => importedMeshService({ imported: of, addresses: ['10.96.0.7'], ...(rule === undefined ? {} : { rules: rule }) }, 'east', known);
      const after = made(imported, before);
      t.deepEqual(plain(after), plain(made(structuredClone(imported))));
      before = after;
    }
  }), { numRuns: 60 });
});

test('endpoints that stay the same are not made again', (t) => {
  fc.assert(fc.property(importedArbitrary, (imported) => {
    const first = importedMeshService({ imported, addresses: [] }, 'east');
    const second = importedMeshService({ imported: { ...imported, conflicts: [] }, addresses: [] }, 'east', first);
    // Those of other networks are behind their gateways, all together.
    for (const [uid, endpoint] of first.endpoints) t.true(second.endpoints.get(uid) === endpoint || imported.clusters.some(({ reach = 'direct' }) => reach !== 'direct'));
  }), { numRuns: 60 });
});

test('an endpoint that ends serves until another one is ready, though it is the same', (t) => {
  const ending = { ...endpoint('ending'), ready: false, serving: true, terminating: true };
  let before: MeshService | undefined;
  const portsOf = (...all: readonly Endpoint[]): unknown => {
    before = importedMeshService({ imported: exampleImport({ clusters: [part('west', ...all)] }), addresses: [] }, 'east', before);
    return [...before.endpoints.values()].find(({ workload }) => workload?.name === 'ending')?.ports.length;
  };
  t.deepEqual([portsOf(ending), portsOf(ending, endpoint('ready', '10.0.0.2')), portsOf(ending)], [1, 0, 1]);
});
