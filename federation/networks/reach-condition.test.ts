import test from 'ava';
import { exampleImport, part } from '../outputs/example-imports.ts';
import type { ImportedService } from '../merge/merge.ts';
import { reachCondition } from './reach-condition.ts';

type Reach = ImportedService['clusters'][number]['reach'];
const of = (reaches: Readonly<Record<string, Reach>>, type: ImportedService['type'] = 'ClusterSetIP') => reachCondition(exampleImport({ type, clusters: Object.entries(reaches).map(([cluster, reach]) => ({ ...part(cluster), ...(reach === undefined ? {} : { reach }) })) }));

test('where all pods are reached by their addresses there is nothing to say', (t) => {
  t.is(of({ east: undefined, west: 'direct' }), undefined);
});

test('pods behind gateways are reached by the mesh, and by nobody else', (t) => {
  t.like(of({ east: 'direct', west: 'gateway' }), { status: 'True', reason: 'ThroughGateways' });
  t.regex(of({ west: 'gateway', north: 'gateway' })?.message ?? '', /^Pods of west, north are in other networks: .* no EndpointSlice has them\.$/);
});

test('pods of a headless service, and those that no gateway leads to, are not reached', (t) => {
  t.like(of({ west: 'gateway' }, 'Headless'), { status: 'False', reason: 'HeadlessInOtherNetwork' });
  t.like(of({ west: 'gateway', south: 'none' }), { status: 'False', reason: 'NoGateway' });
  t.regex(of({ west: 'gateway', south: 'none' })?.message ?? '', /west.*Pods of south are in other networks, to which no gateway is known\.$/);
});

test('a long list of clusters is cut', (t) => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`c${i}`, 'none' as const]));
  t.regex(of(many)?.message ?? '', /c19 and 280 more/);
});
