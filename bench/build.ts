import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { installPackages } from '@landbridge/lab/machine.ts';
import { CACHE, REPOSITORY } from '@landbridge/lab/paths.ts';
import { say } from '@landbridge/lab/progress.ts';
import { outcomeOf, run } from '@landbridge/lab/run.ts';

const BUILT = path.join(CACHE, 'bench');
const SOURCES = path.join(REPOSITORY, 'bench');

/** Debian packages by a file that each of them brings. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  gcc: ['/usr/bin/gcc'],
  'libc6-dev': ['/usr/include/stdio.h'],
  iproute2: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'],
  'util-linux': ['/usr/bin/nsenter'],
};

export async function prepareMachine(signal: AbortSignal): Promise<void> {
  await installPackages(PACKAGES, signal);
}

/** The load generator; returns the path of the program. */
export async function buildLoad(signal: AbortSignal): Promise<string> {
  const folder = path.join(SOURCES, 'load');
  return await once('load', folder, /\.[ch]$/, async (output) => {
    const sources = readdirSync(folder).filter((name) => name.endsWith('.c')).map((name) => path.join(folder, name));
    await run(['gcc', '-std=gnu17', '-O2', '-Wall', '-Wextra', '-Werror', '-o', output, ...sources], { signal });
  });
}

const peerFolder = (name: string): string => path.join(SOURCES, 'peers', name);

/** Of packages in the lock file of a program of `bench/peers/`: `h2 0.4.1, tokio 1.2.3`. */
export function lockedVersions(name: string, packages: readonly string[]): string {
  const lock = readFileSync(path.join(peerFolder(name), 'Cargo.lock'), 'utf8');
  return packages.map((one) => `${one} ${new RegExp(`^name = "${one}"\nversion = "([^"]+)"`, 'm').exec(lock)?.[1] ?? ''}`).join(', ');
}

/** A program of `bench/peers/` that cargo builds. */
export async function buildRust(name: string, signal: AbortSignal): Promise<string> {
  const folder = peerFolder(name);
  return await once(name, folder, /\.rs$|^Cargo\.(toml|lock)$/, async (output) => {
    const cargo = await outcomeOf(['cargo', '--version'], { signal }).catch(() => undefined);
    if (cargo?.status !== 0) {
      throw new LandbridgeError('machine-unfit', 'cargo is missing', { hint: 'Install Rust 1.85 or newer, or leave those out that need it: npm run bench -- --paths none,landbridge' });
    }
    const target = `${output}.target`;
    await run(['cargo', 'build', '--release', '--locked', '--manifest-path', path.join(folder, 'Cargo.toml'), '--target-dir', target], { signal });
    await rename(path.join(target, 'release', name), output);
    await rm(target, { recursive: true });
  });
}

/**
 * A Debian package's files in a folder of their own, which is returned. Installing it would start its service on this
 * machine and at each boot.
 */
export async function unpackPackage(name: string, signal: AbortSignal): Promise<string> {
  const directory = path.join(BUILT, 'debian', name);
  if (existsSync(directory)) return directory;
  say(`unpacking the Debian package ${name}`);
  await mkdir(path.dirname(directory), { recursive: true });
  const building = await mkdtemp(`${directory}.`);
  const download = ['apt-get', 'download', '-q', name];
  if ((await outcomeOf(download, { signal, cwd: building })).status !== 0) {
    await run(['apt-get', 'update', '-q'], { signal });
    await run(download, { signal, cwd: building });
  }
  const [archive = ''] = readdirSync(building).filter((file) => file.endsWith('.deb'));
  await run(['dpkg-deb', '--extract', path.join(building, archive), path.join(building, 'files')], { signal });
  await rename(path.join(building, 'files'), directory);
  await rm(building, { recursive: true });
  return directory;
}

/** The first thing in a text that looks like a version. */
export function firstVersion(text: string): string {
  return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? '';
}

/** Builds what is not there yet for these very sources. A build that is interrupted leaves nothing that looks finished. */
async function once(name: string, folder: string, sources: RegExp, build: (output: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => sources.test(path.basename(file)));
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(path.join(folder, file)));
  const program = path.join(BUILT, `${name}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(program)) return program;
  say(`building ${name} from ${path.relative(REPOSITORY, folder)}`);
  await mkdir(BUILT, { recursive: true });
  await build(`${program}.building`);
  await rename(`${program}.building`, program);
  for (const file of readdirSync(BUILT)) {
    if (file.startsWith(`${name}-`) && file !== path.basename(program)) await rm(path.join(BUILT, file), { recursive: true });
  }
  return program;
}
