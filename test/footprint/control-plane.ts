/**
 * What agents speak with, in one process: certificates and discovery of the federation service of each cluster, and as
 * much of an API server as tells pods. Arguments: a folder with `pods.json`, `policies.json` and perhaps `peers.json`, for the files that the
 * agent reads as well, and two ports: of discovery in the first cluster, those of further ones follow it, and of the API
 * server. SIGHUP has it read both again.
 */
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { pino } from 'pino';
import { CLUSTER, type IdlePod, namespaceObject, NODE, podObject } from './pod-objects.ts';
import { PeeredCluster, type ToldPeer } from './peered-cluster.ts';
import { ToldCluster } from './told-cluster.ts';

const [directory = '', discoveryPort = '', apiPort = ''] = process.argv.slice(2);
const log = pino({ level: 'warn' }, pino.destination(2));
const readPods = (): readonly IdlePod[] => JSON.parse(readFileSync(path.join(directory, 'pods.json'), 'utf8')) as readonly IdlePod[];
let pods = readPods();
/** AuthorizationPolicies and PeerAuthentications, as an API server has them. */
const readPolicies = (): readonly KubernetesObject[] => JSON.parse(readFileSync(path.join(directory, 'policies.json'), 'utf8')) as readonly KubernetesObject[];
let policies = readPolicies();
const announced = new Set<string>();
let version = 1;
/** What happened to pods since the beginning, for who has listed them and watches them a moment later. */
const events: { readonly version: number; readonly node: string; readonly line: string }[] = [];
/** Who watches pods, with the node whose pods it asked for. */
const watchers = new Map<ServerResponse, string>();

/** Where the first cluster has peers, its whole federation service runs. */
const peersFile = path.join(directory, 'peers.json');
const peers = existsSync(peersFile) ? (JSON.parse(readFileSync(peersFile, 'utf8')) as readonly ToldPeer[]) : [];
const told = peers.length > 0 ? [] : [...new Set([CLUSTER, ...pods.map(({ cluster = CLUSTER }) => cluster)])].map((name) => new ToldCluster(name, log));
const clusters = peers.length > 0 ? [new PeeredCluster(peers, (token) => token, log)] : told;
const { authority } = clusters[0] as ToldCluster | PeeredCluster;
const certificate = await authority.issueServer(['localhost'], Date.now(), AbortSignal.timeout(10_000));
for (const [name, text] of [['ca.crt', authority.rootsPem], ['token', 'a-token']] as const) writeFileSync(path.join(directory, name), text);

const objectOf = (pod: IdlePod) => {
  const object = podObject(pod, announced.has(pod.uid));
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
};

function publish(): void {
  for (const cluster of clusters) cluster.publish({ pods, policies, takesTunnels: ({ uid }) => announced.has(uid), objectOf }, told);
}

function tell(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: IdlePod): void {
  version++;
  const event = { version, node: pod.node ?? NODE, line: `${JSON.stringify({ type, object: objectOf(pod) })}\n` };
  events.push(event);
  for (const [watcher, node] of watchers) if (node === event.node) watcher.write(event.line);
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
    const since = Number(url.searchParams.get('resourceVersion') ?? version);
    const node = nodeIn(url);
    for (const event of events) if (event.version > since && event.node === node) response.write(event.line);
    watchers.set(response, node);
    response.once('close', () => watchers.delete(response));
    return;
  }
  response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items: isPods ? pods.filter(({ node = NODE, isGateway }) => node === nodeIn(url) && isGateway !== true).map(objectOf) : [namespaceObject] }));
}

publish();
process.on('SIGHUP', reload);
for (const [i, cluster] of clusters.entries()) await cluster.serve(Number(discoveryPort) + i, certificate);
const server = createServer({ cert: certificate.chainPem, key: certificate.keyPem }, (request, response) => void serveApi(request, response)).listen(Number(apiPort));
await once(server, 'listening');
process.stdout.write('ready\n');
