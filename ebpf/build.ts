import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generateSkeleton, linkObjects, readObject } from 'bpf-linker-node';
import { CAPTURE_OBJECT } from './capture-object.ts';

const PROGRAMS = path.join(import.meta.dirname, 'programs');
const COMPILER = 'clang-14';
const STRIP = 'llvm-strip-14';
/** v3 has 32-bit jumps; every kernel from 5.1 knows it. */
const FLAGS = ['-g', '-O2', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', '-I/usr/include/x86_64-linux-gnu'];

/** Compiles each program of `programs/` and links them into one object. Several may do so at once: what is there is always whole. */
export function buildCaptureObject(): void {
  if (isUpToDate()) return;
  const directory = path.dirname(CAPTURE_OBJECT);
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(path.join(directory, 'build-'));
  try {
    const objects = readdirSync(PROGRAMS).filter((name) => name.endsWith('.bpf.c')).sort().map((name) => {
      const object = path.join(work, name.replace(/\.c$/, '.o'));
      execFileSync(COMPILER, [...FLAGS, '-c', path.join(PROGRAMS, name), '-o', object], { stdio: 'inherit' });
      execFileSync(STRIP, ['-g', object], { stdio: 'inherit' });
      return object;
    });
    const linked = path.join(work, path.basename(CAPTURE_OBJECT));
    linkObjects(linked, objects);
    renameSync(linked, CAPTURE_OBJECT);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** As make(1) would say: every file of a test asks for the object, and some machines take a minute to compile it. */
function isUpToDate(): boolean {
  const builtAt = statSync(CAPTURE_OBJECT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return [...readdirSync(PROGRAMS).map((name) => path.join(PROGRAMS, name)), PROGRAMS, import.meta.filename].every((file) => statSync(file).mtimeMs < builtAt);
}

/** What the object declares, as TypeScript: kept in {@link CAPTURE_SKELETON}, so that whoever has no compiler has the types. */
export function captureSkeleton(): string {
  return generateSkeleton(readObject(CAPTURE_OBJECT), { of: path.basename(CAPTURE_OBJECT) });
}

export const CAPTURE_SKELETON = path.join(import.meta.dirname, 'capture-skeleton.ts');

if (import.meta.main) {
  buildCaptureObject();
  if (process.argv[2] === '--skeleton') writeFileSync(CAPTURE_SKELETON, captureSkeleton());
}
