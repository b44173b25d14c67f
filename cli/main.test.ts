import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { terminationMessage } from '@landbridge/core/termination-message.ts';
import type { Status } from '@landbridge/federation/admin/admin-api.ts';
import { type AdminBackend, startAdminServer } from '@landbridge/federation/admin/admin-server.ts';
import { exampleToken } from '@landbridge/federation/join/example-token.ts';
import { encodeJoinToken } from '@landbridge/federation/join/join-token.ts';
import { tokenExpired, tokenForAnotherCluster, tokenUsed, hubUnreachable, memberUnknown } from '@landbridge/federation/join/join-errors.ts';
import test from 'ava';
import { pino } from 'pino';
import { makeAdminClient, tunnelToFederation } from './admin-client.ts';
import { openCluster } from './cluster-access.ts';
import { type FakeApiServer, startFakeApiServer } from './fake-api-server.ts';
import { readKernelReport } from './node-kernels.ts';
import { observe } from './observe.ts';
import { runProgram } from './program.ts';

const main = path.join(import.meta.dirname, 'main.ts');
const pods = '/api/v1/namespaces/landbridge-system/pods';
const token = encodeJoinToken(exampleToken());

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In this process: a new one takes a second to load the Kubernetes client. */
async function run(args: readonly string[], stdin = ''): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const { signal } = new AbortController();
  const code = await runProgram(args, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    readStdin: async () => stdin,
    signal,
    clock: () => Date.now(),
    version: '1.2.3',
    admin: async (options) => makeAdminClient(tunnelToFederation(await openCluster(options))),
    observe: (options) => observe(options, signal),
    kernelOf: async (node, options) => await readKernelReport(await openCluster(options), node, signal),
  });
  return { code, stdout, stderr };
}

function start(args: readonly string[], stdin = '', interrupt?: Promise<void>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: 'pipe', env: { HOME: '/nonexistent', PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => undefined).end(stdin);
    void interrupt?.then(() => child.kill('SIGINT'));
  });
}

const status: Status = {
  cluster: 'east',
  trustDomain: 'east.landbridge',
  network: '',
  hub: { state: 'connected', url: 'tls://hub:4222', since: Date.now() - 45_000, version: '2.14.3' },
  authority: true,
  members: [
    { cluster: 'west', trustDomain: 'west.landbridge', network: '', joinedAt: Date.now() - 3 * 86_400_000, complete: false, revoked: false, health: { state: 'Stale', since: Date.now() - 125_000, heard: Date.now() - 185_000, records: 3, exports: 1, version: '0.1.0', faults: ['It has been silent.'] } },
    { cluster: 'east', trustDomain: 'east.landbridge', network: '', joinedAt: 1, complete: true, revoked: false },
  ],
  policies: { accepted: 2, partial: 0, refused: 0, faults: [] },
  consent: { policies: { accepted: 1, refused: 0, faults: [] }, members: [{ cluster: 'west', refused: [{ reason: 'policy', count: 2 }], dropped: [{ reason: 'node', count: 1 }, { reason: 'not-declared', count: 3 }], gateways: [{ reason: 'other-cluster', count: 2 }], held: 1, waiting: 7, overflow: 0, faults: ['it declares addresses of north, which joined before: 10.3.0.0/16'] }] },
  exports: 1,
  imports: 2,
  ca: { place: 'Secret landbridge-ca', subject: 'CN=root', notAfter: Date.now() + 100 * 86_400_000, roots: [{ subject: 'CN=root', fingerprint: 'AB', notAfter: Date.now() + 100 * 86_400_000 }] },
};

interface World extends AsyncDisposable {
  readonly api: FakeApiServer;
  readonly cluster: readonly string[];
  backend: Partial<AdminBackend>;
}

const pod = (name: string, ready: boolean) => ({ metadata: { name }, status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] } });

const agentPod = (name: string, nodeName: string, status: object) => ({ metadata: { name }, spec: { nodeName }, status: { containerStatuses: [{ name: 'agent', ...status }] } });

