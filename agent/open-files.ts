import { readdir, readFile, stat } from 'node:fs/promises';

/** Open descriptors of this process. */
export async function openFiles(folder = '/proc/self/fd'): Promise<number> {
  // Linux 6.2 and newer tell the number as the folder's size; older ones have to be asked for each name.
  const { size } = await stat(folder);
  return size > 0 ? size : (await readdir(folder)).length;
}

/** How many this process may open: the soft limit of `/proc/self/limits`. Undefined where the kernel says it otherwise. */
export function parseMaxFiles(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

export async function maxFiles(): Promise<number | undefined> {
  return parseMaxFiles(await readFile('/proc/self/limits', 'latin1'));
}
