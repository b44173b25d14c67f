/**
 * What an agent speaks with, in one process: certificates and discovery of the federation service, and as much of an
 * API server as tells pods. Arguments: a folder with `pods.json` and `policies.json`, for the files that the agent reads
 * as well, and two ports. SIGHUP has it read both again.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import path from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { pino } from 'pino';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { CertificateService } from '@landbridge/federation/ca/certificate-service.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import { PolicyConverter } from '@landbridge/federation/policy/policy-view.ts';
import { localServices } from '@landbridge/federation/registry/local-endpoints.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import { authorizationResources } from '@landbridge/federation/xds/authorization-resources.ts';
import type { Resource } from '@landbridge/federation/xds/resource.ts';
import { trustBundleResources } from '@landbridge/federation/xds/trust-bundles.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import { type IdlePod, NAMESPACE, namespaceObject, NODE, podObject, serviceAddress, serviceAddress6, SERVICE_PORT, TARGET_PORT } from './pod-objects.ts';

const [directory = '', discoveryPort = '', apiPort = ''] = process.argv.slice(2);
const TRUST_DOMAIN = 'west.landbridge';
const log = pino({ level: 'warn' }, pino.destination(2));
const readPods = (): readonly IdlePod[] => JSON.parse(readFileSync(path.join(directory, 'pods.json'), 'utf8')) as readonly IdlePod[];
let pods = readPods();
/** AuthorizationPolicies and PeerAuthentications, as an API server has them. */
const readPolicies = (): readonly KubernetesObject[] => JSON.parse(readFileSync(path.join(directory, 'policies.json'), 'utf8')) as readonly KubernetesObject[];
let policies = readPolicies();
const converter = new PolicyConverter('landbridge-system');
const announced = new Set<string>();
let version = 1;
/** Who watches pods, with the node whose pods it asked for. */
const watchers = new Map<ServerResponse, string>();

const authority = exampleAuthority(TRUST_DOMAIN);
const certificate = await authority.issueServer(['localhost'], Date.now(), AbortSignal.timeout(10_000));
for (const [name, text] of [['ca.crt', authority.rootsPem], ['token', 'a-token']] as const) writeFileSync(path.join(directory, name), text);

const identities = (): ReadonlySet<SpiffeId> => new Set(pods.map(({ name }) => spiffeId({ trustDomain: TRUST_DOMAIN, namespace: NAMESPACE, serviceAccount: name })).flatMap((id) => (id.ok ? [id.value] : [])));
const authenticator = new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: NODE, pod: 'agent' }), 'landbridge-system', Date.now);
const ads = new AdsService(authenticator, log);

const objectOf = (pod: IdlePod) => {
  const object = podObject(pod, announced.has(pod.uid));
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
};

/** Each pod is an endpoint of a Service of its own, whose address other pods would call. */
function publish(): void {
  const objects = pods.map(objectOf);
  const services = pods.map(({ name }, i) => ({ metadata: { namespace: NAMESPACE, name, uid: name }, spec: { clusterIPs: [serviceAddress(i), serviceAddress6(i)], ports: [{ name: 'http', port: SERVICE_PORT, protocol: 'TCP' }] } }));
  const slices = pods.flatMap(({ name, address, addresses = [address], node = NODE }) => addresses.map((each, i) => ({ addressType: isIPv6(each) ? 'IPv6' : 'IPv4', metadata: { namespace: NAMESPACE, name: `${name}-${i}`, labels: { 'kubernetes.io/service-name': name } }, ports: [{ name: 'http', port: TARGET_PORT, protocol: 'TCP' }], endpoints: [{ addresses: [each], conditions: { ready: true }, nodeName: node, targetRef: { kind: 'Pod', namespace: NAMESPACE, name } }] })));
  const view = converter.view({ authorizationPolicies: policies.filter(({ kind }) => kind === 'AuthorizationPolicy'), peerAuthentications: policies.filter(({ kind }) => kind === 'PeerAuthentication') });
  const inputs = { cluster: 'west', trustDomain: TRUST_DOMAIN, network: '', domain: 'cluster.local', policiesOf: view.namesFor, trafficOf: () => NO_TRAFFIC_POLICY, pods: objects, nodes: [], services: localServices({ services, slices, pods: objects, nodes: [], namespaces: [namespaceObject], exports: [], imports: [] }), imports: [] };
  const types = new Map<string, ReadonlyMap<string, Resource>>([[ADDRESS_TYPE, addressResources(inputs)], [AUTHORIZATION_TYPE, authorizationResources(view.policies)], [TRUST_BUNDLE_TYPE, trustBundleResources([{ trustDomain: TRUST_DOMAIN, roots: authority.roots }])]]);
  ads.publish({ types, isComplete: () => true, allComplete: true, allListed: true });
}

function tell(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: IdlePod): void {
  version++;
  for (const [watcher, node] of watchers) if (node === (pod.node ?? NODE)) watcher.write(`${JSON.stringify({ type, object: objectOf(pod) })}\n`);
}

/** What is not in the file any more is deleted, what is new in it was added. */
function reload(): void {
  const before = pods;
  pods = readPods();
  policies = readPolicies();
  publish();
  const missing = (from: readonly IdlePod[], other: readonly IdlePod[]): IdlePod[] => from.filter(({ uid }) => !other.some((pod) => pod.uid === uid));
  for (const pod of missing(before, pods)) tell('DELETED', pod);
  for (const pod of missing(pods, before)) tell('ADDED', pod);
}

/** Of the field selector `spec.nodeName=NODE`. */
const nodeIn = (url: URL): string => (url.searchParams.get('fieldSelector') ?? '').replace(/^spec\.nodeName=/, '');

/** That a pod takes tunnels is told to all; once for what comes together. */
let isPublishing = false;
function publishSoon(): void {
  if (isPublishing) return;
  isPublishing = true;
  setImmediate(() => {
    isPublishing = false;
    publish();
  });
}

async function serveApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '', 'https://localhost');
  const isPods = url.pathname === '/api/v1/pods';
  if (request.method === 'PATCH') {
    for await (const _ of request);
    const pod = pods.find(({ name }) => name === url.pathname.split('/').at(-1));
    if (pod === undefined) return void response.writeHead(404).end();
    announced.add(pod.uid);
    tell('MODIFIED', pod);
    publishSoon();
    return void response.end(JSON.stringify(objectOf(pod)));
  }
  if (url.searchParams.get('watch') === '1') {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    if (!isPods) return;
    watchers.set(response, nodeIn(url));
    response.once('close', () => watchers.delete(response));
    return;
  }
  response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items: isPods ? pods.filter(({ node = NODE }) => node === nodeIn(url)).map(objectOf) : [namespaceObject] }));
}

publish();
process.on('SIGHUP', reload);
await startGrpcServer({ port: Number(discoveryPort), certificate, createCertificate: new CertificateService({ authority, authenticator, identities: { runsOn: async (_, identity) => identities().has(identity) }, clock: Date.now, log }).handle, deltaAggregatedResources: ads.handle });
const server = createServer({ cert: certificate.chainPem, key: certificate.keyPem }, (request, response) => void serveApi(request, response)).listen(Number(apiPort));
await once(server, 'listening');
process.stdout.write('ready\n');
