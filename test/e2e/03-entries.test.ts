import test from 'ava';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { outcomeOf } from '@landbridge/lab/run.ts';
import { apply, eventually, kubectl, parseAnswers } from './running-lab.ts';

/* Hosts of ServiceEntries as a pod of the mesh calls them: by name, at automatic addresses, to what is outside of the mesh. */

const CLUSTER = 'west';
const NAMESPACE = 'demo';
const OUTSIDE = 'outside';
const never = new AbortController().signal;

/** In a namespace that is not enrolled, so that it is for the mesh as a machine elsewhere is. */
const machine = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'machine', namespace: OUTSIDE },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'machine', image: DEMO_IMAGE, args: ['serve'], env: [{ name: 'POD_NAME', value: 'machine' }, { name: 'CLUSTER', value: OUTSIDE }], readinessProbe: { httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 1 } }] },
};
const entry = (name: string, spec: object): object => ({ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name, namespace: NAMESPACE }, spec: { hosts: [`${name}.example`], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], ...spec } });

/** What a pod of the mesh is answered; undefined where the call fails. */
async function get(url: string): Promise<object | undefined> {
  const { status, stdout } = await outcomeOf(kubectlCommand(['-n', NAMESPACE, 'exec', 'deploy/client', '--', '/bin/demo', 'get', url]), { signal: never, env: clusterEnvironment(CLUSTER) });
  return status === 0 ? parseAnswers(stdout)[0] : undefined;
}

const one = async (...argv: readonly string[]): Promise<string> => (await kubectl(CLUSTER, ...argv)).trim();

test.before(async () => {
  await apply(CLUSTER, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: OUTSIDE } });
  await apply(CLUSTER, machine);
  await kubectl(CLUSTER, '-n', OUTSIDE, 'wait', '--for=condition=Ready', 'pod/machine', '--timeout=90s');
});

test.after.always(async () => {
  await kubectl(CLUSTER, '-n', NAMESPACE, 'delete', 'serviceentries,workloadentries', '--all', '--ignore-not-found');
  await kubectl(CLUSTER, 'delete', 'namespace', OUTSIDE, '--wait=false', '--ignore-not-found');
});

test.serial('a pod calls a host by its automatic address, and a machine outside of the mesh answers, until it is gone', async (t) => {
  const address = await one('-n', OUTSIDE, 'get', 'pod', 'machine', '-o', 'jsonpath={.status.podIP}');
  await apply(
    CLUSTER,
    entry('db', { resolution: 'STATIC', workloadSelector: { labels: { app: 'db' } } }),
    { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: { name: 'machine', namespace: NAMESPACE }, spec: { address, labels: { app: 'db' }, ports: { http: 8080 } } },
  );
  const automatic = await eventually('an automatic address', async () => {
    const found = await one('-n', NAMESPACE, 'get', 'serviceentry', 'db', '-o', 'jsonpath={.status.addresses[0].value}');
    return found === '' ? undefined : found;
  });
  t.regex(automatic, /^240\.240\./);
  t.like(await eventually('an answer', async () => await get('http://db.example')), { pod: 'machine', cluster: OUTSIDE });
  t.like(await get(`http://${automatic}`), { pod: 'machine' }, 'by its address alone');
  t.is(await get('http://db.example:81'), undefined, 'at no other port');
  await kubectl(CLUSTER, '-n', NAMESPACE, 'delete', 'workloadentry', 'machine');
  t.true(await eventually('a refusal', async () => ((await get('http://db.example')) === undefined ? true : undefined)));
});

test.serial('names of endpoints are looked up by the agent', async (t) => {
  await apply(CLUSTER, entry('alias', { resolution: 'DNS', ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }], endpoints: [{ address: 'machine.outside.svc.cluster.local' }] }), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'machine', namespace: OUTSIDE },
    spec: { clusterIP: 'None', selector: { app: 'machine' }, ports: [{ port: 8080 }] },
  });
  await kubectl(CLUSTER, '-n', OUTSIDE, 'label', 'pod', 'machine', 'app=machine');
  t.like(await eventually('an answer', async () => await get('http://alias.example')), { pod: 'machine', cluster: OUTSIDE });
});

test.serial('what can not be read is said on the object', async (t) => {
  await apply(CLUSTER, entry('odd', { resolution: 'STATIC', addresses: ['203.0.113.1', '0177.0.0.1'] }));
  const condition = await eventually('a condition', async () => {
    const found = await one('-n', NAMESPACE, 'get', 'serviceentry', 'odd', '-o', 'jsonpath={.status.conditions[?(@.type=="Accepted")]}');
    return found === '' ? undefined : found;
  });
  t.like(JSON.parse(condition) as object, { status: 'True', reason: 'PartiallyInvalid' });
});
