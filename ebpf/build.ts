import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { linkObjects } from 'bpf-linker-node';
import { CAPTURE_OBJECT } from './capture-object.ts';

const PROGRAMS = path.join(import.meta.dirname, 'programs');
const COMPILER = 'clang-14';
const STRIP = 'llvm-strip-14';
/** v3 has 32-bit jumps; every kernel from 5.1 knows it. */
const FLAGS = ['-g', '-O2', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', '-I/usr/include/x86_64-linux-gnu'];

/** Compiles each program of `programs/` and links them into one object. */
export function buildCaptureObject(): void {
  const directory = path.dirname(CAPTURE_OBJECT);
  mkdirSync(directory, { recursive: true });
  const objects = readdirSync(PROGRAMS).filter((name) => name.endsWith('.bpf.c')).sort().map((name) => {
    const object = path.join(directory, name.replace(/\.c$/, '.part.o'));
    execFileSync(COMPILER, [...FLAGS, '-c', path.join(PROGRAMS, name), '-o', object], { stdio: 'inherit' });
    execFileSync(STRIP, ['-g', object], { stdio: 'inherit' });
    return object;
  });
  linkObjects(`${CAPTURE_OBJECT}.new`, objects);
  renameSync(`${CAPTURE_OBJECT}.new`, CAPTURE_OBJECT);
  for (const object of objects) rmSync(object);
}

if (import.meta.main) buildCaptureObject();
