import { execFileSync } from 'node:child_process';
import { clusterEnvironment } from '@landbridge/lab/kubectl.ts';
import { NODE_HOME } from '@landbridge/lab/kubernetes-config.ts';
import { inWan } from '@landbridge/lab/network.ts';
import { toolPath } from '@landbridge/lab/tools.ts';
import test from 'ava';
import { agentPod, aroundTheMesh, CLUSTER, connecting, echoAddress, makeNamespace, onNode, startPods } from './pod-starts.ts';
import { eventually } from './running-lab.ts';

test.serial('uninstalling gives the node its CNI files back as they were, and pods start without the agent', async (t) => {
  const files = 'cd /etc/cni/net.d && ls -A && cmp 10-lab.conflist ';
  t.is(await onNode(`${files}${NODE_HOME}/etc/cni.conflist`), '0-landbridge.conflist\n10-lab.conflist\n');
  t.is(await onNode('ls /opt/cni/bin | grep landbridge'), 'landbridge-cni\n');
  await makeNamespace();
  const address = await echoAddress();
  const [command = '', ...args] = inWan([toolPath('helm'), 'uninstall', 'landbridge-agent', '--namespace', 'landbridge-system']);
  execFileSync(command, args, { env: { ...process.env, ...clusterEnvironment(CLUSTER) } });
  await eventually('the agent to be gone', async () => ((await agentPod()) === '' ? true : undefined));
  t.is(await onNode(`${files}${NODE_HOME}/etc/cni.conflist`), '10-lab.conflist\n');
  t.is(await onNode('for folder in /opt/cni/bin /sys/fs/bpf; do ls $folder | grep landbridge || echo none; done'), 'none\nnone\n');
  const before = await aroundTheMesh();
  await startPods([connecting('after', address)]);
  t.is((await aroundTheMesh()).length, before.length + 1, 'it is not in the mesh any more');
});
