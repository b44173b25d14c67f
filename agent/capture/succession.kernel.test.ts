import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import test from 'ava';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { type AnsweringAgent, answerFor } from '../../test/mesh/answering-agent.ts';
import { greeter, manyCallers, repeatedCaller } from '../../test/mesh/applications.ts';
import { Mesh } from '../../test/mesh/mesh.ts';
import type { MeshPod } from '../../test/mesh/mesh-pod.ts';
import type { Program } from '../../test/mesh/program.ts';
import { textOf } from '../../test/mesh/socket-text.ts';
import { findGroup, isPopulated } from './agent-groups.ts';
import { Capture } from './capture.ts';

/* Two agents of one node, both in this process, which the kernel takes for the one whose control group it is in. */

let mesh: Mesh;
let a: MeshPod;
let b: MeshPod;

test.before(async () => {
  buildCaptureObject();
  mesh = await Mesh.open({ west: ['a', 'b'] });
  [a, b] = [mesh.pod('a'), mesh.pod('b')];
});

test.after.always(async () => await mesh[Symbol.asyncDispose]());

function openCapture(generation = 1, threads = 1): Capture {
  mesh.node('west').becomeAgent(generation);
  return new Capture({ ...mesh.node('west'), threads });
}

/** Whatever keeps the group of an agent populated. */
const living = async (generation: number): Promise<Program> => await mesh.node('west').startAgent(['sh', '-c', 'echo ready; exec sleep 600'], generation);
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
const counts = ({ accepted }: AnsweringAgent) => ({ outbound: sum(accepted.outbound), plaintext: sum(accepted.plaintext), hbone: sum(accepted.hbone) });

/** Calls of each kind to and from pod a; how many of them there are. */
async function callAll(): Promise<void> {
  const answers = [await a.run(manyCallers(40)), await b.run(repeatedCaller(a.address, 8080, 20)), await b.run(repeatedCaller(a.address, 15008, 20))];
  if (answers.join() !== 'done,done 20,done 20') throw new Error(answers.join());
}
const ALL = { outbound: 40, plaintext: 20, hbone: 20 };
const NONE = { outbound: 0, plaintext: 0, hbone: 0 };

test.serial('a newcomer gets no connection before it takes over, and then all', async (t) => {
  using first = openCapture(1, 2);
  const old = await answerFor(first, a);
  using second = openCapture(1, 3);
  await using next = await answerFor(second, a);
  t.deepEqual([first.serves(old.pod), second.serves(next.pod)], [true, false]);
  await callAll();
  t.deepEqual([counts(old), counts(next)], [ALL, NONE]);
  second.takeOver(next.pod);
  t.deepEqual([first.serves(old.pod), second.serves(next.pod)], [false, true]);
  t.deepEqual([first.isRelieved(old.pod), second.isRelieved(next.pod)], [true, false]);
  await callAll();
  t.deepEqual([counts(old), counts(next)], [ALL, ALL]);
  // What has already come is the old one's to answer, also while it goes.
  old.close();
  t.true(second.serves(next.pod));
  await callAll();
  t.deepEqual(counts(next), { outbound: 80, plaintext: 40, hbone: 40 });
});

test.serial('when the newcomer ends, the agent that stayed takes its pods back', async (t) => {
  using first = openCapture();
  await using old = await answerFor(first, a);
  using second = openCapture();
  const next = await answerFor(second, a);
  second.takeOver(next.pod);
  next.close();
  const standIn = (): boolean => {
    first.standIn(old.pod);
    return first.serves(old.pod);
  };
  await waitFor(() => standIn() || undefined, { signal: new AbortController().signal, timeoutMs: 5000, everyMs: 1, what: 'its sockets to be closed' });
  await callAll();
  t.deepEqual(counts(old), ALL);
});

test.serial('an agent that releases a pod late takes nothing from who has its address by then', async (t) => {
  using first = openCapture();
  const old = await answerFor(first, a);
  using second = openCapture();
  await using next = await answerFor(second, a);
  second.takeOver(next.pod);
  // As an agent that learns of a pod's end late.
  await old[Symbol.asyncDispose]();
  t.true(second.serves(next.pod));
});

test.serial('agents know by their control groups who came before, who came after, and who has ended', async (t) => {
  const [early, late] = [await living(1), await living(2)];
  using first = openCapture(1);
  t.deepEqual(first.look(), { hasPredecessor: false, hasSuccessor: false });
  t.true(first.isAlone);
  using second = openCapture(2);
  t.deepEqual([first.look(), second.look()], [{ hasPredecessor: false, hasSuccessor: true }, { hasPredecessor: true, hasSuccessor: false }]);
  t.deepEqual([early.pid, late.pid, process.pid, process.ppid].map((pid) => second.isAgent(pid)), [true, false, false, false], 'the other agent, not the own one, nor who is none');
  second.leave();
  t.deepEqual([first.look(), second.look()], [{ hasPredecessor: true, hasSuccessor: false }, { hasPredecessor: false, hasSuccessor: true }]);
  mesh.node('west').becomeHost();
  await late[Symbol.asyncDispose]();
  t.deepEqual([first.isAlone, first.look(), first.isAlone], [false, { hasPredecessor: false, hasSuccessor: false }, true]);
  await early[Symbol.asyncDispose]();
});

test.serial('dials of an agent are exempt for as long as its control group has a process', async (t) => {
  await using _app = await b.start(greeter(8080));
  const early = await living(1);
  using _first = openCapture(1);
  using capture = openCapture(2);
  await using agent = await answerFor(capture, a);
  const dial = async (): Promise<string> => {
    const socket = new Socket({ fd: agent.pod.socket('IPv4'), allowHalfOpen: true });
    socket.connect({ host: b.address, port: 8080 });
    return await textOf(socket);
  };
  t.is(await dial(), 'app saw 10.199.1.2');
  capture.look();
  mesh.node('west').becomeAgent(1);
  t.is(await dial(), 'app saw 10.199.1.2', 'as the earlier agent');
  mesh.node('west').becomeAgent(2);
  await early[Symbol.asyncDispose]();
  capture.look();
  mesh.node('west').becomeAgent(1);
  t.regex(await dial(), /^outbound from/, 'as what took its control group over');
  mesh.node('west').becomeAgent(2);
  t.is(await dial(), 'app saw 10.199.1.2');
});

test.serial('a control group is found by its id, and is gone when it is removed', (t) => {
  const root = mesh.node('west').cgroupRoot;
  const group = path.join(root, 'pods', 'one', 'two');
  mkdirSync(group, { recursive: true });
  const id = statSync(group, { bigint: true }).ino;
  t.is(findGroup(root, id), group);
  t.false(isPopulated(group));
  rmdirSync(group);
  t.is(findGroup(root, id), undefined);
  t.false(isPopulated(group));
  t.true(existsSync(root));
});
