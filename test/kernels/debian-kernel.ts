import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CACHE } from '@landbridge/lab/paths.ts';
import { run } from '@landbridge/lab/run.ts';

/** A kernel of Debian, unpacked and not installed. */
export interface KernelImage {
  /** As uname(2) tells it. */
  readonly release: string;
  readonly image: string;
  /** With `modules.dep`; mounted at /lib/modules of the guest. */
  readonly modules: string;
  /** Has `lib/modules`. */
  readonly root: string;
}

const DIRECTORY = path.join(CACHE, 'kernels');
/** The newest kernel of the release of Debian that this machine is. */
const METAPACKAGE = 'linux-image-amd64';

/** Fetches the kernel of this machine's Debian by apt, once for each version, and unpacks it into the cache. */
export async function fetchDebianKernel(signal: AbortSignal): Promise<KernelImage> {
  const depends = await run(['apt-cache', 'depends', METAPACKAGE], { signal });
  const name = /^ *Depends: (linux-image-[0-9]\S*)$/m.exec(depends)?.[1];
  if (name === undefined) throw new LandbridgeError('machine-unfit', `apt knows no kernel behind ${METAPACKAGE}`, { hint: 'Run apt-get update on a Debian 12.' });
  const version = /^ *Candidate: (\S+)$/m.exec(await run(['apt-cache', 'policy', name], { signal }))?.[1] ?? '';
  return await unpacked(`${name}_${version.replaceAll(':', '%3a')}`, signal, async (directory) => {
    await run(['apt-get', 'download', '-q', name], { signal, cwd: directory });
    return path.join(directory, readdirSync(directory).find((file) => file.endsWith('.deb')) ?? '');
  });
}

/** As {@link fetchDebianKernel}, of a package that is there already. */
export async function unpackKernel(file: string, signal: AbortSignal): Promise<KernelImage> {
  return await unpacked(path.basename(file, '.deb'), signal, () => Promise.resolve(path.resolve(file)));
}

/** `find`: where the package is, given a directory that it may be put into. */
async function unpacked(name: string, signal: AbortSignal, find: (directory: string) => Promise<string>): Promise<KernelImage> {
  const root = path.join(DIRECTORY, name);
  if (!existsSync(root)) {
    await mkdir(DIRECTORY, { recursive: true });
    const work = mkdtempSync(path.join(DIRECTORY, 'unpacking-'));
    try {
      const tree = path.join(work, 'tree');
      await run(['dpkg-deb', '--extract', await find(work), tree], { signal });
      await run(['depmod', '--basedir', tree, releaseIn(tree)], { signal });
      await rename(tree, root);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const release = releaseIn(root);
  return { release, image: path.join(root, 'boot', `vmlinuz-${release}`), modules: path.join(root, 'lib/modules'), root };
}

function releaseIn(root: string): string {
  const [release] = readdirSync(path.join(root, 'lib/modules'));
  if (release === undefined) throw new LandbridgeError('machine-unfit', `${root} has no kernel modules`);
  return release;
}
