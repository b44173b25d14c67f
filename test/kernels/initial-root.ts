import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { run } from '@landbridge/lab/run.ts';
import { type ArchiveEntry, cpioArchive } from './cpio-archive.ts';
import type { KernelImage } from './debian-kernel.ts';

/** Names of the file systems that the machine lends to the guest. */
export const HOST_TAG = 'host';
export const MODULES_TAG = 'modules';

/** Debian's kernels have none of these built in; they load what they need of the others by themselves later. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
const NINE = 'trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro';

/** What the guest's kernel begins with: the root of this machine, read only, below a layer in memory, and `script` as its first process. */
export async function initialRoot(kernel: KernelImage, script: string, signal: AbortSignal): Promise<Buffer> {
  const modules = await moduleFiles(kernel, signal);
  const init = `#!/bin/sh
/bin/busybox mount -t devtmpfs dev /dev
${modules.map((file) => `/bin/busybox insmod /modules/${path.basename(file)}\n`).join('')}
/bin/busybox mount -t 9p -o ${NINE} ${HOST_TAG} /host
/bin/busybox mount -t tmpfs layer /layer
/bin/busybox mkdir /layer/upper /layer/work /layer/root
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /layer/root
/bin/busybox mkdir -p /layer/root/lib/modules
/bin/busybox mount -t 9p -o ${NINE} ${MODULES_TAG} /layer/root/lib/modules
/bin/busybox cp /guest /layer/root/guest
exec /bin/busybox switch_root /layer/root /bin/sh /guest
`;
  const entries: readonly ArchiveEntry[] = [
    ...['bin', 'dev', 'host', 'layer', 'modules'].map((directory) => ({ path: directory })),
    // Of Debian's package busybox-static: there are no libraries here.
    ...['bin/busybox', 'bin/sh'].map((name) => ({ path: name, content: readFileSync('/usr/bin/busybox') })),
    ...modules.map((file) => ({ path: `modules/${path.basename(file)}`, content: readFileSync(file) })),
    { path: 'guest', content: Buffer.from(script) },
    { path: 'init', content: Buffer.from(init) },
  ];
  return gzipSync(cpioArchive(entries), { level: 1 });
}

/** In the order in which they are to be loaded. */
async function moduleFiles({ root, release }: KernelImage, signal: AbortSignal): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const name of MODULES) {
    for (const line of (await run(['modprobe', '--dirname', root, '--set-version', release, '--show-depends', name], { signal })).split('\n')) {
      const file = /^insmod (\S+)/.exec(line)?.[1];
      if (file !== undefined) files.add(file);
    }
  }
  const packed = [...files].find((file) => !file.endsWith('.ko'));
  if (packed !== undefined) throw new LandbridgeError('machine-unfit', `${packed} is compressed, which busybox' insmod can not read`);
  return [...files];
}
