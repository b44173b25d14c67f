import type { Endpoint, ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import fc from 'fast-check';
import { endpoint } from '../records/example-records.ts';
import { type Conflict, conflictMessage, conflictReason } from './conflicts.ts';
import { type Constituent, merge as mergeAt } from './merge.ts';
import { isSamePort } from './merge-ports.ts';

/** After all that is said to be exported. */
const merge = (list: readonly Constituent[]): ReturnType<typeof mergeAt> => mergeAt(list, 100);

/** Also lists that no API server would accept: a peer may say anything that the schema allows. */
const port: fc.Arbitrary<ServicePort> = fc.record(
  { name: fc.constantFrom('', 'http', 'grpc', 'metrics'), protocol: fc.constantFrom('TCP' as const, 'UDP' as const), port: fc.integer({ min: 80, max: 83 }), appProtocol: fc.constantFrom('h2c', 'ws') },
  { requiredKeys: ['name', 'protocol', 'port'] },
);

const exported = fc.record({
  key: fc.constantFrom('shop/cart', 'shop/pay', 'bank/cart'),
  exportedAt: fc.integer({ min: 1, max: 4 }),
  type: fc.constantFrom('ClusterSetIP' as const, 'Headless' as const),
  sessionAffinity: fc.constantFrom('None' as const, 'ClientIP' as const),
  timeout: fc.option(fc.constantFrom(10, 20), { nil: undefined }),
  ports: fc.array(port, { maxLength: 4 }),
  trafficDistribution: fc.option(fc.constantFrom('PreferSameZone', 'PreferClose'), { nil: undefined }),
  internalTrafficPolicy: fc.option(fc.constantFrom('Local' as const, 'Cluster' as const), { nil: undefined }),
  exportedLabels: fc.option(fc.constantFrom<Record<string, string>[]>({ a: '1', b: '2' }, { b: '2', a: '1' }, { a: '2' }), { nil: undefined }),
  workloads: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 }),
});

type Exported = typeof exported extends fc.Arbitrary<infer T> ? T : never;

function record({ key, workloads: _, timeout: sessionAffinityTimeoutSeconds, ...more }: Exported): ServiceRecord {
  const [namespace = '', name = ''] = key.split('/');
  // What a record does not say is not there.
  return JSON.parse(JSON.stringify({ kind: 'svc', namespace, name, sessionAffinityTimeoutSeconds, ipFamilies: ['IPv4'], ...more })) as ServiceRecord;
}

const constituents: fc.Arbitrary<Constituent[]> = fc
  .uniqueArray(fc.record({ cluster: fc.constantFrom('east', 'north', 'south', 'west'), exports: fc.uniqueArray(exported, { selector: ({ key }) => key, maxLength: 3 }) }), { selector: ({ cluster }) => cluster, maxLength: 4 })
  .map((list) => list.map(({ cluster, exports }) => ({
    cluster,
    trustDomain: `${cluster}.landbridge`,
    network: cluster,
    joinedAt: 0,
    services: new Map(exports.map((each) => [each.key, record(each)])),
    endpoints: new Map(exports.map((each) => [each.key, each.workloads.map((workload) => endpoint(`${cluster}-${workload}`))])),
  })));

/** Of one service, who exports it, oldest first. */
function exporters(list: readonly Constituent[], key: string): readonly { readonly cluster: string; readonly record: ServiceRecord; readonly endpoints: readonly Endpoint[] }[] {
  return list
    .flatMap(({ cluster, services, endpoints }) => [...services].filter(([name]) => name === key).map(([, found]) => ({ cluster, record: found, endpoints: endpoints.get(key) ?? [] })))
    .sort((a, b) => a.record.exportedAt - b.record.exportedAt || (a.cluster < b.cluster ? -1 : 1));
}

test('the order of the constituents does not change the result', (t) => {
  const orders = constituents.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })));
  fc.assert(fc.property(orders, ([list, shuffled]) => {
    t.deepEqual([...merge(shuffled)], [...merge(list)]);
  }));
});

test('every endpoint of every cluster that exports the service is kept, under its cluster', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    const merged = merge(list);
    t.deepEqual([...merged.keys()], [...new Set(list.flatMap(({ services }) => [...services.keys()]))].sort());
    for (const [key, { clusters }] of merged) {
      const expected = exporters(list, key).map(({ cluster, record: { ports }, endpoints }) => ({ cluster, trustDomain: `${cluster}.landbridge`, network: cluster, ports, endpoints }));
      t.deepEqual([...clusters], expected.sort((a, b) => (a.cluster < b.cluster ? -1 : 1)));
    }
  }));
});

