/**
 * A process of its own with a real API server, its etcd, the controller of EndpointSlices, and kwok in place of kubelets: so many
 * Services, each with its pods, and pods that change at the rate that it is told. Talks with its parent by messages.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { kubeConfigAccess } from '@landbridge/federation/kubernetes/kube-config-access.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { buildTools, type ToolName, toolPath } from '@landbridge/lab/tools.ts';
import { now } from './clock.ts';
import { namespaceOf, NAMESPACES, NODES, PATHS, pod, podName, PODS_PER_SERVICE, podUid } from './mesh-objects.ts';

const services = Number(process.argv[2]);
/** Requests under way while objects are made, and while pods change. */
const AT_ONCE = 64;
const POLL_MS = 5000;
/** A node holds more pods than the 256 addresses that controllers give it by default. */
const podRange = (node: number): string => `10.${16 + (node >> 4)}.${(node & 15) << 4}.0/20`;

await buildTools(new AbortController().signal, ['kwok']);
const directory = await mkdtemp(path.join(tmpdir(), 'landbridge-kwok-'));
const server = await TestApiServer.start('10.128.0.0/12');
const config = path.join(directory, 'kubeconfig');
await writeFile(config, server.config.exportConfig(), { mode: 0o600 });
const access = kubeConfigAccess(server.config, 'bench/1');
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

let isEnding = false;
const children = [
  start('kube-controller-manager', ['--controllers=endpointslice-controller', '--leader-elect=false', '--kube-api-qps=2000', '--kube-api-burst=4000', '--concurrent-service-endpoint-syncs=10', '--secure-port=0', `--kubeconfig=${config}`]),
  start('kwok', [`--config=${path.join(import.meta.dirname, 'kwok.yaml')}`, `--kubeconfig=${config}`]),
];

function start(tool: ToolName, args: readonly string[]): ChildProcess {
  const file = path.join(directory, `${tool}.log`);
  const log = openSync(file, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', toolPath(tool), ...args], { stdio: ['ignore', log, log], cwd: directory });
  child.once('exit', () => {
    if (isEnding) return;
    process.stderr.write(`${tool} ended: ${readFileSync(file, 'utf8').trim().split('\n').at(-1)}\n`);
    process.exit(1);
  });
  return child;
}

function endChildren(): void {
  isEnding = true;
  for (const child of children) child.kill('SIGKILL');
}

async function ask(method: string, at: string, body?: object, contentType = 'application/json'): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = request(new URL(at, access.server), { method, agent, ca: access.roots(), ...access.certificate, headers: { 'content-type': contentType } }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (part: string) => (text += part)).once('error', reject).once('end', () => {
      if ((answer.statusCode ?? 0) < 300) resolve(text);
      else reject(new Error(`${method} ${at}: ${answer.statusCode} ${text.slice(0, 300)}`));
    });
  });
  asked.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  return await promise;
}

async function each(count: number, make: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await make(next++);
  }));
}

const inNamespace = (collection: string, namespace: string): string => collection.replace(/\/([^/]+)$/, `/namespaces/${namespace}/$1`);

/** As somebody who wants it writes it: what kubelets and controllers say of it is theirs to say. */
function wanted(service: number, number: number): object {
  const { metadata, spec } = pod(service, number) as unknown as { metadata: { name: string; namespace: string; labels: object; annotations: object }; spec: object };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: metadata.name, namespace: metadata.namespace, labels: metadata.labels, annotations: metadata.annotations }, spec };
}

/** From the API server's cache: etcd would have to look through all pods for those that are missing. */
async function allRun(): Promise<boolean> {
  const { items } = JSON.parse(await ask('GET', `${PATHS.pods}?resourceVersion=0&fieldSelector=status.phase!%3DRunning`)) as { items: unknown[] };
  process.stderr.write(`${items.length} pods do not run yet\n`);
  return items.length === 0;
}

interface Slice {
  readonly metadata: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] | null;
}

/**
 * The controller is a while behind the pods: until it has told of all of them, it and not a change is what takes time. A
 * Service whose slices it could not write several times waits for up to 1000 s, unless the Service changes.
 */
