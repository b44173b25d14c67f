import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { archiveEntries, type Image } from './image-archive.ts';
import { CACHE, nodeDirectory, STATE } from './paths.ts';
import type { NodePlan } from './plan.ts';
import { endProcess, startInGroup } from './processes.ts';
import { inNode, toolInNode } from './node.ts';
import { outcomeOf, run } from './run.ts';
import { writeTar } from './tar.ts';
import { toolPath } from './tools.ts';
import { waitFor } from './wait.ts';

const STORES = path.join(CACHE, 'stores');
const READY_TIMEOUT_MS = 20_000;

/** A containerd root directory that holds images, imported and unpacked; never run on again. */
export interface ImageStore {
  readonly directory: string;
  readonly layers: ReadonlySet<string>;
}

/**
 * Imports the images once into a store in the cache. Nodes begin with a copy of it made of hard links, so that
 * all nodes share the large files on disk and in memory and none has to unpack them.
 */
export async function makeImageStore(images: readonly Image[], signal: AbortSignal): Promise<ImageStore> {
  const layers = new Set(images.flatMap((image) => image.layers.map((layer) => layer.digest)));
  const key = createHash('sha256').update(JSON.stringify([toolPath('containerd'), images.map((image) => [image.name, image.layers.map((layer) => layer.digest), image.env])])).digest('hex').slice(0, 16);
  const directory = path.join(STORES, key);
  if (!existsSync(directory)) {
    const building = `${directory}.building`;
    await rm(building, { recursive: true, force: true });
    await importInto(path.join(building, 'root'), images, signal);
    await rename(path.join(building, 'root'), directory);
    await rm(building, { recursive: true });
  }
  await utimes(directory, new Date(), new Date());
  await removeOldStores();
  return { directory, layers };
}

/** Gives a node, before its containerd starts, the images of a store. */
export async function copyImageStore(store: ImageStore, node: NodePlan, signal: AbortSignal): Promise<void> {
  const target = path.join(nodeDirectory(node.name), 'lib', 'containerd');
  await mkdir(target, { recursive: true });
  const content = `${store.directory}/.`;
  // Blobs and unpacked layers are never written again, so they may be shared; the databases may not.
  const linked = await outcomeOf(['cp', '-al', content, target], { signal });
  if (linked.status !== 0) {
    // Not on one file system: copy.
    await run(['cp', '-a', '--remove-destination', content, target], { signal });
    return;
  }
  for (const file of readdirSync(store.directory, { recursive: true, encoding: 'utf8' }).filter(isDatabase)) {
    await rm(path.join(target, file));
    await cp(path.join(store.directory, file), path.join(target, file));
  }
}

/** Imports an image into a running node. Layers of the store that it began with are not sent again. */
export async function importImage(archive: string, node: NodePlan, signal: AbortSignal): Promise<void> {
  await run(await inNode(node, [toolInNode('ctr'), '--namespace', 'k8s.io', 'images', 'import', '--local', '--snapshotter', 'overlayfs', archive]), { signal });
}

/** Writes the archive of an image, without the layers of a store. */
export async function writeArchive(file: string, image: Image, store: ImageStore, signal: AbortSignal): Promise<void> {
  await writeTar(file, archiveEntries([image], store.layers), signal);
}

async function importInto(root: string, images: readonly Image[], signal: AbortSignal): Promise<void> {
  const work = path.join(STATE, 'image-store');
  await mkdir(work, { recursive: true });
  const socket = path.join(work, 'containerd.sock');
  const archive = path.join(work, 'images.tar');
  const configuration = path.join(work, 'containerd.toml');
  await mkdir(root, { recursive: true });
  await writeTar(archive, archiveEntries(images), signal);
  await writeFile(configuration, `version = 3\nroot = '${root}'\nstate = '${work}/state'\ndisabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.nri.v1.nri']\n[grpc]\n  address = '${socket}'\n[ttrpc]\n  address = '${socket}.ttrpc'\n`);
  const pid = await startInGroup('image-store', path.join(work, 'containerd.log'), ['unshare', '--mount', '--propagation', 'private', '--', toolPath('containerd'), '--config', configuration]);
  try {
    const ctr = [toolPath('ctr'), '--address', socket, '--namespace', 'k8s.io'];
    await waitFor(async () => ((await outcomeOf([...ctr, 'version'], { signal })).status === 0 ? true : undefined), { signal, timeoutMs: READY_TIMEOUT_MS, everyMs: 50, what: 'containerd to answer' });
    await run([...ctr, 'images', 'import', '--local', '--snapshotter', 'overlayfs', archive], { signal });
  } finally {
    // Also when this run is interrupted: the store must not be removed under a running containerd.
    await endProcess(pid, AbortSignal.timeout(20_000));
  }
  await rm(work, { recursive: true });
}

const isDatabase = (file: string): boolean => file.endsWith('.db');

/** The newest few are kept: two clones may use one cache. */
async function removeOldStores(): Promise<void> {
  const stores = await Promise.all((await readdir(STORES)).filter((name) => !name.endsWith('.building')).map(async (name) => ({ name, mtimeMs: (await stat(path.join(STORES, name))).mtimeMs })));
  for (const { name } of stores.sort((a, b) => b.mtimeMs - a.mtimeMs).slice(3)) await rm(path.join(STORES, name), { recursive: true, force: true });
}
