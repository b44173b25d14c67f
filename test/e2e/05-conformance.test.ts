/**
 * The cases of the MCS API's conformance suite that need pods, restated by number and title, in the two clusters of the
 * lab; those that look at objects only are in test/conformance. docs/mcs.md says which are tested where.
 */
import test, { type ExecutionContext } from 'ava';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { askerPod, inAsker } from './asker.ts';
import { apply, eventually, kubectl, parseAnswers } from './running-lab.ts';

const NAMESPACE = 'conformance';
const CLUSTERS = ['east', 'west'] as const;
type Cluster = (typeof CLUSTERS)[number];
/** The port of the demo's program, whatever a Service says. */
const TARGET = 8080;
/** Calls of the suite to say that somebody never answers. */
const TRIES = 20;

/** Who asks and calls: a pod of the mesh, whose agent answers and carries, and one outside of it, with CoreDNS and kube-proxy, as in the suite. */
const ASKERS = ['captured', 'outside'] as const;
type Asker = (typeof ASKERS)[number];

const host = (service: string): string => `${service}.${NAMESPACE}.svc.clusterset.local`;
const serviceExport = (name: string): object => ({ apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name, namespace: NAMESPACE } });
const service = (name: string, ports: readonly object[], more: object = {}): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: NAMESPACE }, spec: { selector: { app: 'hello' }, ports: ports.map((port) => ({ protocol: 'TCP', targetPort: TARGET, ...port })), ...more } });
const HTTP = { name: 'http', port: 80 };

/** Two pods with names of their own behind all Services of the test. */
function workload(cluster: Cluster): object {
  const env = [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'CLUSTER', value: cluster }];
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'hello', namespace: NAMESPACE },
    spec: {
      serviceName: 'headless',
      replicas: 2,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'hello' } },
      template: { metadata: { labels: { app: 'hello' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'hello', image: DEMO_IMAGE, args: ['serve'], env, readinessProbe: { httpGet: { path: '/readyz', port: TARGET }, periodSeconds: 1 } }] } },
    },
  };
}

/** What each cluster has; exported where it says so. */
const OBJECTS: Readonly<Record<Cluster, readonly object[]>> = {
  east: [
    service('silent', [HTTP]),
    service('hello', [HTTP]), serviceExport('hello'),
    service('headless', [{ name: 'http', port: TARGET }], { clusterIP: 'None' }), serviceExport('headless'),
    service('numbers', [HTTP]), serviceExport('numbers'),
    service('names', [{ name: 'first', port: 81 }]), serviceExport('names'),
  ],
  west: [
    service('hello', [HTTP]),
    service('headless', [{ name: 'http', port: TARGET }], { clusterIP: 'None' }), serviceExport('headless'),
    service('numbers', [{ name: 'http', port: 8000 }]), serviceExport('numbers'),
    service('names', [{ name: 'second', port: 82 }]), serviceExport('names'),
  ],
};

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '').sort();
const inPod = async (cluster: Cluster, pod: Asker, ...argv: readonly string[]) => await inAsker(cluster, { namespace: NAMESPACE, pod }, ...argv);
const dig = async (cluster: Cluster, pod: Asker, name: string, type = 'A'): Promise<string[]> => lines((await inPod(cluster, pod, '/usr/bin/dig', '+short', name, type)).stdout);
const status = async (cluster: Cluster, pod: Asker, name: string): Promise<string> => /status: ([A-Z]+)/.exec((await inPod(cluster, pod, '/usr/bin/dig', '+noall', '+comments', name)).stdout)?.[1] ?? '';
const get = async (cluster: Cluster, pod: Asker, url: string, count = 1) => await inPod(cluster, pod, '/bin/demo', 'get', url, '--count', String(count));
const json = async (cluster: Cluster, path: string, ...what: readonly string[]): Promise<string> => (await kubectl(cluster, '-n', NAMESPACE, 'get', ...what, '-o', `jsonpath=${path}`)).trim();
const clustersetAddress = async (cluster: Cluster, name: string): Promise<string> => await json(cluster, '{.spec.ips[0]}', 'serviceimport', name);
const podAddresses = async (cluster: Cluster): Promise<string[]> => (await json(cluster, '{.items[*].status.podIP}', 'pods', '-l', 'app=hello')).split(' ').sort();

