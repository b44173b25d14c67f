import test from 'ava';
import { aroundTheMesh, agentPod, agentProcess, CLUSTER, connecting, echoAddress, idle, isAsked, makeNamespace, NAMESPACE, phaseOf, startPods, writeConfigurationAgain } from './pod-starts.ts';
import { apply, eventually, kubectl, untilImported } from './running-lab.ts';

/** Of all tests together; LANDBRIDGE_POD_STARTS=200 for a longer run. */
const STARTS = Number(process.env['LANDBRIDGE_POD_STARTS'] ?? 40);

let address: string;
let before: readonly string[];

test.before(async () => {
  await untilImported(2);
  address = await echoAddress();
  await makeNamespace();
  before = await aroundTheMesh();
});

const untilAsked = async (): Promise<void> => void (await eventually('the agent to be asked', async () => isAsked() || undefined));

for (const [what, share, disturb] of [
  ['of a node at rest', 0.4, async () => {}],
  [
    'while the agent is replaced',
    0.2,
    async () => void (await kubectl(CLUSTER, '-n', 'landbridge-system', 'delete', 'pod', await agentPod(), '--wait=false')),
  ],
  [
    'while the agent is killed',
    0.2,
    async () => {
      const pid = await agentProcess();
      await untilAsked();
      process.kill(pid, 'SIGKILL');
    },
  ],
  [
    'while the agent hangs',
    0.2,
    async () => {
      const pid = await agentProcess();
      process.kill(pid, 'SIGSTOP');
      await untilAsked();
      process.kill(pid, 'SIGCONT');
    },
  ],
] as const) {
  test.serial(`pods ${what} connect through the mesh with their first instruction, whoever writes the CNI configuration`, async (t) => {
    await using _writer = await writeConfigurationAgain();
    const pods = Array.from({ length: Math.ceil(STARTS * share) }, (_, i) => connecting(`start-${i}`, address));
    const startedMs = performance.now();
    const addresses = await startPods(pods, disturb);
    t.log(`${pods.length} pods in ${Math.round((performance.now() - startedMs) / 1000)} s`);
    t.is(addresses.length, pods.length);
    t.deepEqual(await aroundTheMesh(), before);
  });
}

test.serial('without an agent no pod of the mesh starts; others that a node needs do, and pods can be deleted', async (t) => {
  const agents = ['-n', 'landbridge-system', 'patch', 'daemonset', 'landbridge-agent', '--type=merge', '-p'];
  const onNodesWith = (label: string | null): string => JSON.stringify({ spec: { template: { spec: { nodeSelector: { 'test/nowhere': label } } } } });
  await apply(CLUSTER, idle('old'));
  await eventually('a pod to run', async () => ((await phaseOf('old')) === 'Running' ? true : undefined));
  await kubectl(CLUSTER, ...agents, onNodesWith('true'));
  try {
    await eventually('the agent to be gone', async () => ((await agentPod()) === '' ? true : undefined));
    await apply(CLUSTER, connecting('held', address), connecting('host', address, { hostNetwork: true }), connecting('exempt', address, { namespace: 'kube-system', labels: { 'landbridge.dev/dataplane-mode': 'ambient' } }));
    await eventually('the pod in the host’s network to have connected', async () => ((await phaseOf('host')) === 'Succeeded' ? true : undefined));
    await eventually('the pod of an exempt namespace to have connected', async () => ((await phaseOf('exempt', 'kube-system')) === 'Succeeded' ? true : undefined));
    await eventually('the kubelet to say why a pod does not start', async () => ((await kubectl(CLUSTER, '-n', NAMESPACE, 'get', 'events', '--field-selector', 'involvedObject.name=held', '-o', 'jsonpath={.items[*].message}')).includes('the agent of this node does not answer') ? true : undefined));
    t.is(await phaseOf('held'), 'Pending');
    await kubectl(CLUSTER, '-n', NAMESPACE, 'delete', 'pod', 'old', '--timeout=60s');
  } finally {
    await kubectl(CLUSTER, ...agents, onNodesWith(null));
  }
  await eventually('the pod to have connected', async () => ((await phaseOf('held')) === 'Succeeded' ? true : undefined), 180_000);
  // What shows that this way of looking finds what goes around the mesh.
  const exempt = (await kubectl(CLUSTER, '-n', 'kube-system', 'get', 'pod', 'exempt', '-o', 'jsonpath={.status.podIP}')).trim();
  const around = (await aroundTheMesh()).filter((source) => !before.includes(source));
  t.true(around.length > 0 && around.every((source) => source.startsWith(`${exempt}:`)), `${exempt} alone is expected in ${around.join(' ')}`);
  await kubectl(CLUSTER, '-n', 'kube-system', 'delete', 'pod', 'exempt');
  await kubectl(CLUSTER, 'delete', 'namespace', NAMESPACE);
  await kubectl(CLUSTER, '-n', 'landbridge-system', 'rollout', 'status', 'daemonset/landbridge-agent', '--timeout=60s');
});
