/** Compiles the CNI plugin: `node agent/cni/build.ts`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { CNI_EXECUTABLE } from '../cni-executable.ts';

/** Static, since it runs on the node: whatever libraries that has are not those of the image. */
const FLAGS = ['-static', '-Os', '-s', '-Wall', '-Wextra', '-Werror', '-std=c11', '-D_GNU_SOURCE'];

/** Several may do so at once: what is there is always whole. */
export function buildCniExecutable(): void {
  mkdirSync(path.dirname(CNI_EXECUTABLE), { recursive: true });
  const fresh = `${CNI_EXECUTABLE}-${process.pid}`;
  execFileSync('gcc', [...FLAGS, '-o', fresh, path.join(import.meta.dirname, 'landbridge-cni.c')], { stdio: 'inherit' });
  renameSync(fresh, CNI_EXECUTABLE);
}

if (import.meta.main) buildCniExecutable();
