import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { CACHE } from '@landbridge/lab/paths.ts';
import { run } from '@landbridge/lab/run.ts';
import { askerPod, inAsker } from './asker.ts';
import { apply, eventually, kubectl } from './running-lab.ts';

/* Names as programs of three resolvers see them in pods: dig, glibc's and musl's. */

const NAMESPACE = 'names';
const CLUSTERS = ['east', 'west'] as const;
type Cluster = (typeof CLUSTERS)[number];
const WEB = `web.${NAMESPACE}.svc.clusterset.local`;
const PORT = 8080;
/** CoreDNS of the lab says 1. */
const TTL_OF_AGENTS = '30';
const ASKER = { namespace: NAMESPACE, pod: 'asker' };
const never = new AbortController().signal;

let directory: string;
let pods: readonly string[];

/** Two pods with names of their own behind a headless Service, which east exports. */
const statefulSet = [
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: NAMESPACE }, spec: { clusterIP: 'None', selector: { app: 'web' }, ports: [{ name: 'http', port: PORT }] } },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'web', namespace: NAMESPACE },
    spec: {
      serviceName: 'web',
      replicas: 2,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: DEMO_IMAGE, args: ['serve'], env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'CLUSTER', value: 'east' }], readinessProbe: { httpGet: { path: '/readyz', port: PORT }, periodSeconds: 1 } }] } },
    },
  },
  { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name: 'web', namespace: NAMESPACE } },
];

const inPod = async (cluster: Cluster, ...argv: readonly string[]): Promise<string> => (await inAsker(cluster, ASKER, ...argv)).stdout.trim();

const isAddress = (word: string): boolean => /^[0-9.]{7,}$/.test(word);
const sorted = (text: string): string[] => [...new Set(text.split(/\s+/).filter((word) => word !== ''))].sort();
/** With the search list, but for where it leads. */
const dig = async (cluster: Cluster, name: string): Promise<string[]> => sorted(await inPod(cluster, '/usr/bin/dig', '+short', '+search', name)).filter(isAddress);
const records = async (cluster: Cluster, name: string, type: string): Promise<string[]> => (await inPod(cluster, '/usr/bin/dig', '+short', name, type)).split('\n').sort();
const glibc = async (cluster: Cluster, name: string): Promise<string[]> => sorted(await inPod(cluster, '/usr/bin/getent', 'ahostsv4', name)).filter(isAddress);
const musl = async (cluster: Cluster, name: string): Promise<string[]> => sorted(await inPod(cluster, '/musl/lookup', name)).filter(isAddress);
const addressOf = async (pod: string): Promise<string> => (await kubectl('east', '-n', NAMESPACE, 'get', 'pod', pod, '-o', 'jsonpath={.status.podIP}')).trim();

test.before(async () => {
  // Nodes have a /tmp of their own.
  directory = mkdtempSync(path.join(CACHE, 'names-'));
  await installPackages({ 'musl-tools': ['/usr/bin/musl-gcc'], 'bind9-dnsutils': ['/usr/bin/dig'] }, never);
  await run(['musl-gcc', '-static', '-O1', '-Wall', '-Werror', '-o', path.join(directory, 'lookup'), path.join(import.meta.dirname, '../names/lookup.c')], { signal: never });
  await run(['chmod', '755', directory], { signal: never });
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { 'landbridge.dev/dataplane-mode': 'ambient' } } };
  for (const cluster of CLUSTERS) await apply(cluster, namespace);
  for (const cluster of CLUSTERS) await apply(cluster, askerPod(ASKER, { folders: { musl: directory } }), ...(cluster === 'east' ? statefulSet : []));
  await kubectl('east', '-n', NAMESPACE, 'rollout', 'status', 'statefulset/web', '--timeout=120s');
  for (const cluster of CLUSTERS) await kubectl(cluster, '-n', NAMESPACE, 'wait', '--for=condition=Ready', 'pod/asker', '--timeout=90s');
  pods = await Promise.all(['web-0', 'web-1'].map(addressOf));
  await eventually('both endpoints in west', async () => ((await dig('west', WEB)).length === 2 ? true : undefined));
});

test.after.always(async () => {
  for (const cluster of CLUSTERS) await kubectl(cluster, 'delete', 'namespace', NAMESPACE, '--wait=false', '--ignore-not-found');
  rmSync(directory, { recursive: true, force: true });
});

