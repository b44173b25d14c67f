/** The real plugin against the real server: what a container runtime sees. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import pino from 'pino';
import { buildCniExecutable } from '../cni/build.ts';
import { CNI_EXECUTABLE } from '../cni-executable.ts';
import { CniServer } from './cni-server.ts';
import { TestGate } from './test-gate.ts';

const uid = '0f0f0f0f-1111-2222-3333-444444444444';
const RESULT = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: '/var/run/netns/cni-1' }], ips: [{ address: '10.1.2.3/24' }], note: 'a "quoted" \\ {[ text' };
const ARGS = (namespace: string): string => `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=one;K8S_POD_UID=${uid}`;
const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });

test.before(() => buildCniExecutable());

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
}

/** A folder for a socket, and the runtime's side. */
class Node implements AsyncDisposable {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'landbridge-cni-'));
  readonly socket = path.join(this.directory, 'agent', 'cni.sock');
  readonly gate = new TestGate();
  #server: CniServer | undefined;

  async serve(admissionMs = 20_000): Promise<void> {
    this.#server = await CniServer.open({ socket: this.socket, gate: this.gate, admissionMs, log });
  }

  get isCurrent(): boolean | undefined {
    return this.#server?.isCurrent;
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  async run(command: string, { namespace = 'demo', configuration = {}, stdin, environment = {} }: { readonly namespace?: string; readonly configuration?: object; readonly stdin?: string; readonly environment?: NodeJS.ProcessEnv } = {}): Promise<Outcome> {
    const env = { CNI_COMMAND: command, CNI_CONTAINERID: 'f00', CNI_NETNS: '/var/run/netns/cni-1', CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin', CNI_ARGS: ARGS(namespace), ...environment };
    const plugin = spawn(CNI_EXECUTABLE, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    let stdout = '';
    plugin.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    // A plugin that ends early does not read it all.
    plugin.stdin.on('error', () => {});
    plugin.stdin.end(stdin ?? JSON.stringify({ cniVersion: '1.0.0', name: 'lab', type: 'landbridge-cni', agentSocket: this.socket, timeoutSeconds: 30, retrySeconds: 0, exemptNamespaces: ['kube-system', 'other'], prevResult: RESULT, ...configuration }));
    const [status] = (await once(plugin, 'close')) as [number | null];
    return { status, stdout };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }
}

test('ADD asks for the sandbox and prints the result that came before', async (t) => {
  await using node = new Node();
  await node.serve();
  const { status, stdout } = await node.run('ADD');
  t.is(status, 0);
  t.deepEqual(JSON.parse(stdout), RESULT);
  t.deepEqual(node.gate.asked, [{ uid, namespace: 'demo', name: 'one', addresses: ['10.1.2.3'], namespacePath: '/var/run/netns/cni-1' }]);
});

test('a pod that is refused does not start, and the runtime hears why', async (t) => {
  await using node = new Node();
  node.gate.answer = async () => ({ kind: 'refused', reason: 'it is "Tuesday"' });
  await node.serve();
  const { status, stdout } = await node.run('ADD', { namespace: 'kube-system' });
  t.is(status, 1);
  t.deepEqual(JSON.parse(stdout), { cniVersion: '1.0.0', code: 11, msg: 'landbridge: it is "Tuesday"' });
});

test('a gate that does not come to an answer refuses in time, and is told to give up', async (t) => {
  await using node = new Node();
  node.gate.answer = async (_, signal) => {
    if (!signal.aborted) await once(signal, 'abort');
    return { kind: 'refused', reason: 'no time' };
  };
  await node.serve(50);
  t.like(await node.run('ADD'), { status: 1 });
  t.is(node.gate.givenUp, 1);
});

test('DEL ends the capture, and works without an agent', async (t) => {
  await using node = new Node();
  t.deepEqual(await node.run('DEL'), { status: 0, stdout: '' });
  t.deepEqual(await node.run('GC'), { status: 0, stdout: '' });
  await node.serve();
  t.deepEqual(await node.run('DEL', { configuration: { prevResult: undefined } }), { status: 0, stdout: '' });
  t.deepEqual(await node.run('DEL', { environment: { CNI_NETNS: '' } }), { status: 0, stdout: '' });
  t.deepEqual(node.gate.ended.map(({ uid, namespacePath }) => [uid, namespacePath]), [[uid, '/var/run/netns/cni-1'], [uid, '']]);
});

test('without an agent no pod starts but those of exempt namespaces, and the node is not ready', async (t) => {
  await using node = new Node();
  const refused = await node.run('ADD');
  t.is(refused.status, 1);
  t.deepEqual(JSON.parse(refused.stdout), { cniVersion: '1.0.0', code: 11, msg: 'landbridge-cni: the agent of this node does not answer', details: 'No such file or directory' });
  const exempt = await node.run('ADD', { namespace: 'kube-system' });
  t.is(exempt.status, 0);
  t.deepEqual(JSON.parse(exempt.stdout), RESULT);
  for (const namespace of ['kube', 'kube-system2', 'kube-system","other', '', '"']) t.is((await node.run('ADD', { namespace })).status, 1, namespace);
  t.is((await node.run('ADD', { namespace: 'kube-system', configuration: { exemptNamespaces: [] } })).status, 1);
  t.is((await node.run('CHECK', { namespace: 'kube-system' })).status, 1);
  const status = await node.run('STATUS');
  t.deepEqual([status.status, JSON.parse(status.stdout).code], [1, 50]);
});

test('STATUS and CHECK are answered by the agent, VERSION is not', async (t) => {
  await using node = new Node();
  const version = await node.run('VERSION');
  t.is(version.status, 0);
  t.true(JSON.parse(version.stdout).supportedVersions.includes('1.1.0'));
  await node.serve();
  t.deepEqual(await node.run('STATUS'), { status: 0, stdout: '' });
  t.deepEqual(await node.run('CHECK'), { status: 0, stdout: '' });
  node.gate.answer = async () => ({ kind: 'refused', reason: 'gone' });
  t.is((await node.run('CHECK')).status, 1);
});

test('an agent that is replaced is waited for, also one that ends in the middle', async (t) => {
  await using node = new Node();
  const early = node.run('ADD', { configuration: { retrySeconds: 20 } });
  const asked = Promise.withResolvers<void>();
  node.gate.answer = async (_, signal) => {
    asked.resolve();
    if (!signal.aborted) await once(signal, 'abort');
    return { kind: 'captured' };
  };
  await node.serve();
  await asked.promise;
  node.gate.answer = async () => ({ kind: 'captured' });
  await node.stop();
  await node.serve();
  const { status, stdout } = await early;
  t.is(status, 0);
  t.deepEqual(JSON.parse(stdout), RESULT);
  t.is(node.gate.asked.length, 2);
});

test('a newer agent takes over the socket, and the end of the older one takes nothing away', async (t) => {
  await using node = new Node();
  await node.serve();
  const newer = new TestGate();
  await using server = await CniServer.open({ socket: node.socket, gate: newer, admissionMs: 20_000, log });
  t.deepEqual([node.isCurrent, server.isCurrent], [false, true]);
  await node.stop();
  t.is((await node.run('ADD')).status, 0);
  t.deepEqual([node.gate.asked.length, newer.asked.length], [0, 1]);
});

test('only the owner gets to the socket', async (t) => {
  await using node = new Node();
  await node.serve();
  t.deepEqual([path.dirname(node.socket), node.socket].map((file) => statSync(file).mode & 0o777), [0o700, 0o600]);
});

/** An agent that says this of whatever it is asked, or that never says anything. */
async function sayingAgent(socket: string, bytes: string | undefined): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    connection.on('error', () => {}).resume();
    if (bytes !== undefined) connection.on('end', () => connection.end(bytes));
  });
  server.listen(socket);
  await once(server, 'listening');
  return server;
}

