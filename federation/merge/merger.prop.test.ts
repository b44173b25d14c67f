import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { endpoint } from '../records/example-records.ts';
import { type Constituent, merge } from './merge.ts';
import { type MergeMoment, Merger } from './merger.ts';

const record = (name: string, port: number): ServiceRecord => ({ kind: 'svc', namespace: 'shop', name, exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: '', protocol: 'TCP', port }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });
/** Few objects, so that a history has the same one again. */
const RECORDS = ['a', 'b'].flatMap((name) => [80, 81].map((port) => record(name, port)));
const ENDPOINTS: readonly (readonly Endpoint[])[] = [[], [endpoint('x')], [endpoint('x'), endpoint('y')]];

const constituent = (cluster: string): fc.Arbitrary<Constituent> => fc.record({ records: fc.subarray(RECORDS), endpoints: fc.constantFrom(...ENDPOINTS), network: fc.constantFrom('', 'n') }).map(({ records, endpoints, network }) => ({ cluster, trustDomain: cluster, network, joinedAt: 0, services: new Map(records.map((each) => [`shop/${each.name}`, each])), endpoints: new Map(records.map((each) => [`shop/${each.name}`, endpoints])) }));
const constituents = fc.tuple(constituent('east'), constituent('west')).chain((both) => fc.subarray([...both]));

function result<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

const UNSETTLED: MergeMoment = { nowMs: 5, written: () => [], isComplete: () => true, isSettled: false };

test('whatever was merged before, the result is that of merging alone; what is not told as changed is the same object', (t) => {
  fc.assert(fc.property(fc.array(constituents, { minLength: 1, maxLength: 8 }), (history) => {
    const merger = new Merger();
    let before: ReturnType<typeof merge> = new Map();
    for (const moment of history) {
      const { imports, changed } = result(merger.merge(moment, { ...UNSETTLED, rewritten: new Set() }));
      t.deepEqual(imports, merge(moment, UNSETTLED.nowMs));
      for (const key of new Set([...before.keys(), ...imports.keys()])) t.is(changed.has(key), before.get(key) !== imports.get(key));
      before = imports;
    }
  }));
});

test('who was seen first decides for as long as it exports, also after a restart that finds only what was written', (t) => {
  fc.assert(fc.property(fc.array(constituents, { minLength: 1, maxLength: 8 }), fc.array(fc.boolean()), (history, restarts) => {
    let merger = new Merger();
    let expected: ReadonlyMap<string, readonly string[]> = new Map();
    let written: ReadonlyMap<string, readonly string[]> = new Map();
    let rewritten: ReadonlySet<string> = new Set();
    for (const [index, moment] of history.entries()) {
      if (restarts[index] === true) merger = new Merger();
      const { imports } = result(merger.merge(moment, { ...UNSETTLED, isSettled: true, written: (key) => written.get(key) ?? [], rewritten }));
      const exporting = (key: string): string[] => moment.filter(({ services }) => services.has(key)).map(({ cluster }) => cluster);
      expected = new Map([...imports.keys()].map((key) => [key, [...new Set([...(expected.get(key) ?? []).filter((cluster) => exporting(key).includes(cluster)), ...exporting(key).sort()])]]));
      for (const [key, { precedence, ports }] of imports) {
        t.deepEqual(precedence, expected.get(key));
        const first = moment.find(({ cluster }) => cluster === precedence[0]);
        t.is(ports[0], first?.services.get(key)?.ports[0]);
      }
      rewritten = new Set([...written.keys(), ...imports.keys()]);
      written = new Map([...imports].map(([key, { precedence }]) => [key, precedence]));
    }
  }));
});

test('a replica whose memory differs takes the order that is written', (t) => {
  const both = ['west', 'east'].map((cluster): Constituent => ({ cluster, trustDomain: cluster, network: '', joinedAt: 0, services: new Map([['shop/a', record('a', cluster === 'west' ? 80 : 81)]]), endpoints: new Map() }));
  const merger = new Merger();
  const settled = { ...UNSETTLED, isSettled: true };
  t.deepEqual(result(merger.merge(both, settled)).imports.get('shop/a')?.precedence, ['east', 'west']);
  const { imports, changed } = result(merger.merge(both, { ...settled, written: () => ['west', 'east'] }));
  t.deepEqual([imports.get('shop/a')?.precedence, [...changed]], [['west', 'east'], ['shop/a']]);
});

test('only what can be different is looked at, and what stopped half way is told with the next', (t) => {
  const parts = (port: number): Constituent[] => ['east', 'west'].map((cluster) => ({ cluster, trustDomain: cluster, network: '', joinedAt: 0, services: new Map(RECORDS.filter((each) => each.ports[0]?.port === (cluster === 'east' ? 80 : port)).map((each) => [`shop/${each.name}`, each])), endpoints: new Map() }));
  const merger = new Merger();
  const looked: string[] = [];
  const settled: MergeMoment = { ...UNSETTLED, isSettled: true, rewritten: new Set(), written: (key) => [...looked.splice(looked.length, 0, key)] };
  const first = result(merger.merge(parts(80), settled));
  t.deepEqual([looked.splice(0), [...first.changed]], [['shop/a', 'shop/b'], ['shop/a', 'shop/b']]);
  t.is(result(merger.merge(parts(80), settled)).imports, first.imports);
  t.deepEqual(looked, []);
  result(merger.merge(parts(80), { ...settled, rewritten: new Set(['shop/b']) }));
  t.deepEqual(looked.splice(0), ['shop/b']);
  const stopped = merger.merge(parts(81), settled);
  stopped.next();
  stopped.return(undefined as never);
  const { imports, changed } = result(merger.merge(parts(81), settled));
  t.deepEqual([...changed], ['shop/a', 'shop/b']);
  t.deepEqual([...imports.values()].map(({ conflicts }) => conflicts.length > 0), [true, true]);
});

test('where all are listed from now on, all is looked at again', (t) => {
  const [east] = ['east'].map((cluster): Constituent => ({ cluster, trustDomain: cluster, network: '', joinedAt: 0, services: new Map([['shop/a', record('a', 80)]]), endpoints: new Map() }));
  const merger = new Merger();
  const moment = { ...UNSETTLED, rewritten: new Set<string>() };
  t.deepEqual(result(merger.merge([east as Constituent], moment)).imports.get('shop/a')?.precedence, []);
  t.deepEqual(result(merger.merge([east as Constituent], { ...moment, isSettled: true })).imports.get('shop/a')?.precedence, ['east']);
});
