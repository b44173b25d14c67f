import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { processors } from './machine.ts';
import { CACHE, REPOSITORY } from './paths.ts';
import { say } from './progress.ts';
import { run } from './run.ts';

interface ToolSet {
  /** Folder with the go.mod, relative to `lab/`. */
  readonly module: string;
  /** Package path of each command, with the minutes that a first build took on two processors. */
  readonly commands: Readonly<Record<string, { readonly package: string; readonly minutes: number }>>;
  readonly ldflags: string;
  readonly tags?: string;
  /** Whether only what needs it has it built, by its name. */
  readonly isOptional?: true;
}

export type ToolName = keyof typeof SET_OF;

/** `kubectl version` and the kubeVersion of charts read these stamps; keep in step with tools/kubernetes/go.mod. */
const VERSION_PACKAGE = 'k8s.io/component-base/version';
const KUBERNETES_STAMP = `-X ${VERSION_PACKAGE}.gitVersion=v1.36.3 -X ${VERSION_PACKAGE}.gitMajor=1 -X ${VERSION_PACKAGE}.gitMinor=36 -X ${VERSION_PACKAGE}.gitTreeState=clean -X ${VERSION_PACKAGE}.gitCommit=${'0'.repeat(40)}`;
const CONTAINERD = 'github.com/containerd/containerd/v2';

const kubernetes: ToolSet = {
  module: 'tools/kubernetes',
  commands: Object.fromEntries(
    Object.entries({ 'kube-apiserver': 4, kubelet: 1, 'kube-controller-manager': 0.5, 'kube-scheduler': 0.1, 'kube-proxy': 0.2, kubectl: 0.8 }).map(([name, minutes]) => [
      name,
      { package: `k8s.io/kubernetes/cmd/${name}`, minutes },
    ]),
  ),
  ldflags: `-s -w ${KUBERNETES_STAMP}`,
};
const etcd: ToolSet = { module: 'tools/etcd', commands: { etcd: { package: '.', minutes: 0.8 } }, ldflags: '-s -w' };
const containerd: ToolSet = {
  module: 'tools/containerd',
  commands: Object.fromEntries(
    Object.entries({ containerd: 0.8, 'containerd-shim-runc-v2': 0.2, ctr: 0.1 }).map(([name, minutes]) => [name, { package: `${CONTAINERD}/cmd/${name}`, minutes }]),
  ),
  ldflags: `-s -w -X ${CONTAINERD}/version.Version=v2.4.2`,
  tags: 'no_btrfs no_devmapper no_zfs no_aufs',
};
const coredns: ToolSet = { module: 'tools/coredns', commands: { coredns: { package: '.', minutes: 0.5 } }, ldflags: '-s -w' };
const nats: ToolSet = { module: 'tools/nats-server', commands: { 'nats-server': { package: 'github.com/nats-io/nats-server/v2', minutes: 0.2 } }, ldflags: '-s -w' };
const helm: ToolSet = { module: 'tools/helm', commands: { helm: { package: 'helm.sh/helm/v4/cmd/helm', minutes: 1.5 } }, ldflags: '-s -w' };
/** Tries HTTP/2 servers; for tests. */
const h2spec: ToolSet = { module: 'tools/h2spec', commands: { h2spec: { package: 'github.com/summerwind/h2spec/cmd/h2spec', minutes: 0.1 } }, ldflags: '-s -w' };
/** Plays the kubelets of nodes that are not there; for benchmarks. */
const kwok: ToolSet = { module: 'tools/kwok', commands: { kwok: { package: 'sigs.k8s.io/kwok/cmd/kwok', minutes: 3 } }, ldflags: '-s -w', isOptional: true };
const pause: ToolSet = { module: 'pause', commands: { pause: { package: '.', minutes: 0.1 } }, ldflags: '-s -w' };
const demo: ToolSet = { module: 'demo', commands: { demo: { package: '.', minutes: 0.1 } }, ldflags: '-s -w' };