async function allTold(turn: number): Promise<boolean> {
  const { items } = JSON.parse(await ask('GET', `${PATHS.slices}?resourceVersion=0`)) as { items: readonly Slice[] };
  const behind = items.filter(({ endpoints }) => (endpoints ?? []).filter(({ conditions }) => conditions?.ready === true).length < PODS_PER_SERVICE);
  process.stderr.write(`${services - items.length + behind.length} Services have endpoints that are not ready yet\n`);
  await Promise.all(behind.map(async ({ metadata: { namespace, labels } }) => await ask('PATCH', `${inNamespace(PATHS.services, namespace)}/${labels['kubernetes.io/service-name']}`, { metadata: { annotations: { 'bench/turn': String(turn) } } }, 'application/merge-patch+json')));
  return items.length === services && behind.length === 0;
}

const told = (about: object): void => void process.send?.({ ...about, atMs: now() });
/** By namespace and name, of pods that have changed. */
const uids = new Map<string, string>();

/** When a watch that only looks sees each change: what the API server takes is seen apart from what its reader does. */
async function watch(): Promise<void> {
  const { metadata: { resourceVersion } } = JSON.parse(await ask('GET', `${PATHS.pods}?limit=1`)) as { metadata: { resourceVersion: string } };
  const asked = request(new URL(`${PATHS.pods}?watch=1&resourceVersion=${resourceVersion}`, access.server), { agent: false, ca: access.roots(), ...access.certificate }, (answer) => {
    const lines = createInterface({ input: answer });
    // Of an API server that ends, as all does then.
    lines.once('error', () => {});
    lines.on('line', (line) => {
      const { object: { metadata: { namespace, name } } } = JSON.parse(line) as { object: { metadata: { namespace: string; name: string } } };
      const uid = uids.get(`${namespace}/${name}`);
      if (uid !== undefined) told({ seen: uid });
    });
  });
  asked.once('error', (error) => process.stderr.write(`${error}\n`)).end();
  await once(asked, 'response');
}

/** Changes under way; further ones wait for one of them. */
async function change(service: number, number: number, turn: number): Promise<void> {
  const ip = `10.${144 + (turn % 8)}.${service & 255}.${1 + number}`;
  const uid = podUid(service, number);
  uids.set(`${namespaceOf(service)}/${podName(service, number)}`, uid);
  told({ changed: uid });
  await ask('PATCH', `${inNamespace(PATHS.pods, namespaceOf(service))}/${podName(service, number)}/status`, { status: { podIP: ip, podIPs: [{ ip }] } }, 'application/merge-patch+json');
  told({ written: uid });
}

process.on('message', ({ perSecond, count }: { perSecond: number; count: number }) => void prepareChanges().then(() => changeAll(perSecond, count)));

/** Who answers each change with writes of its own, and is on machines of its own in a cluster, ends before. */
async function prepareChanges(): Promise<void> {
  endChildren();
  // Connections for all that is under way at once are there before, not with the first changes.
  await each(AT_ONCE, async () => await ask('GET', '/readyz'));
  await watch();
}

function changeAll(perSecond: number, count: number): void {
  const started = performance.now();
  let changed = 0;
  const timer = setInterval(() => {
    for (; changed < Math.min(count, ((performance.now() - started) / 1000) * perSecond); changed++) {
      // Far from each other, as pods of different services are.
      change((changed * 7919) % services, changed % PODS_PER_SERVICE, Math.floor(changed / services)).catch((thrown: unknown) => process.stderr.write(`${thrown}\n`));
    }
    if (changed === count) clearInterval(timer);
  }, 1);
}

process.on('disconnect', () => {
  endChildren();
  void rm(directory, { recursive: true, force: true }).then(async () => await server[Symbol.asyncDispose]()).finally(() => process.exit());
});

await each(NAMESPACES, async (i) => await ask('POST', PATHS.namespaces, { metadata: { name: `team-${i}` } }));
await each(NODES, async (i) => await ask('POST', PATHS.nodes, { metadata: { name: `node-${i}`, labels: { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': `z${i % 3}` } }, spec: { podCIDR: podRange(i), podCIDRs: [podRange(i)] } }));
await each(services, async (i) => await ask('POST', inNamespace(PATHS.services, namespaceOf(i)), { metadata: { name: `service-${i}` }, spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }], selector: { app: `service-${i}` } } }));
await each(services * PODS_PER_SERVICE, async (i) => await ask('POST', inNamespace(PATHS.pods, namespaceOf(Math.floor(i / PODS_PER_SERVICE))), wanted(Math.floor(i / PODS_PER_SERVICE), i % PODS_PER_SERVICE)));
process.stderr.write(`${services} services and ${services * PODS_PER_SERVICE} pods are made\n`);
for (let turn = 0; !(await allRun()) || !(await allTold(turn)); turn++) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
process.send?.({ server: config, roots: '' });