test('the oldest export decides, of equally old ones the first by name; who differs is named', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    for (const [key, imported] of merge(list)) {
      const [oldest, ...others] = exporters(list, key);
      for (const field of ['type', 'sessionAffinity', 'sessionAffinityTimeoutSeconds', 'ipFamilies', 'internalTrafficPolicy', 'trafficDistribution'] as const) t.deepEqual(imported[field], oldest?.record[field]);
      t.deepEqual([imported.labels, imported.annotations], [oldest?.record.exportedLabels ?? {}, oldest?.record.exportedAnnotations ?? {}]);
      for (const field of ['type', 'sessionAffinity', 'trafficDistribution'] as const) {
        const different = others.filter(({ record: theirs }) => theirs[field] !== oldest?.record[field]).map(({ cluster }) => cluster);
        const said = imported.conflicts.filter((conflict) => conflict.field === field);
        t.deepEqual(said.map(({ winner, losers }) => ({ winner, losers })), different.length > 0 ? [{ winner: oldest?.cluster ?? '', losers: different.sort() }] : []);
      }
    }
  }));
});

const isPort = (conflict: Conflict): conflict is Conflict & { readonly field: 'ports' } => conflict.field === 'ports';

test('ports are united: each is there, or has given way to an older one and is reported', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    for (const [key, { ports, conflicts }] of merge(list)) {
      const parts = exporters(list, key);
      const said = conflicts.filter(isPort);
      for (const each of parts) {
        for (const wanted of each.record.ports) {
          const kept = ports.find((candidate) => isSamePort(candidate, wanted));
          const about = said.filter(({ losers }) => losers.includes(each.cluster));
          if (kept === undefined) t.true(about.some(({ kind, port: told }) => kind === 'port-displaced' && isSamePort(told, wanted)));
          else t.true(kept.appProtocol === wanted.appProtocol || about.some(({ kind, port: told }) => kind === 'port-protocol' && isSamePort(told, wanted)));
        }
      }
      for (const each of ports) t.true(parts.some(({ record: theirs }) => theirs.ports.includes(each)), 'no port comes from nowhere');
      t.deepEqual(ports[0], parts.find(({ record: theirs }) => theirs.ports.length > 0)?.record.ports[0], 'the oldest port stays');
    }
  }));
});

test('a port that not all have is told of those that have it not, once, and of nobody else', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    for (const [key, { ports, conflicts }] of merge(list)) {
      for (const each of ports) {
        const lack = exporters(list, key).filter(({ record: theirs }) => !theirs.ports.some((other) => isSamePort(other, each))).map(({ cluster }) => cluster);
        const told = conflicts.filter(isPort).flatMap((conflict) => (conflict.kind === 'port-absent' && isSamePort(conflict.port, each)) || (conflict.kind === 'port-displaced' && isSamePort(conflict.by, each)) ? conflict.losers : []);
        t.true(lack.every((cluster) => told.includes(cluster)));
      }
    }
  }));
});

test('conflicts are a condition that an API server takes', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    for (const { conflicts } of merge(list).values()) {
      t.is(conflictReason(conflicts) === '', conflicts.length === 0);
      if (conflicts.length > 0) t.regex(conflictReason(conflicts), /^[A-Za-z]([A-Za-z0-9_,:]{0,1022}[A-Za-z0-9_])?$/);
      t.true(conflictMessage(conflicts).length <= 5000);
    }
  }));
});

test('the ports of the result are those of a valid Service', (t) => {
  fc.assert(fc.property(constituents, (list) => {
    for (const { ports } of merge(list).values()) {
      t.is(new Set(ports.map(({ name }) => name)).size, ports.length);
      t.is(new Set(ports.map(({ port: number, protocol }) => `${number}/${protocol}`)).size, ports.length);
      t.true(ports.length <= 1 || ports.every(({ name }) => name !== ''), 'only a single port may be without a name');
    }
  }));
});

test('clusters that agree have no conflict', (t) => {
  fc.assert(fc.property(exported, fc.uniqueArray(fc.constantFrom('east', 'north', 'west'), { minLength: 1 }), (one, clusters) => {
    const valid = { ...one, ports: one.ports.filter((each, index) => index === 0 || (one.ports[0]?.name !== '' && each.name !== '' && one.ports.findIndex((other) => other.name === each.name || (other.port === each.port && other.protocol === each.protocol)) === index)) };
    const merged = merge(clusters.map((cluster) => ({ cluster, trustDomain: '', network: '', joinedAt: 0, services: new Map([[one.key, record(valid)]]), endpoints: new Map() })));
    t.deepEqual(merged.get(one.key)?.conflicts, []);
  }));
});
