import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';

/** Mounts a bpf file system for pins that end with the tests. */
export function mountBpf(directory: string): void {
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'bpf', 'bpf', directory]);
}

export function unmountBpf(directory: string): void {
  if (readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `)) execFileSync('umount', [directory]);
  if (existsSync(directory)) rmdirSync(directory);
}