test.serial('a headless service of another cluster is its endpoints, and each of them has its name', async (t) => {
  for (const resolve of [dig, glibc, musl]) {
    t.deepEqual(await resolve('west', WEB), [...pods].sort(), resolve.name);
    for (const [n, address] of pods.entries()) t.deepEqual(await resolve('west', `web-${n}.east.${WEB}`), [address], resolve.name);
    t.deepEqual(await resolve('west', `web-0.west.${WEB}`), [], resolve.name);
  }
  t.deepEqual(await records('west', `_http._tcp.${WEB}`, 'SRV'), [0, 1].map((n) => `0 50 ${PORT} web-${n}.east.${WEB}.`));
  t.deepEqual(await records('west', 'dns-version.clusterset.local', 'TXT'), ['"1.0.0"']);
});

test.serial('a pod of a StatefulSet is called by its name, in the mesh', async (t) => {
  const text = await inPod('west', '/bin/demo', 'get', `http://web-1.east.${WEB}:${PORT}`);
  t.like(JSON.parse(text) as object, { pod: 'web-1', cluster: 'east' });
});

test.serial('all three resolvers say the same of Services and of the clusterset, by full names and by short ones', async (t) => {
  const [vip, own] = [(await dig('west', 'echo.demo.svc.clusterset.local'))[0] ?? '', (await kubectl('east', '-n', 'demo', 'get', 'service', 'echo', '-o', 'jsonpath={.spec.clusterIP}')).trim()];
  t.is(vip, (await kubectl('west', '-n', 'demo', 'get', 'serviceimport', 'echo', '-o', 'jsonpath={.spec.ips[0]}')).trim());
  for (const [cluster, name, addresses] of [
    ['west', 'echo.demo.svc.clusterset.local', [vip]],
    ['east', 'echo.demo.svc.cluster.local', [own]],
    ['east', 'echo.demo', [own]],
    ['east', 'web-0.web', [pods[0]]],
    ['east', 'web', [...pods].sort()],
  ] as const) {
    t.deepEqual(await dig(cluster, name), addresses, `dig ${name}`);
    t.deepEqual(await glibc(cluster, name), addresses, `glibc ${name}`);
    t.deepEqual(await musl(cluster, name), addresses, `musl ${name}`);
  }
});

test.serial('it is the agent that answers, and the cluster’s own DNS where the agent knows nothing', async (t) => {
  const answer = async (cluster: Cluster, name: string, ...more: readonly string[]): Promise<string> => await inPod(cluster, '/usr/bin/dig', '+noall', '+answer', '+comments', ...more, name);
  for (const transport of ['+notcp', '+tcp']) {
    const found = await answer('west', 'echo.demo.svc.clusterset.local', transport);
    t.regex(found, new RegExp(`^echo\\.demo\\.svc\\.clusterset\\.local\\.\\s+${TTL_OF_AGENTS}\\s+IN\\s+A`, 'm'));
    t.regex(found, /flags: qr aa rd ra/);
  }
  t.regex(await answer('west', 'echo.demo.svc.clusterset.local.names.svc.cluster.local'), /IN\s+CNAME\s+echo\.demo\.svc\.clusterset\.local\./);
  t.regex(await answer('west', 'nobody.demo.svc.clusterset.local'), /status: NXDOMAIN/);
  t.regex(await answer('west', `${(pods[0] ?? '').replaceAll('.', '-')}.names.pod.cluster.local`), /IN\s+A\s+/, 'of pods by their addresses, CoreDNS knows');
});

test.serial('an endpoint that goes is no address any more, and none left is no name', async (t) => {
  await kubectl('east', '-n', NAMESPACE, 'scale', 'statefulset/web', '--replicas=1');
  await eventually('one endpoint in west', async () => ((await dig('west', WEB)).length === 1 ? true : undefined));
  t.deepEqual(await dig('west', WEB), [pods[0]]);
  await kubectl('east', '-n', NAMESPACE, 'scale', 'statefulset/web', '--replicas=0');
  await eventually('no endpoint in west', async () => ((await dig('west', WEB)).length === 0 ? true : undefined));
  t.regex(await inPod('west', '/usr/bin/dig', '+noall', '+comments', WEB), /status: NXDOMAIN/);
});
