import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { delegate, type Hierarchy, labGroup, makeGroups, readHierarchies } from './cgroups.ts';
import { bootScript, cgroup2InNode } from './boot.ts';
import { cniConfiguration, containerdConfiguration, kubeletConfiguration, kubeProxyConfiguration, NODE_HOME, NODE_TOOLS, type Server } from './kubernetes-config.ts';
import { clusterDirectory, nodeDirectory } from './paths.ts';
import { kubeconfig } from './pki.ts';
import type { ClusterPlan, NodePlan } from './plan.ts';
import { joiningGroups, startDetached } from './processes.ts';
import { run } from './run.ts';
import { TOOLS, type ToolName, toolPath } from './tools.ts';
import { waitFor } from './wait.ts';

const BOOT_TIMEOUT_MS = 20_000;
/** Below a node's control group of version 2: everything of the node that is no pod. */
const LEAF = 'system';

/** The control group of version 2 of a server of a node and of the shell that starts it again, as this machine sees it. @throws LandbridgeError `unsupported` */
export function serverGroup(node: NodePlan, server: string, hierarchies: readonly Hierarchy[]): string {
  const unified = hierarchies.find(({ version }) => version === 2);
  if (unified === undefined) throw new LandbridgeError('unsupported', 'this machine has no control groups of version 2');
  return path.join(labGroup(unified), node.name, LEAF, server);
}

/** A pinned server's path as a node sees it. */
export function toolInNode(name: ToolName): string {
  return path.join(NODE_TOOLS, path.relative(TOOLS, toolPath(name)));
}

/** Writes everything that the servers of a node read. Needs the cluster's certificates. */
export async function writeNodeFiles(cluster: ClusterPlan, node: NodePlan): Promise<void> {
  const home = nodeDirectory(node.name);
  const from = path.join(clusterDirectory(cluster.name), 'pki');
  const pki = path.join(home, 'pki');
  const etc = path.join(home, 'etc');
  for (const directory of [etc, 'log', 'lib', 'varlog']) await mkdir(path.resolve(home, directory), { recursive: true });
  await mkdir(pki, { mode: 0o700 });
  const copies = [
    ['ca.crt', 'ca.crt'],
    [`kubelet-server-${node.name}.crt`, 'kubelet-server.crt'],
    [`kubelet-server-${node.name}.key`, 'kubelet-server.key'],
    ...(node.role === 'control-plane' ? CONTROL_PLANE_FILES.map((name) => [name, name]) : []),
  ] as const;
  for (const [source, target] of copies) await copyFile(path.join(from, source ?? ''), path.join(pki, target ?? ''));
  const clients = [
    ['kubelet', `kubelet-${node.name}`, cluster.apiserver],
    ['proxy', 'proxy', cluster.apiserver],
    ...(node.role === 'control-plane' ? [['controller-manager', 'controller-manager', 'https://127.0.0.1:6443'] as const, ['scheduler', 'scheduler', 'https://127.0.0.1:6443'] as const] : []),
  ] as const;
  for (const [name, certificate, server] of clients) {
    await writeFile(path.join(pki, `${name}.conf`), await kubeconfig(from, cluster.name, server, certificate), { mode: 0o600 });
  }
  const json = (value: object): string => `${JSON.stringify(value, null, 1)}\n`;
  await writeFile(path.join(etc, 'kubelet.json'), json(kubeletConfiguration(cluster, node)));
  await writeFile(path.join(etc, 'kube-proxy.json'), json(kubeProxyConfiguration(cluster, node)));
  await writeFile(path.join(etc, 'cni.conflist'), json(cniConfiguration(node)));
  await writeFile(path.join(etc, 'containerd.toml'), containerdConfiguration());
  // Nothing answers there: names outside the cluster fail at once instead of leaving the machine.
  await writeFile(path.join(etc, 'resolv.conf'), `nameserver ${cluster.gateway}\n`);
  await writeFile(path.join(etc, 'hosts'), `127.0.0.1 localhost\n${node.address} ${node.name}\n`);
}

const CONTROL_PLANE_FILES = ['ca.key', 'sa.key', 'sa.pub', ...['apiserver', 'apiserver-kubelet-client', 'front-proxy-client'].flatMap((name) => [`${name}.crt`, `${name}.key`])];

