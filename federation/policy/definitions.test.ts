import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { KubernetesObjectApi, type V1Condition } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import pino from 'pino';
import { parse } from 'yaml';
import type { ResourceKind } from '../kubernetes/object-source.ts';
import { CRDS, OptionalSource } from '../kubernetes/optional-source.ts';
import { KubernetesObjectSource } from '../kubernetes/kubernetes-object-source.ts';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { writePolicyStatuses } from '../clusterset/policy-statuses.ts';
import { Writer } from '../outputs/writer.ts';
import { boundedBy, exampleRule } from '../traffic/example-rules.ts';
import { TrafficConverter } from '../traffic/traffic-view.ts';
import { convertAuthorizationPolicy } from './authorization-policy.ts';
import { exampleAuthentication, exampleAuthorization, type PolicyObject } from './example-policies.ts';
import { PolicyConverter } from './policy-view.ts';

const FOLDER = path.resolve(import.meta.dirname, '../../charts/federation/definitions');
const KIND = { group: 'security.istio.io', versions: ['v1'], kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' };
const silent = pino({ level: 'silent' });

const definitionIn = (file: string): Definition => parse(readFileSync(path.join(FOLDER, file), 'utf8')) as Definition;

let server: TestApiServer;
let client: KubernetesObjectApi;
test.before(async () => {
  server = await TestApiServer.start();
  client = KubernetesObjectApi.makeApiClient(server.config);
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

test.serial('policies are followed from the moment on that their kind is defined, until it is not any more', async (t) => {
  const stop = new AbortController();
  const apiServer = new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1'));
  const sourceOf = (kind: ResourceKind): KubernetesObjectSource<PolicyObject> => new KubernetesObjectSource(apiServer, kind, silent, { listSpacingMs: 500 });
  const definitions = sourceOf(CRDS);
  const source = new OptionalSource(KIND, sourceOf);
  const follow = (): void => source.follow(definitions, () => {}, stop.signal);
  definitions.start(follow, stop.signal);
  await until('the definitions', () => definitions.synced);
  t.is(source.apiVersion, undefined);
  await server.define(...readdirSync(FOLDER).map((name) => definitionIn(name)));
  await until('the kind to be followed', () => source.apiVersion !== undefined && source.synced);
  t.is(source.apiVersion, 'security.istio.io/v1');
  await client.create(exampleAuthorization({ rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] }, { name: 'kept' }));
  await until('the policy', () => source.list().length === 1);
  t.like(convertAuthorizationPolicy(source.list()[0], 'root'), { policy: { name: 'kept', action: 'allow' }, verdict: { kind: 'accepted' } });
  await client.delete({ apiVersion: CRDS.apiVersion, kind: CRDS.kind, metadata: { name: 'authorizationpolicies.security.istio.io' } });
  await until('the kind to be let go', () => source.apiVersion === undefined);
  t.deepEqual([source.apiVersion, source.list().length, source.synced], [undefined, 0, true]);
  await server.define(definitionIn('authorizationpolicies.yaml'));
  await until('the kind to be followed', () => source.apiVersion !== undefined && source.synced);
  t.deepEqual([source.apiVersion, source.list().length], ['security.istio.io/v1', 0]);
  stop.abort();
});

const GOOD: readonly PolicyObject[] = [
  exampleAuthorization({}),
  exampleAuthorization({ action: 'DENY', rules: [{}] }),
  exampleAuthorization({ selector: { matchLabels: { app: 'cart' } }, rules: [{ from: [{ source: { principals: ['*', 'west.landbridge/*', '*/sa/cart'], serviceAccounts: ['cart', 'bank/till'], notIpBlocks: ['10.0.0.0/8', 'fd00::1'] } }], to: [{ operation: { ports: ['80', '65535'], methods: ['GET'] } }], when: [{ key: 'request.headers[x]', notValues: ['y'] }] }] }),
  exampleAuthorization({ targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'waypoint' }], action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] }),
  // What no pattern can say: agents deny by it.
  exampleAuthorization({ action: 'DENY', rules: [{ from: [{ source: { ipBlocks: ['0177.0.0.1'] } }] }] }),
  { ...exampleAuthorization({}), apiVersion: 'security.istio.io/v1beta1' },
  exampleAuthentication({ mtls: { mode: 'STRICT' } }),
  exampleAuthentication({ selector: { matchLabels: { app: 'cart' } }, portLevelMtls: { 9090: { mode: 'PERMISSIVE' } } }),
  exampleRule({ host: '*.shop.svc.cluster.local', subsets: [{ name: 'v1' }], trafficPolicy: { connectionPool: { tcp: { maxConnections: 5, connectTimeout: '1s' } }, loadBalancer: { consistentHash: { useSourceIp: true } }, tls: { mode: 'ISTIO_MUTUAL' } } }),
];
const BAD: readonly [PolicyObject, RegExp][] = [
  [exampleAuthorization({ action: 'DENNY' }), /spec\.action/],
  [exampleAuthorization({ rules: [{ from: [{ source: { namespaces: ['a*b'] } }] }] }), /namespaces/],
  [exampleAuthorization({ rules: [{ from: [{ source: { serviceAccounts: ['c[ab]rt'] } }] }] }), /serviceAccounts/],
  [exampleAuthorization({ rules: [{ to: [{ operation: { ports: ['080'] } }] }] }), /ports/],
  [exampleAuthorization({ rules: [{ from: [{}] }] }), /source/],
  [exampleAuthorization({ selector: { matchLabels: { a: 'b' } }, targetRef: { kind: 'Gateway', name: 'w' } }), /only one of/],
  [exampleRule({}), /host/],
  [exampleRule({ host: 'a*b' }), /spec\.host/],
  [exampleRule({ host: 'cart', trafficPolicy: { connectionPool: { tcp: { maxConnections: -1 } } } }), /maxConnections/],
  [exampleAuthentication({ mtls: { mode: 'STRIKT' } }), /mode/],
  [exampleAuthentication({ portLevelMtls: { 80: { mode: 'STRICT' } } }), /needs a selector/],
  [exampleAuthentication({ selector: { matchLabels: { a: 'b' } }, portLevelMtls: { 70000: { mode: 'STRICT' } } }), /65535/],
];

