import { statSync } from 'node:fs';

/** By which BPF programs know a control group of cgroup2: the inode of its directory (kernfs, on 64-bit machines). @throws Error of node:fs */
export function groupId(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
}