/** Makes the namespaces and cgroups of a node; its network namespace must be there already. */
export async function bootNode(node: NodePlan, signal: AbortSignal): Promise<void> {
  const home = nodeDirectory(node.name);
  const hierarchies = readHierarchies();
  const groups = await makeGroups(node.name, hierarchies);
  await writeFile(path.join(home, 'boot.sh'), bootScript(node, hierarchies, toolInNode('pause')));
  // The shell joins the node's groups first: a cgroup namespace is rooted where its maker is.
  const child = await startDetached(path.join(home, 'log', 'boot.log'), [
    ...joiningGroups(groups),
    'nsenter', `--net=/run/netns/${node.netns}`,
    'unshare', '--mount', '--uts', '--ipc', '--cgroup', '--pid', '--fork', '--propagation', 'private', '--mount-proc',
    'sh', path.join(home, 'boot.sh'), home, TOOLS,
  ]);
  const init = await waitFor(() => firstBootedChild(child, home), {
    signal,
    timeoutMs: BOOT_TIMEOUT_MS,
    everyMs: 25,
    what: () => `the namespaces of ${node.name}: ${readFileSync(path.join(home, 'log', 'boot.log'), 'utf8').trim()}`,
  });
  await writeFile(path.join(home, 'init.pid'), String(init));
  for (const hierarchy of hierarchies) if (hierarchy.version === 2) await makeLeaf(hierarchy, node, child, init);
}

/** Version 2 lets no group have both processes and children with controllers: the node's own servers live in a leaf. */
async function makeLeaf(hierarchy: Hierarchy, node: NodePlan, ...pids: number[]): Promise<void> {
  const group = path.join(labGroup(hierarchy), node.name);
  await mkdir(path.join(group, LEAF));
  for (const pid of pids) await writeFile(path.join(group, LEAF, 'cgroup.procs'), String(pid));
  await delegate(group);
}

function firstBootedChild(parent: number, home: string): number | undefined {
  if (!existsSync(path.join(home, 'booted'))) {
    if (!existsSync(`/proc/${parent}`)) throw new LandbridgeError('node-failed', `a node could not be started: ${readFileSync(path.join(home, 'log', 'boot.log'), 'utf8').trim()}`);
    return undefined;
  }
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}

/** The command line that runs a command inside a node's namespaces and cgroups. @throws LandbridgeError `not-running` */
export async function inNode(node: NodePlan, argv: readonly string[]): Promise<readonly string[]> {
  const pid = (await readFile(path.join(nodeDirectory(node.name), 'init.pid'), 'utf8').catch(() => '')).trim();
  if (pid === '' || !existsSync(`/proc/${pid}`)) throw new LandbridgeError('not-running', `${node.name} is not running`, { hint: 'Run npm run lab.' });
  const groups = readHierarchies().map((hierarchy) => path.join(labGroup(hierarchy), node.name, hierarchy.version === 2 ? LEAF : '', 'cgroup.procs'));
  return [...joiningGroups(groups), 'nsenter', `--target=${pid}`, '--net', '--mount', '--uts', '--ipc', '--cgroup', '--pid', '--', ...argv];
}

/** Starts servers that go on after this process, each in a control group of its own as systemd does it, and restarted when it fails; their logs are /run/lab/log/NAME.log. */
export async function startServers(node: NodePlan, servers: readonly Server[], signal: AbortSignal): Promise<void> {
  const leaf = path.join(cgroup2InNode(readHierarchies()), LEAF);
  const lines = servers.map(({ name, argv }) => `mkdir -p ${leaf}/${name}; setsid sh -c 'echo $$ > ${leaf}/"$0"/cgroup.procs; until "$@"; do sleep 1; done' ${name} ${argv.map(quote).join(' ')} </dev/null >>${NODE_HOME}/log/${name}.log 2>&1 &`);
  const PATH = `${path.dirname(toolInNode('containerd'))}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  await run(await inNode(node, ['env', '-i', `PATH=${PATH}`, 'HOME=/root', 'sh', '-ec', lines.join('\n')]), { signal });
}

const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