const SETS = [kubernetes, etcd, containerd, coredns, nats, helm, h2spec, kwok, pause, demo];

const SET_OF = {
  'kube-apiserver': kubernetes,
  'kube-controller-manager': kubernetes,
  'kube-scheduler': kubernetes,
  kubelet: kubernetes,
  'kube-proxy': kubernetes,
  kubectl: kubernetes,
  etcd,
  containerd,
  'containerd-shim-runc-v2': containerd,
  ctr: containerd,
  coredns,
  'nats-server': nats,
  helm,
  h2spec,
  kwok,
  pause,
  demo,
} as const;

/** Holds one folder for each set and version of its sources. */
export const TOOLS = path.join(CACHE, 'tools');

/** Where a tool lies, built or not. */
export function toolPath(name: ToolName): string {
  return path.join(directoryOf(SET_OF[name]), name);
}

export function toolsAreBuilt(): boolean {
  return missingCommands().length === 0;
}

/** Builds what is missing of the pinned servers, one after the other: Go uses all processors for each. Optional ones only where they are named. */
export async function buildTools(signal: AbortSignal, optional: readonly ToolName[] = []): Promise<void> {
  const missing = missingCommands(optional);
  if (missing.length === 0) return;
  const minutes = (missing.reduce((sum, { minutes }) => sum + minutes, 0) * 2) / processors();
  say(`building ${missing.length} programs from their Go modules; the first time this takes about ${Math.max(1, Math.round(minutes))} minutes here`);
  for (const [index, { set, name, package: goPackage }] of missing.entries()) {
    say(`building ${name} (${index + 1} of ${missing.length})`);
    const directory = directoryOf(set);
    await mkdir(directory, { recursive: true });
    // Go writes beside the final name, so that an interrupted build leaves nothing that looks finished.
    const output = path.join(directory, `${name}.building`);
    await run(['nice', '-n', '5', 'go', 'build', ...(set.tags === undefined ? [] : ['-tags', set.tags]), '-ldflags', set.ldflags, '-o', output, goPackage], {
      signal,
      cwd: path.join(REPOSITORY, 'lab', set.module),
      env: { CGO_ENABLED: '0', GOFLAGS: '-trimpath', GOWORK: 'off' },
    });
    await rename(output, path.join(directory, name));
  }
  await removeOldSets();
}

function missingCommands(optional: readonly ToolName[] = []): { set: ToolSet; name: string; package: string; minutes: number }[] {
  const wanted = new Set<string>(optional);
  return SETS.flatMap((set) =>
    Object.entries(set.commands)
      .filter(([name]) => (set.isOptional !== true || wanted.has(name)) && !existsSync(path.join(directoryOf(set), name)))
      .map(([name, command]) => ({ set, name, ...command })),
  );
}

const directories = new Map<ToolSet, string>();

function directoryOf(set: ToolSet): string {
  let directory = directories.get(set);
  if (directory === undefined) {
    directory = path.join(TOOLS, `${path.basename(set.module)}-${keyOf(set)}`);
    directories.set(set, directory);
  }
  return directory;
}

/** Changes with the pinned versions, our own sources and the flags. */
function keyOf(set: ToolSet): string {
  const folder = path.join(REPOSITORY, 'lab', set.module);
  const hash = createHash('sha256').update(set.ldflags).update(set.tags ?? '');
  for (const file of readdirSync(folder).filter((name) => /^go\.(mod|sum)$|\.go$/.test(name)).sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(path.join(folder, file)));
  }
  return hash.digest('hex').slice(0, 12);
}

async function removeOldSets(): Promise<void> {
  const current = new Set(SETS.map((set) => path.basename(directoryOf(set))));
  for (const name of readdirSync(TOOLS)) if (!current.has(name)) await rm(path.join(TOOLS, name), { recursive: true, force: true });
}