/** That all of many calls were answered by pods of one cluster. */
async function answeredBy(t: ExecutionContext, [from, pod]: readonly [Cluster, Asker], url: string, by: Cluster, count = TRIES): Promise<void> {
  const outcome = await get(from, pod, url, count);
  t.is(outcome.status, 0, outcome.stderr);
  const answers = parseAnswers(outcome.stdout);
  t.is(answers.length, count);
  t.deepEqual([...new Set(answers.map(({ cluster }) => cluster))], [by]);
}

test.before(async () => {
  await installPackages({ 'bind9-dnsutils': ['/usr/bin/dig'] }, new AbortController().signal);
  for (const cluster of CLUSTERS) await apply(cluster, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: { 'landbridge.dev/dataplane-mode': 'ambient' } } });
  // The first export decides: this cluster's is seen before that of the other one.
  for (const cluster of CLUSTERS) {
    await apply(cluster, ...ASKERS.map((pod) => askerPod({ namespace: NAMESPACE, pod }, { labels: { 'landbridge.dev/dataplane-mode': pod === 'outside' ? 'none' : 'ambient' } })), workload(cluster), ...OBJECTS[cluster]);
    await eventually('the imports', async () => ((await json('west', '{.items[*].metadata.name}', 'serviceimports')) === 'headless hello names numbers' ? true : undefined));
  }
  for (const cluster of CLUSTERS) {
    await kubectl(cluster, '-n', NAMESPACE, 'rollout', 'status', 'statefulset/hello', '--timeout=120s');
    await kubectl(cluster, '-n', NAMESPACE, 'wait', '--for=condition=Ready', ...ASKERS.map((pod) => `pod/${pod}`), '--timeout=90s');
  }
  // kube-proxy and agents hear of endpoints by themselves.
  const reached = ['hello', 'numbers', 'names:81', 'names:82'].map((name) => `http://${name.replace(/(:|$)/, `.${NAMESPACE}.svc.clusterset.local$1`)}`);
  for (const cluster of CLUSTERS) for (const pod of ASKERS) for (const url of reached) await eventually(`${url} to answer in ${cluster}`, async () => ((await get(cluster, pod, url)).status === 0 ? true : undefined));
  for (const cluster of CLUSTERS) for (const pod of ASKERS) await eventually(`all endpoints in ${cluster}`, async () => ((await dig(cluster, pod, host('headless'))).length === 4 ? true : undefined));
});

test.after.always(async () => {
  for (const cluster of CLUSTERS) await kubectl(cluster, 'delete', 'namespace', NAMESPACE, '--wait=false', '--ignore-not-found');
});

