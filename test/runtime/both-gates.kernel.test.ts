/** Both gates at once, with a real containerd: the plugin in the CNI chain asks first, the runtime asks again. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildCniExecutable } from '@landbridge/agent/cni/build.ts';
import { CniInstallation } from '@landbridge/agent/pods/cni-installation.ts';
import { CniServer } from '@landbridge/agent/pods/cni-server.ts';
import type { PodGate } from '@landbridge/agent/pods/sandbox.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { NODE_HOME } from '@landbridge/lab/kubernetes-config.ts';
import { patient } from '@landbridge/lab/wait.ts';
import test from 'ava';
import pino from 'pino';
import { RuntimeAgent } from './runtime-agent.ts';
import { RuntimeNode } from './runtime-node.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const SOCKET = 'cni/cni.sock';
let node: RuntimeNode;
const busy = setInterval(() => {}, 1000);

test.before(async () => {
  buildCaptureObject();
  buildCniExecutable();
  node = await RuntimeNode.open();
});

test.after.always(async () => {
  clearInterval(busy);
  await node?.[Symbol.asyncDispose]();
});

/** Says who asked, before it passes the question on. */
const named = (gate: PodGate, name: string, asked: string[]): PodGate => ({
  admit: async (sandbox, signal) => {
    asked.push(`${name} ${sandbox.name}`);
    return await gate.admit(sandbox, signal);
  },
  end: async (sandbox) => {
    asked.push(`${name} end`);
    await gate.end(sandbox);
  },
  isCaptured: (uid) => gate.isCaptured(uid),
});

for (const [what, make] of [
  ['one pod', (agent: RuntimeAgent) => agent.pod('both')],
  ['a pod of a file of the kubelet’s', (agent: RuntimeAgent) => agent.staticPod('both')],
] as const) test.serial(`both ask of ${what}, which is captured once, and ended by whoever is first`, async (t) => {
  const asked: string[] = [];
  await using agent = new RuntimeAgent(node);
  const installation = new CniInstallation(
    { configuration: node.fileOf('/etc/cni/net.d'), executables: node.fileOf('/opt/cni/bin') },
    { agentSocket: path.join(NODE_HOME, SOCKET), timeoutSeconds: Math.min(110, patient(10)), retrySeconds: 0, exemptNamespaces: [] },
    log,
  );
  const socket = path.join(node.home, SOCKET);
  mkdirSync(path.dirname(socket), { recursive: true });
  await using _server = await CniServer.open({ socket, gate: named(agent, 'cni', asked), admissionMs: patient(5000), log });
  const stop = new AbortController();
  const inForce = Promise.withResolvers<void>();
  const running = installation.run(stop.signal, { onInForce: () => inForce.resolve() });
  await inForce.promise;
  await agent.connect(named(agent, 'nri', asked));
  const pod = make(agent);
  // The runtime reads the directory by itself, a moment after it has changed.
  let sandbox = await node.cri.runPodSandbox(pod);
  while (!asked.includes('cni both')) {
    await node.cri.stopPodSandbox(sandbox);
    await node.cri.removePodSandbox(sandbox);
    [asked.length, agent.log.length] = [0, 0];
    sandbox = await node.cri.runPodSandbox(pod);
  }
  t.true(agent.isCaptured(pod.uid));
  await node.cri.startContainer(await node.cri.createContainer(sandbox, pod, { name: 'main', image: DEMO_IMAGE, command: ['/bin/sleep', '100000'] }));
  t.deepEqual(asked, ['cni both', 'nri both', 'nri both']);
  t.deepEqual(agent.log, ['captured both']);
  await node.cri.stopPodSandbox(sandbox);
  t.deepEqual(asked.slice(3), ['nri end', 'cni end']);
  t.false(agent.isCaptured(pod.uid));
  await node.cri.removePodSandbox(sandbox);
  stop.abort();
  await running;
  installation.remove();
});
