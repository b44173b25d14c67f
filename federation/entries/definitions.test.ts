import { readFileSync } from 'node:fs';
import path from 'node:path';
import { KubernetesObjectApi } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import pino from 'pino';
import { parse } from 'yaml';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { KubernetesObjectSource } from '../kubernetes/kubernetes-object-source.ts';
import type { ResourceKind } from '../kubernetes/object-source.ts';
import { CRDS, OptionalSource } from '../kubernetes/optional-source.ts';
import { Writer } from '../outputs/writer.ts';
import { AddressPool } from './address-pool.ts';
import { type EntryObject, exampleServiceEntry, exampleWorkloadEntry } from './example-entries.ts';
import { readServiceEntry } from './service-entry.ts';
import { readWorkloadEntry } from './workload-entry.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../charts/federation/definitions');
const silent = pino({ level: 'silent' });

let server: TestApiServer;
let client: KubernetesObjectApi;
test.before(async () => {
  server = await TestApiServer.start();
  client = KubernetesObjectApi.makeApiClient(server.config);
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  await server.define(...['serviceentries', 'workloadentries'].map((name) => parse(readFileSync(path.join(FOLDER, `${name}.yaml`), 'utf8')) as Definition));
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

const GOOD: readonly EntryObject[] = [
  exampleServiceEntry('', {}),
  exampleServiceEntry('', { hosts: ['*.example.com', 'Db.example'], location: 'MESH_EXTERNAL', resolution: 'DYNAMIC_DNS', exportTo: ['.', 'bank'], subjectAltNames: ['x'] }),
  exampleServiceEntry('', { resolution: 'STATIC', addresses: ['198.51.100.0/24', '2001:db8::1'], endpoints: [{ address: '192.0.2.1', ports: { http: 8080 }, labels: { a: 'b' }, network: 'n', locality: 'r/z', weight: 4294967295, serviceAccount: 'x' }, { network: 'n2' }], ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }, { number: 81, name: 'other' }] }),
  exampleServiceEntry('', { resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a.example' }] }),
  exampleServiceEntry('', { resolution: 'STATIC', workloadSelector: { labels: { app: 'a' } } }),
  { ...exampleServiceEntry('', {}), apiVersion: 'networking.istio.io/v1alpha3' },
  exampleWorkloadEntry('', { labels: { app: 'a' }, ports: { http: 80 }, weight: 1 }),
  { ...exampleWorkloadEntry('', {}), apiVersion: 'networking.istio.io/v1beta1' },
];
const BAD: readonly [EntryObject, RegExp][] = [
  [exampleServiceEntry('', { hosts: [] }), /hosts/],
  [exampleServiceEntry('', { hosts: ['*'] }), /hosts/],
  [exampleServiceEntry('', { hosts: ['a_b.example'] }), /hosts/],
  [exampleServiceEntry('', { resolution: 'SOMEHOW' }), /resolution/],
  [exampleServiceEntry('', { endpoints: [{ address: '192.0.2.1' }] }), /NONE there are no endpoints/],
  [exampleServiceEntry('', { resolution: 'DNS', addresses: ['198.51.100.0/24'] }), /ranges/],
  [exampleServiceEntry('', { resolution: 'STATIC', endpoints: [{ address: 'unix:///run/x' }] }), /sockets/],
  [exampleServiceEntry('', { resolution: 'STATIC', endpoints: [{}] }), /has an address/],
  [exampleServiceEntry('', { resolution: 'STATIC', endpoints: [{ address: '192.0.2.1' }], workloadSelector: { labels: { a: 'b' } } }), /only one of/],
  [exampleServiceEntry('', { ports: [{ number: 0, name: 'a' }] }), /number/],
  [exampleServiceEntry('', { ports: [{ number: 80, name: 'a' }, { number: 80, name: 'b' }] }), /there once/],
  [exampleWorkloadEntry('', { ports: { http: 70_000 } }), /ports/],
  [exampleWorkloadEntry('', { weight: -1 }), /weight/],
];

test.serial('our own definitions take what Istio’s take, and refuse what nobody could use; what they take can be read', async (t) => {
  for (const [i, object] of GOOD.entries()) {
    await t.notThrowsAsync(client.create({ ...object, metadata: { namespace: 'shop', name: `good-${i}` } }), JSON.stringify(object));
    const read = (object.kind === 'ServiceEntry' ? readServiceEntry : readWorkloadEntry)({ ...object, metadata: { namespace: 'shop', name: 'x' } });
    t.deepEqual(read?.faults, []);
  }
  for (const [object, message] of BAD) await t.throwsAsync(client.create({ ...object, metadata: { namespace: 'shop', name: 'bad' } }), { message }, JSON.stringify(object));
});

test.serial('an automatic address is kept by the API server beside what others say, and found again', async (t) => {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const apiServer = new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1'));
  const sourceOf = (kind: ResourceKind): KubernetesObjectSource<EntryObject> => new KubernetesObjectSource(apiServer, kind, silent, { listSpacingMs: 500 });
  const definitions = sourceOf(CRDS);
  const source = new OptionalSource<EntryObject>({ group: 'networking.istio.io', versions: ['v1', 'v1beta1'], kind: 'ServiceEntry', plural: 'serviceentries' }, sourceOf);
  definitions.start(() => source.follow(definitions, () => {}, stop.signal), stop.signal);
  await client.create(exampleServiceEntry('found', { resolution: 'DNS' }));
  const object = (): EntryObject | undefined => source.at('shop/found');
  await until('the entry to be seen', () => object() !== undefined);
  t.true(source.isOurs);
  const writer = new Writer(kubeConfigAccess(server.config, 'test'), silent);
  const theirs = { type: 'Theirs', status: 'True' };
  t.true(await writer.writeStatus('serviceentries', object() as EntryObject, { conditions: [theirs] }, { asRead: true }));
  await until('the status of others', () => JSON.stringify(object()?.status ?? {}).includes('Theirs'));
  const pool = new AddressPool();
  pool.set('shop/found', readServiceEntry(object())?.entry);
  const addresses = pool.wanted('shop/found');
  t.is(addresses?.length, 2);
  t.true(await writer.writeStatus('serviceentries', object() as EntryObject, { addresses }, { asRead: true }));
  await until('the address', () => JSON.stringify(object()?.status ?? {}).includes('240.240.'));
  t.deepEqual(object()?.status, { addresses, conditions: [theirs] } as object);
  pool.set('shop/found', readServiceEntry(object())?.entry);
  t.is(pool.wanted('shop/found'), undefined);
  stop.abort();
});
