import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { Capture } from '@landbridge/agent/capture/capture.ts';
import { findCgroup2 } from '@landbridge/agent/config.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { segmentsOf } from '../e2e/packet-capture.ts';
import { answerFor } from './answering-agent.ts';
import { caller, greeter } from './applications.ts';
import { Mesh } from './mesh.ts';

/** What could be left on the machine of a mesh of this process. */
const traces = (): readonly string[] => [
  ...readdirSync('/run/netns').filter((name) => name.startsWith(`lbmesh${process.pid}-`)),
  ...readdirSync(findCgroup2()).filter((name) => name === `lbmesh${process.pid}`),
  ...readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(`/run/landbridge-mesh/${process.pid}/`)),
];

test.serial('pods reach each other within a node and across nodes, over both families', async (t) => {
  await using mesh = await Mesh.open({ west: ['a', 'b'], east: ['c'] });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => mesh.pod(name)) as [ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>, ReturnType<typeof mesh.pod>];
  await using _b = await b.start(greeter(8080, '::'));
  await using _c = await c.start(greeter(8080, '::'));
  const packets = await mesh.node('west').captureWan();
  t.is(await a.run(caller(b.address, 8080)), `${a.address} > ${b.address} 8080 app saw ::ffff:${a.address}`);
  t.is(await a.run(caller(c.address, 8080)), `${a.address} > ${c.address} 8080 app saw ::ffff:${a.address}`);
  t.is(await a.run(caller(c.address6, 8080)), `${a.address6} > ${c.address6} 8080 app saw ${a.address6}`);
  t.regex(await mesh.node('west').run(caller(b.address, 8080)), /app saw ::ffff:10\.199\.1\.1$/);
  const seen = segmentsOf(await packets.stop()).map(({ source, payload }) => `${source} ${payload.toString()}`);
  t.deepEqual(seen, [`${c.address} app saw ::ffff:${a.address}`], 'the link between nodes has what went from node to node, and nothing else');
});

test.serial('a program runs in the control group of its pod, this process in that of the agent', async (t) => {
  await using mesh = await Mesh.open({ west: ['a'] });
  const script = `console.log(require('fs').readFileSync('/proc/self/cgroup', 'utf8').split('\\n').find((l) => l.startsWith('0::')))`;
  const argv = [process.execPath, '-e', script];
  t.regex(await mesh.pod('a').run(argv), /\/west\/pods$/);
  t.regex(await mesh.node('west').run(argv), /\/west\/host$/);
  const agentScript = `const fs = require('fs'); console.log('ready'); console.log(fs.readFileSync('/proc/self/cgroup', 'utf8').split('\\n').find((l) => l.startsWith('0::'))); console.log(Object.keys(require('os').networkInterfaces()).sort().join()); setInterval(() => {}, 1e6)`;
  await using agent = await mesh.node('west').startAgent([process.execPath, '-e', agentScript]);
  t.regex(await agent.line(), /\/west\/agent$/);
  t.is(await agent.line(), 'br0,lo,va,wan', "on the node's network");
  const before = readFileSync('/proc/self/cgroup', 'utf8');
  mesh.node('west').becomeAgent();
  t.regex(readFileSync('/proc/self/cgroup', 'utf8'), /\/west\/agent$/m);
  await mesh[Symbol.asyncDispose]();
  t.is(readFileSync('/proc/self/cgroup', 'utf8'), before);
});

test.serial('each node captures its own pods', async (t) => {
  buildCaptureObject();
  await using mesh = await Mesh.open({ west: ['a', 'b'], east: ['c'] });
  mesh.node('west').becomeAgent();
  using west = new Capture(mesh.node('west'));
  using east = new Capture(mesh.node('east'));
  const c = mesh.pod('c');
  {
    await using _c = await answerFor(east, c);
    t.regex(await mesh.pod('b').run(caller(c.address, 8080)), /plaintext for 10\.199\.2\.2 8080 from 10\.199\.1\.3$/);
    await using _a = await answerFor(west, mesh.pod('a'));
    t.regex(await mesh.pod('a').run(caller(c.address, 8080)), /outbound from 10\.199\.1\.2 to 10\.199\.2\.2 8080$/);
    t.regex(await c.run(caller(mesh.pod('a').address, 80)), /outbound from 10\.199\.2\.2 to 10\.199\.1\.2 80$/);
  }
  t.is(await mesh.pod('b').run(caller(c.address, 8080)), 'ECONNREFUSED', 'released, and nobody listens');
});

test.serial('nothing is left, not even what nobody stopped', async (t) => {
  const mesh = await Mesh.open({ west: ['a'] });
  const { pid } = await mesh.pod('a').start(greeter(8080));
  t.true(traces().length > 0);
  await mesh[Symbol.asyncDispose]();
  t.deepEqual(traces(), []);
  t.false(existsSync(`/proc/${pid}/fd/0`));
});

test.serial('what a killed process left goes when the next mesh begins', async (t) => {
  const script = `const { Mesh } = await import(process.argv[1]); const mesh = await Mesh.open({ west: ['a'] }); await mesh.pod('a').start(['sh', '-c', 'echo ready; exec sleep 1000']); process.kill(process.pid, 'SIGKILL');`;
  const killed = t.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', script, path.join(import.meta.dirname, 'mesh.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })) as Error & { pid: number };
  const namespace = `lbmesh${killed.pid}-west`;
  t.true(readdirSync('/run/netns').includes(namespace));
  await using _mesh = await Mesh.open({ west: ['a'] });
  t.false(readdirSync('/run/netns').includes(namespace));
  t.false(existsSync(path.join(findCgroup2(), `lbmesh${killed.pid}`)));
});