for (const pod of ASKERS) {
  test.serial(`16: a Service that is not exported can not be reached from another cluster, from a pod that is ${pod}`, async (t) => {
    for (let tries = 0; tries < TRIES; tries++) t.not((await get('west', pod, `http://${host('silent')}`)).status, 0);
    t.is(await status('west', pod, host('silent')), 'NXDOMAIN');
  });

  test.serial(`18: A of <service>.<namespace>.svc.clusterset.local is the clusterset address, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) {
      const address = await clustersetAddress(cluster, 'hello');
      t.regex(address, /^[0-9.]+$/);
      t.deepEqual(await dig(cluster, pod, host('hello')), [address]);
      t.deepEqual(await dig(cluster, pod, host('hello'), 'AAAA'), []);
    }
  });

  test.serial(`19: SRV of it has the port and the name, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) t.deepEqual((await dig(cluster, pod, `_http._tcp.${host('hello')}`, 'SRV')).map((line) => line.split(' ').slice(2).join(' ')), [`80 ${host('hello')}.`]);
  });

  test.serial(`20: <service>.<namespace>.svc.cluster.local is the cluster’s own Service and nothing else, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) {
      const own = await json(cluster, '{.spec.clusterIP}', 'service', 'hello');
      t.deepEqual(await dig(cluster, pod, `hello.${NAMESPACE}.svc.cluster.local`), [own]);
      t.not(own, await clustersetAddress(cluster, 'hello'));
    }
    await answeredBy(t, ['west', pod], `http://hello.${NAMESPACE}.svc.cluster.local`, 'west', 10);
    t.is(await status('west', pod, `silent.${NAMESPACE}.svc.cluster.local`), 'NXDOMAIN');
  });

  test.serial(`21: A of a headless service is the addresses of all ready endpoints, from a pod that is ${pod}`, async (t) => {
    const all = [...(await podAddresses('east')), ...(await podAddresses('west'))].sort();
    t.is(all.length, 4);
    for (const cluster of CLUSTERS) t.deepEqual(await dig(cluster, pod, host('headless')), all);
  });

  test.serial(`22: a pod of a StatefulSet behind a headless service is <hostname>.<cluster>.<service>.<namespace>, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) {
      for (const owner of CLUSTERS) for (const name of ['hello-0', 'hello-1']) t.deepEqual(await dig(cluster, pod, `${name}.${owner}.${host('headless')}`), [await json(owner, '{.status.podIP}', 'pod', name)]);
      t.is(await status(cluster, pod, `east.${host('headless')}`), 'NXDOMAIN', 'nothing tells one cluster’s part');
    }
  });

  test.serial(`23: SRV of a headless service has each endpoint, from a pod that is ${pod}`, async (t) => {
    const each = CLUSTERS.flatMap((owner) => ['hello-0', 'hello-1'].map((name) => `${TARGET} ${name}.${owner}.${host('headless')}.`)).sort();
    for (const cluster of CLUSTERS) t.deepEqual((await dig(cluster, pod, `_http._tcp.${host('headless')}`, 'SRV')).map((line) => line.split(' ').slice(2).join(' ')).sort(), each);
  });

  test.serial(`24: an exported Service with an address is reached by its name, from a pod that is ${pod}`, async (t) => {
    await answeredBy(t, ['west', pod], `http://${host('hello')}`, 'east', 1);
  });

  test.serial(`25: of a Service that is in two clusters and exported by one, that one answers, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) await answeredBy(t, [cluster, pod], `http://${host('hello')}`, 'east', 10);
  });

  test.serial(`26: a port that two clusters have under one name with different numbers leads to those that have the number, from a pod that is ${pod}`, async (t) => {
    t.is(await json('west', '{.spec.ports[*].port}', 'serviceimport', 'numbers'), '80');
    for (const cluster of CLUSTERS) await answeredBy(t, [cluster, pod], `http://${host('numbers')}`, 'east');
    t.not((await get('west', pod, `http://${host('numbers')}:8000`)).status, 0, 'the other number is no port of the service');
  });

  test.serial(`27: ports of different names lead each to its own cluster, from a pod that is ${pod}`, async (t) => {
    for (const cluster of CLUSTERS) {
      await answeredBy(t, [cluster, pod], `http://${host('names')}:81`, 'east');
      await answeredBy(t, [cluster, pod], `http://${host('names')}:82`, 'west');
    }
  });
}

test.serial('a name of an address is what the cluster itself says, and none of the clusterset’s', async (t) => {
  const address = await clustersetAddress('west', 'hello');
  const found = lines((await inPod('west', 'captured', '/usr/bin/dig', '+short', '-x', address)).stdout);
  t.true(found.every((name) => !name.endsWith('clusterset.local.')), found.join());
});

test.serial('a label exports a Service with the rights that the chart gives, and its end ends that', async (t) => {
  const imports = async (): Promise<string> => await json('west', '{.items[*].metadata.name}', 'serviceimports');
  await kubectl('east', '-n', NAMESPACE, 'label', 'service', 'silent', 'landbridge.dev/export=true');
  await eventually('the import of what has the label', async () => ((await imports()).includes('silent') ? true : undefined));
  t.is(await eventually('the export to be ready', async () => ((await json('east', '{.status.conditions[?(@.type=="Ready")].reason}', 'serviceexport', 'silent')) === 'Exported' ? 'Exported' : undefined)), 'Exported');
  await answeredBy(t, ['west', 'captured'], `http://${host('silent')}`, 'east', 1);
  await kubectl('east', '-n', NAMESPACE, 'label', 'service', 'silent', 'landbridge.dev/export-');
  await eventually('its import to be gone', async () => ((await imports()).includes('silent') ? undefined : true));
});

test.serial('each cluster says its name, and both the same clusterset', async (t) => {
  const property = async (cluster: Cluster, name: string): Promise<string> => await json(cluster, '{.spec.value}', 'clusterproperty', name);
  for (const cluster of CLUSTERS) t.is(await property(cluster, 'cluster.clusterset.k8s.io'), cluster);
  t.regex(await property('east', 'clusterset.k8s.io'), /^[0-9a-f]{20}$/);
  t.is(await property('west', 'clusterset.k8s.io'), await property('east', 'clusterset.k8s.io'));
});