async function startWorld(): Promise<World> {
  const api = await startFakeApiServer();
  const world: { backend: Partial<AdminBackend> } = { backend: {} };
  const backend: AdminBackend = {
    status: () => status,
    services: () => [{ namespace: 'shop', name: 'cart', address: '10.96.0.9', clusters: [{ cluster: 'east', endpoints: 3, ready: 2 }], conflicts: ['west exports other ports'], refused: [{ cluster: 'north', reason: 'policy', message: 'ImportPolicy imports does not allow it' }] }],
    createToken: (request, signal) => world.backend.createToken?.(request, signal) ?? Promise.resolve({ token: `lb1.${request.cluster}.${request.ttlSeconds}`, expiresAt: 1_900_000_000_000 }),
    rotation: () => world.backend.rotation?.() ?? Promise.resolve({ phase: 'retiring', since: Date.now() - 3 * 3_600_000, next: 'remove', obstacles: ['It is too early.'] }),
    rotate: (request) => world.backend.rotate?.(request) ?? Promise.resolve({ phase: 'distributing', since: Date.now(), next: 'sign', obstacles: [] }),
    leave: (request, signal) => world.backend.leave?.(request, signal) ?? Promise.resolve({ cluster: 'west', state: 'done' }),
    planLeave: () => ({ cluster: 'west', changes: [{ verb: 'delete', apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'derived-1' }], notes: ['And more.'] }),
    planJoin: async (text) => ({ cluster: 'west', changes: [], notes: [`A token of ${text.length}.`] }),
    rotateKeys: (signal) => world.backend.rotateKeys?.(signal) ?? Promise.resolve({ cluster: 'west', state: 'done' }),
    revoke: (cluster, signal) => world.backend.revoke?.(cluster, signal) ?? Promise.resolve({ cluster, removedAt: 1_800_000_000_000, hub: 'told' }),
    join: (text, signal) => world.backend.join?.(text, signal) ?? Promise.resolve({ cluster: 'west', members: ['west', 'east'] }),
  };
  const admin = startAdminServer({ port: 0, host: '127.0.0.1', backend, log: pino({ level: 'silent' }) });
  api.objects.set(pods, { kind: 'PodList', items: [pod('old', false), pod('fed', true)] });
  api.forwards.set('fed:15000', await admin.listening);
  return Object.assign(world, {
    api,
    cluster: ['--kubeconfig', api.kubeconfig],
    [Symbol.asyncDispose]: async () => {
      await admin[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  });
}

test('status and services are tables for people and JSON for programs', async (t) => {
  await using world = await startWorld();
  const [text, json, services] = await Promise.all([run(['status', ...world.cluster]), run(['status', '-o', 'json', ...world.cluster]), run(['services', ...world.cluster])]);
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /^Hub: +connected for \d+s, tls:\/\/hub:4222$/m);
  t.regex(text.stdout, /^MEMBER +TRUST DOMAIN +NETWORK +AGE +STATE +HEARD +VERSION\neast .* in sync +- +-\nwest .* 3d +stale for 2m +3m ago +0\.1\.0$/m);
  t.deepEqual(JSON.parse(json.stdout), status);
  t.regex(services.stdout, /^shop +cart +10\.96\.0\.9 +east:2\/3 +1$/m);
  t.regex(services.stdout, /^shop\/cart: west exports other ports$/m);
  t.regex(services.stdout, /^shop\/cart of north is not imported: ImportPolicy imports does not allow it$/m);
  t.regex(text.stdout, /^Import policies: +1 in force$/m);
  t.regex(text.stdout, /^west: exports not imported \(policy 2\); endpoints left out \(node 1, not-declared 3\); gateways left out \(other-cluster 2\); exports that change too often: 1; writes too fast: 7 records wait; it declares addresses of north, which joined before: 10\.3\.0\.0\/16$/m);
});

test('a new token stands alone on standard output', async (t) => {
  await using world = await startWorld();
  const made = await run(['token', 'create', 'west', '--ttl', '1h', ...world.cluster]);
  t.deepEqual([made.code, made.stdout], [0, 'lb1.west.3600\n']);
  t.regex(made.stderr, /lets cluster "west" join until 2030-03-17T17:46:40\.000Z/);
  const json = await run(['token', 'create', 'west', '--ttl', '10m', '-o', 'json', ...world.cluster]);
  t.deepEqual([JSON.parse(json.stdout), json.stderr], [{ token: 'lb1.west.600', expiresAt: 1_900_000_000_000 }, '']);
});

test('a join takes the token as an argument or from standard input', async (t) => {
  await using world = await startWorld();
  const seen: string[] = [];
  world.backend = { join: async (text) => { seen.push(text); return { cluster: 'west', members: ['west', 'east'] }; } };
  t.deepEqual(await run(['join', token, ...world.cluster]), { code: 0, stdout: 'Cluster west has joined; other members: east.\n', stderr: '' });
  t.is((await run(['join', '-', ...world.cluster], `${token.slice(0, 70)}\n${token.slice(70)}\n`)).code, 0);
  t.deepEqual(seen, [token, token]);
  t.regex((await run(['join', token, '--plan', ...world.cluster])).stdout, /^No object .*\nA token of \d+\.\nNothing was written\.\n$/);
  t.is(seen.length, 2, 'a plan is no join');
});

test('each reason why a join fails has its own sentence, hint and exit code', async (t) => {
  await using world = await startWorld();
  const cases: [LandbridgeError, number, RegExp][] = [
    [tokenUsed('west'), 65, /was used already\. \[token-used\]\n {2}Make a new token/],
    [tokenExpired('west', 1_700_000_000), 65, /expired at 2023-11-14T22:13:20\.000Z\. \[token-expired\]/],
    [tokenForAnotherCluster('west', 'north'), 65, /is for cluster "west", but this cluster is named "north"/],
    [hubUnreachable(['tls://hub:4222'], new Error('ECONNREFUSED')), 69, /hub can not be reached at tls:\/\/hub:4222 \(ECONNREFUSED\)/],
    [new LandbridgeError('already-joined', 'Joined.'), 1, /^landbridge: Joined\. \[already-joined\]\n$/],
  ];
  for (const [error, code, message] of cases) {
    world.backend = { join: () => Promise.reject(error) };
    const outcome = await run(['join', token, ...world.cluster]);
    t.deepEqual([outcome.code, outcome.stdout], [code, ''], error.code);
    t.regex(outcome.stderr, message);
  }
  const cut = await run(['join', token.slice(0, token.length / 2), '--kubeconfig', '/nonexistent']);
  t.is(cut.code, 65);
  t.regex(cut.stderr, /its end is missing/);
});

test('a member that is revoked is told of with the time, and whether the hub knows', async (t) => {
  await using world = await startWorld();
  const told = await run(['revoke', 'west', ...world.cluster]);
  t.deepEqual([told.code, told.stderr], [0, '']);
  t.regex(told.stdout, /^Cluster west is no member since 2027-01-15T08:00:00\.000Z: [^\n]*\nThe hub has closed its connection/);
  world.backend = { revoke: async (cluster) => ({ cluster, removedAt: 1, hub: 'later' }) };
  t.regex((await run(['revoke', 'west', ...world.cluster])).stdout, /could not be told/);
  t.deepEqual(JSON.parse((await run(['revoke', 'west', '-o', 'json', ...world.cluster])).stdout), { cluster: 'west', removedAt: 1, hub: 'later' });
  world.backend = { revoke: () => Promise.reject(memberUnknown('west')) };
  t.is((await run(['revoke', 'west', ...world.cluster])).code, 65);
});

test('a cluster leaves, or says what it waits for; a plan writes nothing', async (t) => {
  await using world = await startWorld();
  const asked: boolean[] = [];
  world.backend = { leave: async ({ force }) => { asked.push(force); return { cluster: 'west', state: 'done' }; } };
  t.deepEqual(await run(['leave', ...world.cluster]), { code: 0, stdout: 'Cluster west has left.\n', stderr: '' });
  t.is((await run(['leave', '--force', ...world.cluster])).code, 0);
  const plan = await run(['leave', '--plan', ...world.cluster]);
  t.regex(plan.stdout, /^WOULD +KIND +NAMESPACE +NAME\ndelete +Service +shop +derived-1\nAnd more\.\nNothing was written\.\n$/);
  t.is((JSON.parse((await run(['leave', '--plan', '-o', 'json', ...world.cluster])).stdout) as { changes: unknown[] }).changes.length, 1);
  t.deepEqual(asked, [false, true]);
  world.backend = { leave: async () => ({ cluster: 'west', state: 'waits', reason: 'The founder is away.' }) };
  const waits = await run(['leave', ...world.cluster]);
  t.is(waits.code, 69);
  t.regex(waits.stdout, /as soon as the founder has let it go\. Until now: The founder is away\.\nWith --force/);
});

test('keys are rotated, or go on until the founder agrees', async (t) => {
  await using world = await startWorld();
  t.regex((await run(['rotate', ...world.cluster])).stdout, /^Cluster west has other keys\./);
  world.backend = { rotateKeys: async () => ({ cluster: 'west', state: 'waits', reason: 'The hub is away.' }) };
  const waits = await run(['rotate', ...world.cluster]);
  t.deepEqual([waits.code, /Until now: The hub is away\./.test(waits.stdout)], [69, true]);
});

test('a token that is wanted from a cluster without the authority needs another cluster', async (t) => {
  await using world = await startWorld();
  world.backend = { createToken: () => Promise.reject(new LandbridgeError('not-authority', 'No authority here.')) };
  t.is((await run(['token', 'create', 'west', ...world.cluster])).code, 77);
});

test('a cluster, a federation service or a permission that is missing is said', async (t) => {
  await using world = await startWorld();
  const attempt = async (code: number, message: RegExp): Promise<void> => {
    const outcome = await run(['status', ...world.cluster]);
    t.is(outcome.code, code, outcome.stderr);
    t.regex(outcome.stderr, message);
  };
  world.api.forwards.set('fed:15000', -403);
  await attempt(77, /not-permitted/);
  const closed = createTcpServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  world.api.forwards.set('fed:15000', port);
  await attempt(69, /does not answer: error forwarding port 15000: connect ECONNREFUSED/);
  world.api.objects.set(pods, { kind: 'PodList', items: [pod('old', false)] });
  await attempt(69, /is not ready\. \[federation-not-ready\]/);
  world.api.objects.set(pods, { kind: 'PodList', items: [] });
  await attempt(69, /There is no landbridge-federation in namespace landbridge-system/);
  world.api.objects.set(pods, 403);
  await attempt(77, /does not permit this: refused with 403/);
  const { kubeconfig } = world.api;
  t.regex((await run(['status', '--kubeconfig', kubeconfig, '--context', 'other'])).stderr, /no context "other"[\s\S]*It has: fake/);
});

test('a cluster that does not answer is unreachable, to check it is a finding', async (t) => {
  const world = await startWorld();
  const kept = await startFakeApiServer();
  writeFileSync(kept.kubeconfig, readFileSync(world.api.kubeconfig));
  await world[Symbol.asyncDispose]();
  t.is((await run(['status', '--kubeconfig', kept.kubeconfig])).code, 69);
  const check = await run(['check', '-o', 'json', '--kubeconfig', kept.kubeconfig]);
  t.is(check.code, 79);
  const { checks } = JSON.parse(check.stdout) as { checks: { id: string; state: string }[] };
  t.deepEqual(checks.map(({ state }) => state), ['failed', ...Array.from({ length: 12 }, () => 'unknown')]);
  await kept[Symbol.asyncDispose]();
});

test('check looks at everything and ends with 79 when something is wrong', async (t) => {
  await using world = await startWorld();
  const { objects } = world.api;
  const definition = (name: string) => ({ metadata: { name }, spec: { versions: ['v1alpha1', 'v1beta1'].map((version) => ({ name: version, served: true })) }, status: { conditions: [{ type: 'Established', status: 'True' }] } });
  for (const name of ['serviceexports.multicluster.x-k8s.io', 'serviceimports.multicluster.x-k8s.io']) objects.set(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`, definition(name));
  objects.set('/version', { gitVersion: 'v1.36.3' });
  objects.set('/apis/apps/v1/namespaces/landbridge-system/deployments/landbridge-federation', { spec: { replicas: 1 }, status: { readyReplicas: 1 } });
  objects.set('/apis/apps/v1/namespaces/landbridge-system/daemonsets/landbridge-agent', { status: { desiredNumberScheduled: 3, numberReady: 2 } });
  objects.set('/api/v1/namespaces/kube-system/configmaps/coredns', { data: { Corefile: '.:53 {\n  kubernetes cluster.local clusterset.local {\n    multicluster clusterset.local\n  }\n}\n' } });
  objects.set('/apis/apps/v1/namespaces/istio-system/deployments/istiod', { spec: { template: { spec: { containers: [{ env: [{ name: 'AMBIENT_ENABLE_MULTI_NETWORK', value: 'false' }] }] } } } });
  objects.set(pods, { kind: 'PodList', items: [pod('fed', true), agentPod('a', 'one', { ready: true })] });
  const outcome = await run(['check', ...world.cluster]);
  t.is(outcome.code, 79, outcome.stderr);
  t.regex(outcome.stdout, /^ok +cluster-reachable .*v1\.36\.3/m);
  t.regex(outcome.stdout, /^ok +crds-installed /m);
  t.regex(outcome.stdout, /^ok +federation-ready /m);
  t.regex(outcome.stdout, /^failed +agents-ready .*\(2 of 3\)/m);
  t.regex(outcome.stdout, /^ok +kernels-fit /m);
  t.regex(outcome.stdout, /^ok +hub-connected /m);
  t.regex(outcome.stdout, /^failed +members-synced .*of: west\.$/m);
  t.regex(outcome.stdout, /^ok +coredns-clusterset /m);
  t.regex(outcome.stdout, /^ok +istio-networks +istiod takes/m);
  t.regex(outcome.stdout, /10 ok, 3 failed, 0 unknown\n$/);
});

test('check --node tells of the kernel of a node, by its agent or by what that left', async (t) => {
  await using world = await startWorld();
  const lacks = terminationMessage(new LandbridgeError('kernel-unfit', 'this kernel lacks what capture needs:\n- BPF_PROG_TYPE_SK_LOOKUP (Linux 5.9): hands arriving connections to the agent'));
  world.api.objects.set(pods, { kind: 'PodList', items: [agentPod('a', 'new', { ready: true }), agentPod('b', 'old', { ready: false, lastState: { terminated: { message: lacks } } }), agentPod('c', 'starting', { ready: false })] });
  const features = [true, false].map((isThere, at) => ({ name: `BPF_${at}`, since: `6.${at}`, purpose: 'capture', isThere }));
  const agent = createServer((_, response) => response.end(JSON.stringify({ release: '6.1.0', features })));
  await once(agent.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => agent.close());
  world.api.forwards.set('a:15000', (agent.address() as AddressInfo).port);
  const told = await run(['check', '--node', 'new', ...world.cluster]);
  t.is(told.code, 79, 'one is missing');
  t.is(told.stdout, 'Linux 6.1.0\nSTATE    FEATURE  SINCE  WHAT FOR\nok       BPF_0    6.0    capture\nmissing  BPF_1    6.1    capture\n\n1 ok, 1 missing\n');
  t.deepEqual(JSON.parse((await run(['check', '--node', 'new', '-o', 'json', ...world.cluster])).stdout), { release: '6.1.0', features });
  t.regex((await run(['check', '--node', 'old', ...world.cluster])).stderr, /SK_LOOKUP \(Linux 5\.9\).*\[kernel-unfit\]/);
  for (const node of ['starting', 'nowhere']) t.regex((await run(['check', '--node', node, ...world.cluster])).stderr, /\[agent-not-ready\]/);
  world.api.objects.set('/version', { gitVersion: 'v1.36.3' });
  t.regex((await run(['check', ...world.cluster])).stdout, /^failed +kernels-fit +old: .*SK_LOOKUP \(Linux 5\.9\)/m);
});

test('the program reads a token from its standard input and ends at once when interrupted', async (t) => {
  await using world = await startWorld();
  t.deepEqual(await start(['join', '-', ...world.cluster], `${token}\n`), { code: 0, stdout: 'Cluster west has joined; other members: east.\n', stderr: '' });
  const asked = Promise.withResolvers<void>();
  world.backend = { join: () => { asked.resolve(); return new Promise(() => undefined); } };
  const outcome = await start(['join', token, ...world.cluster], '', asked.promise);
  t.deepEqual([outcome.code, outcome.stderr], [130, 'landbridge: Interrupted. [interrupted]\n']);
  t.regex((await start(['version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('usage errors end with 64, help and version with 0', async (t) => {
  for (const args of [[], ['nonsense'], ['join'], ['status', '-o', 'xml'], ['token', 'create', 'west', '--ttl', 'soon'], ['token', 'create', 'west', '--uses', '0'], ['hub', 'init', '--out', '/nonexistent'], ['hub', 'init', '--url', 'nats://x:1', '--out', '/nonexistent'], ['hub', 'init', '--url', 'tls://x:1', '--san', 'a b', '--out', '/nonexistent']]) {
    const outcome = await run(args);
    t.deepEqual([outcome.code, outcome.stdout], [64, ''], args.join(' '));
    t.not(outcome.stderr, '');
  }
  for (const args of [['--help'], ['hub', 'init', '--help'], ['help', 'join']]) t.is((await run(args)).code, 0);
  t.is((await run(['version'])).stdout, '1.2.3\n');
});

test('hub init writes its files once', async (t) => {
  const parent = mkdtempSync(path.join(tmpdir(), 'landbridge-hub-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const args = ['hub', 'init', '--url', 'tls://hub.example:4222', '--url', 'tls://[::1]:4222', '--san', '192.0.2.1', '--out', path.join(parent, 'hub')];
  const first = await run(args);
  t.is(first.code, 0, first.stderr);
  t.is(first.stdout.trimEnd().split('\n').length, 6);
  t.deepEqual(readdirSync(path.join(parent, 'hub')).sort(), ['authority-secret.yaml', 'nats.conf', 'operator.json', 'tls']);
  const second = await run(args);
  t.is(second.code, 1);
  t.regex(second.stderr, /exists already\. \[hub-files-exist\]/);
});

test('the root is changed step by step, and the command says what stands in the way', async (t) => {
  await using world = await startWorld();
  const status = await run(['ca', 'rotate', '--status', ...world.cluster]);
  t.is(status.stdout, 'Both roots are told, the new one signs. For 3h.\nThe next step takes the old root back; what still shows a certificate of it is cut.\nIt can not be made yet:\n  It is too early.\n');
  t.regex((await run(['ca', 'rotate', ...world.cluster])).stdout, /^Both roots are told, the old one signs\./);
  const json = JSON.parse((await run(['ca', 'rotate', '-o', 'json', ...world.cluster])).stdout) as { phase: string };
  t.is(json.phase, 'distributing');
  const asked: boolean[] = [];
  world.backend = { rotate: async ({ force }) => await Promise.reject(asked.push(force) && new LandbridgeError('rotation-not-ready', 'It is too early.', { hint: 'Try again later.' })) };
  for (const more of [[], ['--force']]) {
    const refused = await run(['ca', 'rotate', ...more, ...world.cluster]);
    t.deepEqual([refused.code, refused.stdout], [69, '']);
    t.regex(refused.stderr, /It is too early\. \[rotation-not-ready\]\n {2}Try again later/);
  }
  t.deepEqual(asked, [false, true]);
});