test.serial('our own definitions take what Istio’s take, and refuse what nobody could evaluate', async (t) => {
  for (const [i, object] of GOOD.entries()) await t.notThrowsAsync(client.create({ ...object, metadata: { namespace: 'shop', name: `good-${i}` } }), JSON.stringify(object));
  for (const [object, message] of BAD) await t.throwsAsync(client.create({ ...object, metadata: { namespace: 'shop', name: 'bad' } }), { message }, JSON.stringify(object));
});

test.serial('what became of a policy is written once, beside what others say of it', async (t) => {
  const stop = new AbortController();
  const source = new KubernetesObjectSource<PolicyObject>(new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1')), { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' }, silent);
  const bad = exampleAuthorization({ action: 'DENY', rules: [{ from: [{ source: { ipBlocks: ['0177.0.0.1'] } }] }] }, { name: 'judged' });
  await client.create(bad);
  source.start(() => {}, stop.signal);
  const conditions = (): readonly V1Condition[] => (source.get('shop', 'judged') as { status?: { conditions?: V1Condition[] } } | undefined)?.status?.conditions ?? [];
  await until('the policy to be seen', () => source.get('shop', 'judged') !== undefined);
  const theirs = { type: 'Theirs', status: 'True', reason: 'Why', message: 'x', lastTransitionTime: new Date(0) };
  const writer = new Writer(kubeConfigAccess(server.config, 'test'), silent);
  t.true(await writer.writeStatus('authorizationpolicies', source.get('shop', 'judged') as PolicyObject, { conditions: [theirs] }, { asRead: true }));
  await until('its condition', () => conditions().length === 1);
  const pass = async (): Promise<number> => {
    let writes = 0;
    const { judged } = new PolicyConverter('root').view({ authorizationPolicies: [source.get('shop', 'judged') as PolicyObject], peerAuthentications: [] });
    await writePolicyStatuses(judged, { writeStatus: async (...args) => await writer.writeStatus(...args).finally(() => writes++) }, new Date());
    return writes;
  };
  t.is(await pass(), 1);
  await until('all conditions', () => conditions().length === 3);
  t.deepEqual(conditions().map(({ type, status, reason }) => `${type}=${status} ${reason}`), ['Theirs=True Why', 'Accepted=True PartiallyInvalid', 'ZtunnelAccepted=True PartiallyInvalid']);
  t.is(await pass(), 0);
  stop.abort();
});

test.serial('what became of a DestinationRule is written too, with what agents do not act upon', async (t) => {
  const stop = new AbortController();
  const source = new KubernetesObjectSource<PolicyObject>(new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1')), { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', plural: 'destinationrules' }, silent);
  await client.create(exampleRule({ ...boundedBy('cart', 5), subsets: [] }, { name: 'judged' }));
  source.start(() => {}, stop.signal);
  await until('the policy to be seen', () => source.get('shop', 'judged') !== undefined);
  const { judged, policyOf } = new TrafficConverter({ rootNamespace: 'root', domain: 'cluster.local' }).view([source.get('shop', 'judged') as PolicyObject]);
  t.is(policyOf('shop', 'cart.shop.svc.cluster.local').limits.maxConnections, 5);
  t.deepEqual(await writePolicyStatuses(judged, new Writer(kubeConfigAccess(server.config, 'test'), silent), new Date()), { isWritten: true, hasMore: false });
  const conditions = (): readonly V1Condition[] => (source.get('shop', 'judged') as { status?: { conditions?: V1Condition[] } } | undefined)?.status?.conditions ?? [];
  await until('its condition', () => conditions().length === 1);
  t.deepEqual(conditions().map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`), ['Accepted=True UnsupportedValue: In force, but for what agents do not act upon: subsets.']);
  stop.abort();
});
