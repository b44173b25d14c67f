/** The agent as a plugin of a real containerd: that no container of a pod comes before its capture, and what happens where the agent is late, gone, or dies. */
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { PLUGIN_NAME } from '@landbridge/agent/pods/nri-connection.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import test from 'ava';
import type { CriPod } from './cri-client.ts';
import { RuntimeAgent } from './runtime-agent.ts';
import { RuntimeNode } from './runtime-node.ts';

/** An address that nothing leads to: a connection to it is seen at the agent's port, or nowhere. */
const DESTINATION = '192.0.2.1:7';
const [host = '', port = ''] = DESTINATION.split(':');
/** The first act of a container. */
const CONNECTS_AT_ONCE = { name: 'first', image: DEMO_IMAGE, command: ['/bin/sh', '-c', `nc ${host} ${port} </dev/null; sleep 100000`] };
const NEVER = new Promise<never>(() => {});
/** Without it no container of the pod is made. */
const REQUIRES_AGENT = { 'required-plugins.noderesource.dev': JSON.stringify([PLUGIN_NAME]) };

let node: RuntimeNode;
const busy = setInterval(() => {}, 1000);

test.before(async () => {
  buildCaptureObject();
  node = await RuntimeNode.open();
});

test.after.always(async () => {
  clearInterval(busy);
  await node?.[Symbol.asyncDispose]();
});

async function open(): Promise<RuntimeAgent> {
  const agent = new RuntimeAgent(node);
  await agent.connect();
  return agent;
}

async function startContainer(pod: CriPod, sandbox: string): Promise<void> {
  await node.cri.startContainer(await node.cri.createContainer(sandbox, pod, CONNECTS_AT_ONCE));
}

/**
 * As the kubelet does after a refusal. The runtime may hold the pod's name for a moment longer; and where its shim has gone
 * before it was told to, containerd keeps what is left as a sandbox of an unknown state, which is the kubelet's to remove.
 */
async function runAgain(pod: CriPod): Promise<string> {
  const attempt = async (): Promise<string | undefined> => {
    try {
      return await node.cri.runPodSandbox(pod);
    } catch (thrown) {
      const left = /failed to reserve sandbox name .* is reserved for \\?"([0-9a-f]{64})/.exec(String(thrown))?.[1];
      if (left === undefined) throw thrown;
      // It may go by itself at this moment.
      await endPod(left).catch(() => {});
      return undefined;
    }
  };
  return await waitFor(attempt, { signal: new AbortController().signal, timeoutMs: 20_000, everyMs: 100, what: () => `the runtime to let go of the name of a pod that was refused: ${node.runtimeLog}` });
}

async function endPod(sandbox: string): Promise<void> {
  await node.cri.stopPodSandbox(sandbox);
  await node.cri.removePodSandbox(sandbox);
}

test.serial('the first act of a pod’s first container is captured, and the capture ends with the sandbox', async (t) => {
  await using agent = await open();
  const pod = agent.pod('first');
  const sandbox = await node.cri.runPodSandbox(pod);
  t.true(agent.isCaptured(pod.uid), 'before there is a container');
  await startContainer(pod, sandbox);
  t.is(await agent.firstConnection(pod), DESTINATION);
  t.deepEqual(agent.log, ['captured first'], 'once, though two events told of it');
  await node.cri.stopPodSandbox(sandbox);
  t.false(agent.isCaptured(pod.uid));
  await node.cri.removePodSandbox(sandbox);
});

test.serial('a pod that nobody knows of is refused with the reason, and let in once it is known', async (t) => {
  await using agent = await open();
  const pod = agent.pod('unknown', { isKnown: false });
  const error = await t.throwsAsync(node.cri.runPodSandbox(pod));
  t.regex(error.message, /landbridge: the API server has not told the agent of pod demo\/unknown/);
  agent.tell(pod);
  const sandbox = await runAgain(pod);
  t.true(agent.isCaptured(pod.uid));
  await endPod(sandbox);
});

test.serial('an agent that takes too long refuses in time, and stays the runtime’s plugin', async (t) => {
  await using agent = await open();
  const slow = agent.pod('slow');
  agent.ask = async () => await NEVER;
  const error = await t.throwsAsync(node.cri.runPodSandbox(slow));
  t.regex(error.message, /landbridge: there was no time left to capture pod demo\/slow/);
  agent.ask = undefined;
  const sandbox = await runAgain(slow);
  t.true(agent.isCaptured(slow.uid));
  await endPod(sandbox);
  await agent.synchronized(1);
  t.deepEqual(agent.log, ['captured slow']);
});

test.serial('a pod made without the agent is captured when the agent comes, with the containers that run', async (t) => {
  await using agent = await open();
  await agent.disconnect();
  const pod = agent.pod('earlier');
  const sandbox = await node.cri.runPodSandbox(pod);
  t.false(agent.isCaptured(pod.uid));
  await agent.connect();
  t.true(agent.isCaptured(pod.uid));
  await startContainer(pod, sandbox);
  t.is(await agent.firstConnection(pod), DESTINATION);
  await endPod(sandbox);
});

test.serial('an agent that dies within the call lets the sandbox through, and no container if it is back by then', async (t) => {
  await using agent = await open();
  const pod = agent.pod('orphan');
  const asked = Promise.withResolvers<void>();
  agent.ask = async () => {
    asked.resolve();
    return await NEVER;
  };
  const made = node.cri.runPodSandbox(pod);
  await asked.promise;
  await agent.disconnect();
  // The runtime's decision, which nothing in the agent can change.
  const sandbox = await made;
  t.false(agent.isCaptured(pod.uid));
  // Neither the list nor what runs finds it: the second gate alone.
  agent.ask = async () => ({ kind: 'refused', reason: 'not yet' });
  await agent.connect();
  const error = await t.throwsAsync(startContainer(pod, sandbox));
  t.regex(error.message, /landbridge: not yet/);
  agent.ask = undefined;
  await startContainer(pod, sandbox);
  t.is(await agent.firstConnection(pod), DESTINATION);
  await endPod(sandbox);
});

test.serial('a pod that requires the agent gets no container without it', async (t) => {
  await using agent = await open();
  await agent.disconnect();
  const pod = agent.pod('strict', { annotations: REQUIRES_AGENT });
  const sandbox = await node.cri.runPodSandbox(pod);
  const error = await t.throwsAsync(startContainer(pod, sandbox));
  t.regex(error.message, /landbridge/);
  await agent.connect();
  await startContainer(pod, sandbox);
  t.is(await agent.firstConnection(pod), DESTINATION);
  await endPod(sandbox);
});

test.serial('a runtime that crashes is found again as soon as it is back, and what it had stays captured', async (t) => {
  await using agent = await open();
  const pod = agent.pod('survivor');
  const sandbox = await node.cri.runPodSandbox(pod);
  await node.killContainerd();
  await agent.synchronized(2);
  t.true(agent.isCaptured(pod.uid));
  t.deepEqual(agent.log, ['captured survivor']);
  const next = agent.pod('next');
  const nextSandbox = await node.cri.runPodSandbox(next);
  t.true(agent.isCaptured(next.uid));
  await endPod(sandbox);
  await endPod(nextSandbox);
});

test.serial('pods are deleted without the agent', async (t) => {
  await using agent = await open();
  const pod = agent.pod('leaving');
  const sandbox = await node.cri.runPodSandbox(pod);
  await agent.disconnect();
  await t.notThrowsAsync(endPod(sandbox));
});