for (const [what, bytes] of [
  ['nothing', ''],
  ['an answer that is cut off', '0 20\n{"cniVersion":"1.0'],
  ['more than it said', '0 1\n{}'],
  ['no status', '2 2\n{}'],
  ['no length', '0 \n'],
  ['no header', '{"cniVersion":"1.0.0"}'],
  ['too much', `0 2000000\n${' '.repeat(2_000_000)}`],
] as const) {
  test(`an agent that says ${what} has not answered`, async (t) => {
    await using node = new Node();
    const socket = path.join(node.directory, 's');
    const server = await sayingAgent(socket, bytes);
    t.teardown(() => server.close());
    const { status, stdout } = await node.run('ADD', { configuration: { agentSocket: socket } });
    t.is(status, 1);
    t.is(JSON.parse(stdout).code, 11);
    t.is((await node.run('DEL', { configuration: { agentSocket: socket } })).status, 0);
  });
}

test('an agent that hangs is given up', async (t) => {
  await using node = new Node();
  const socket = path.join(node.directory, 's');
  const server = await sayingAgent(socket, undefined);
  t.teardown(() => server.close());
  const outcome = await node.run('ADD', { configuration: { agentSocket: socket, timeoutSeconds: 1 } });
  t.is(outcome.status, 1);
  t.regex(outcome.stdout, /timed out/);
});

for (const [what, run] of [
  ['no JSON', { stdin: 'garbage' }],
  ['nothing', { stdin: '' }],
  ['zero bytes', { stdin: '{"agentSocket":"/x"}\0' }],
  ['an unfinished string', { stdin: '{"agentSocket":"/x' }],
  ['no end', { stdin: '{"a":[[[[{"agentSocket":"/x"' }],
  ['a socket further inside', { stdin: '{"a":{"agentSocket":"/x"},"b":"\\"agentSocket\\":\\"/x\\""}' }],
  ['a path that is too long', { configuration: { agentSocket: `/${'x'.repeat(200)}` } }],
  ['an escaped path', { configuration: { agentSocket: '/x"y' } }],
  ['too much', { stdin: ' '.repeat(1 << 20) }],
  ['line ends in variables', { environment: { CNI_NETNS: '/x\nCNI_COMMAND=DEL' } }],
  ['variables that are too long', { environment: { CNI_ARGS: 'x'.repeat(70_000) } }],
] as const) {
  test(`a runtime that says ${what} is refused with an error that can be read`, async (t) => {
    await using node = new Node();
    const { status, stdout } = await node.run('ADD', run);
    t.is(status, 1);
    t.true([4, 5, 7].includes(JSON.parse(stdout).code), stdout);
  });
}

test('requests that are too long or never end cost the agent nothing but a connection', async (t) => {
  await using node = new Node();
  await node.serve();
  const flood = spawn('sh', ['-c', `head -c 4000000 /dev/zero | ${process.execPath} -e 'const s=require("net").connect(process.argv[1]);process.stdin.pipe(s);s.on("error",()=>{}).on("close",()=>process.exit(7))' ${node.socket}`]);
  t.deepEqual(await once(flood, 'close'), [7, null]);
  t.is((await node.run('ADD')).status, 0);
});

test('a socket that can not be made is told with what to do', async (t) => {
  await using node = new Node();
  writeFileSync(path.join(node.directory, 'file'), '');
  await t.throwsAsync(CniServer.open({ socket: path.join(node.directory, 'file', 'cni.sock'), gate: node.gate, admissionMs: 1, log }), { code: 'cni', message: /can not be made/ });
});
