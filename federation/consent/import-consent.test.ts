import type { KubernetesObject, V1Node } from '@kubernetes/client-node';
import type { Endpoint, ServiceRecord } from '@landbridge/core/records.ts';
import test from 'ava';
import type { TakenChanges } from '../clusterset/object-sources.ts';
import { type Kind, KINDS, OPTIONAL_KINDS } from '../clusterset/kinds.ts';
import { keyOf } from '../kubernetes/types.ts';
import type { Constituent } from '../merge/merge.ts';
import { endpoint } from '../records/example-records.ts';
import { examplePolicy } from './example-policies.ts';
import { HOLD_MS, MAX_CHANGES } from './export-damping.ts';
import { ImportConsent, MAX_SERVICES_PER_CLUSTER, type OtherCluster } from './import-consent.ts';

const record = (namespace: string, name: string): ServiceRecord => ({ kind: 'svc', namespace, name, exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: '', protocol: 'TCP', port: 80 }], sessionAffinity: 'None', ipFamilies: ['IPv4'] });

function other(cluster: string, exports: Readonly<Record<string, readonly Endpoint[]>>, more: Partial<OtherCluster> = {}): OtherCluster {
  return { cluster, trustDomain: `${cluster}.landbridge`, network: '', joinedAt: 1, ranges: undefined, services: new Map(Object.keys(exports).map((key) => [key, record(key.split('/')[0] ?? '', key.split('/')[1] ?? '')])), endpoints: new Map(Object.entries(exports)), ...more };
}

class Importer {
  readonly consent: ImportConsent;
  readonly #objects = new Map<string, KubernetesObject>();
  #nowMs = 0;

  constructor(more: Partial<ConstructorParameters<typeof ImportConsent>[0]> = {}) {
    this.consent = new ImportConsent({ network: '', podRanges: [], serviceRanges: [], ...more });
  }

