import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { endpoint } from '../records/example-records.ts';
import { type Constituent, merge } from './merge.ts';
import { Merger } from './merger.ts';

const record = (name: string, port: number): ServiceRecord => ({ kind: 'svc', namespace: 'shop', name, exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: '', protocol: 'TCP', port }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
/** Few objects, so that a history has the same one again. */
const RECORDS = ['a', 'b'].flatMap((name) => [80, 81].map((port) => record(name, port)));
const ENDPOINTS: readonly (readonly Endpoint[])[] = [[], [endpoint('x')], [endpoint('x'), endpoint('y')]];

const constituent = (cluster: string): fc.Arbitrary<Constituent> => fc.record({ records: fc.subarray(RECORDS), endpoints: fc.constantFrom(...ENDPOINTS), network: fc.constantFrom('', 'n') }).map(({ records, endpoints, network }) => ({ cluster, trustDomain: cluster, network, services: new Map(records.map((each) => [`shop/${each.name}`, each])), endpoints: new Map(records.map((each) => [`shop/${each.name}`, endpoints])) }));
const constituents = fc.tuple(constituent('east'), constituent('west')).chain((both) => fc.subarray([...both]));

function result<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

test('whatever was merged before, the result is that of merging alone; what is not told as changed is the same object', (t) => {
  fc.assert(fc.property(fc.array(constituents, { minLength: 1, maxLength: 8 }), (history) => {
    const merger = new Merger();
    let before: ReturnType<typeof merge> = new Map();
    for (const moment of history) {
      const { imports, changed } = result(merger.merge(moment));
      t.deepEqual(imports, merge(moment));
      for (const key of new Set([...before.keys(), ...imports.keys()])) t.is(changed.has(key), before.get(key) !== imports.get(key));
      before = imports;
    }
  }));
});