  /** Whether others have to be filtered anew. */
  put(kind: Kind, ...objects: KubernetesObject[]): boolean {
    for (const object of objects) this.#objects.set(`${kind} ${keyOf(object)}`, object);
    const keys = Object.fromEntries([...Object.keys(KINDS), ...Object.keys(OPTIONAL_KINDS)].map((name) => [name, new Set(name === kind ? objects.map(keyOf) : [])]));
    return this.consent.apply({ keys, redefined: new Set() } as unknown as TakenChanges, this.#source());
  }

  #source(): Parameters<ImportConsent['apply']>[1] {
    return { at: (kind: Kind, key: string) => this.#objects.get(`${kind} ${key}`) as never, list: (kind: Kind) => [...this.#objects].filter(([key]) => key.startsWith(`${kind} `)).map(([, object]) => object) as never };
  }

  filter(others: readonly OtherCluster[], afterMs = 0): readonly Constituent[] {
    this.#nowMs += afterMs;
    const work = this.consent.filter(others, this.#source(), this.#nowMs);
    for (;;) {
      const step = work.next();
      if (step.done === true) return step.value;
    }
  }

  reasons(cluster: string): string[] {
    return (this.consent.report.get(cluster)?.refusals ?? []).map(({ service, reason }) => `${service} ${reason}`);
  }
}

const node: V1Node = { metadata: { name: 'n1' }, spec: { podCIDRs: ['10.1.0.0/16'] }, status: { addresses: [{ type: 'InternalIP', address: '172.16.0.1' }] } };

test('what is not allowed is left out with its endpoints, and named', (t) => {
  const importer = new Importer();
  t.true(importer.put('importPolicies', examplePolicy({ governs: { namespaces: ['bank'] }, allow: [{ clusters: ['north'] }] })));
  const west = other('west', { 'shop/cart': [endpoint('a')], 'bank/till': [endpoint('b')], 'kube-system/kube-dns': [endpoint('c')], 'default/kubernetes': [endpoint('d')] });
  const [filtered] = importer.filter([west]);
  t.deepEqual([...(filtered?.services.keys() ?? [])], ['shop/cart']);
  t.deepEqual([...(filtered?.endpoints.keys() ?? [])], ['shop/cart']);
  t.deepEqual(importer.reasons('west'), ['bank/till policy', 'kube-system/kube-dns closed', 'default/kubernetes closed']);
  t.deepEqual([...(importer.consent.report.get('west')?.refused ?? [])], [['policy', 1], ['closed', 2]]);
  t.is(filtered?.services.get('shop/cart'), west.services.get('shop/cart'));
  t.is(filtered?.endpoints.get('shop/cart'), west.endpoints.get('shop/cart'));
});

test('endpoints are held against this cluster’s places and others’ ranges, and counted by reason', (t) => {
  const importer = new Importer();
  t.true(importer.put('nodes', node));
  const mallory = other('mallory', { 'shop/cart': [endpoint('own', '10.9.0.1'), endpoint('node', '172.16.0.1'), endpoint('pod', '10.1.0.1'), endpoint('west', '10.2.0.1'), endpoint('metadata', '169.254.169.254')] }, { joinedAt: 2 });
  const west = other('west', { 'shop/cart': [endpoint('w', '10.2.0.1')] }, { ranges: ['10.2.0.0/16'] });
  const [ofMallory, ofWest] = importer.filter([mallory, west]);
  t.deepEqual(ofMallory?.endpoints.get('shop/cart')?.map(({ workload }) => workload), ['own']);
  t.deepEqual(Object.fromEntries(importer.consent.report.get('mallory')?.dropped ?? []), { node: 1, 'pod-range': 1, 'other-cluster': 1, 'not-routable': 1 });
  t.is(ofWest?.endpoints.get('shop/cart'), west.endpoints.get('shop/cart'));
  const elsewhere = importer.filter([{ ...mallory, network: 'n2' }, west]);
  t.deepEqual(elsewhere[0]?.endpoints.get('shop/cart')?.map(({ workload }) => workload), ['own', 'node', 'pod', 'west'], 'in another network addresses mean something else');
});

test('ranges and shares of policies are kept to, and a policy that changes counts at once', (t) => {
  const importer = new Importer();
  importer.put('importPolicies', examplePolicy({ allow: [{ clusters: ['west'], ranges: ['10.2.0.0/24'], maxSharePercent: 30 }] }));
  const west = other('west', { 'shop/cart': [endpoint('a', '10.2.0.1'), endpoint('b', '10.2.1.1')] });
  const [before] = importer.filter([west]);
  t.deepEqual(before?.endpoints.get('shop/cart')?.map(({ workload }) => workload), ['a']);
  t.is(before?.maxShares?.get('shop/cart'), 30);
  t.is(importer.filter([west])[0], before, 'nothing changed');
  importer.put('importPolicies', examplePolicy({ allow: [{}] }));
  const [after] = importer.filter([west]);
  t.is(after?.endpoints.get('shop/cart'), west.endpoints.get('shop/cart'));
  t.is(after?.maxShares?.size, 0);
  importer.put('importPolicies', examplePolicy({ allow: 'nonsense' }));
  t.is(importer.filter([west])[0]?.services.size, 0);
});

test('a Service that comes to this cluster is looked at where a policy asks for it', (t) => {
  const importer = new Importer();
  const service = (name: string, labels: Record<string, string> = {}): KubernetesObject => ({ metadata: { namespace: 'shop', name, labels } });
  t.false(importer.put('services', service('till')), 'nobody asks');
  importer.put('importPolicies', examplePolicy({ allow: [{ unlessLocal: true }] }));
  const west = other('west', { 'shop/cart': [], 'shop/till': [], 'shop/derived': [] });
  importer.put('services', service('derived', { 'app.kubernetes.io/managed-by': 'landbridge' }));
  t.deepEqual([...(importer.filter([west])[0]?.services.keys() ?? [])], ['shop/cart', 'shop/derived']);
  t.true(importer.put('services', service('cart')));
  t.deepEqual([...(importer.filter([west])[0]?.services.keys() ?? [])], ['shop/derived']);
});

test('ranges of a rule that does not mean the service any more do not count any more, whatever was judged by them', (t) => {
  const importer = new Importer();
  importer.put('importPolicies', examplePolicy({ allow: [{ unlessLocal: true, ranges: ['10.2.0.0/24'] }, { ranges: ['10.2.1.0/24'] }] }));
  const [a, b] = [endpoint('a', '10.2.0.1'), endpoint('b', '10.2.1.1')];
  const kept = (...endpoints: readonly Endpoint[]): unknown => importer.filter([other('west', { 'shop/cart': endpoints })])[0]?.endpoints.get('shop/cart')?.map(({ workload }) => workload);
  const list = [a, b];
  const west = other('west', { 'shop/cart': list });
  t.deepEqual(importer.filter([west])[0]?.endpoints.get('shop/cart'), list);
  importer.put('services', { metadata: { namespace: 'shop', name: 'cart' } });
  t.deepEqual(importer.filter([west])[0]?.endpoints.get('shop/cart'), [b], 'the same list');
  t.deepEqual(kept(a, b, endpoint('c', '10.2.1.2')), ['b', 'c'], 'another one with the same endpoints');
});

test('of an endpoint that stays, nothing is judged again; of one that changes, everything', (t) => {
  const importer = new Importer();
  importer.put('nodes', node);
  const [a, b] = [endpoint('a', '10.9.0.1'), endpoint('b', '10.9.0.2')];
  const filtered = (...endpoints: readonly Endpoint[]): readonly Endpoint[] | undefined => importer.filter([other('west', { 'shop/cart': endpoints })])[0]?.endpoints.get('shop/cart');
  filtered(a, b);
  t.deepEqual(filtered(a, endpoint('b', '10.1.0.1')), [a], 'it is a pod of this cluster now');
  t.deepEqual(filtered(a, b), [a, b]);
  const moved: V1Node = { ...node, spec: { podCIDRs: ['10.9.0.0/30'] } };
  importer.put('nodes', moved);
  t.deepEqual(filtered(a, b, endpoint('c', '10.9.1.1'))?.map(({ workload }) => workload), ['c'], 'places changed');
});

test('of one cluster so many services are imported and no more, whichever others export', (t) => {
  const importer = new Importer();
  const many = Object.fromEntries(Array.from({ length: MAX_SERVICES_PER_CLUSTER + 3 }, (_, i) => [`shop/s${i}`, []]));
  const [ofMallory, ofWest] = importer.filter([other('mallory', many), other('west', { 'shop/s1': [] })]);
  t.is(ofMallory?.services.size, MAX_SERVICES_PER_CLUSTER);
  t.deepEqual(Object.fromEntries(importer.consent.report.get('mallory')?.refused ?? []), { quota: 3 });
  t.is(ofWest?.services.size, 1);
});

test('an export that flaps is held, and looked at again in time; of a cluster that is gone nothing is', (t) => {
  const importer = new Importer();
  const there = other('west', { 'shop/cart': [endpoint('a')] });
  const gone = other('west', {});
  for (let i = 0; i <= MAX_CHANGES + 1; i++) importer.filter([i % 2 === 0 ? there : gone], 10);
  t.is(importer.consent.report.get('west')?.held, 1);
  const due = importer.consent.nextAtMs;
  t.true(due !== undefined && due <= HOLD_MS + 1000);
  const [held] = importer.filter([there], 10);
  const [later] = importer.filter([there], HOLD_MS);
  t.deepEqual([held?.services.size, later?.services.size, importer.consent.nextAtMs], [0, 1, undefined]);
  for (let i = 0; i < 10; i++) importer.filter([i % 2 === 0 ? there : gone], 10);
  t.deepEqual(importer.filter([], 10), []);
  t.deepEqual([importer.consent.nextAtMs, importer.consent.report.size], [undefined, 0]);
});

test('where a declaration changes, only what follows from it is another object', (t) => {
  const importer = new Importer();
  const endpoints = [endpoint('a', '10.2.0.1')];
  const west = other('west', { 'shop/cart': endpoints }, { ranges: ['10.2.0.0/16'] });
  importer.filter([west]);
  t.is(importer.filter([{ ...west, ranges: ['10.2.0.0/17'] }])[0]?.endpoints.get('shop/cart'), endpoints);
  t.deepEqual(importer.filter([{ ...west, ranges: ['10.3.0.0/17'] }])[0]?.endpoints.get('shop/cart'), []);
});
