import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generateSkeleton, linkObjects, readObject } from 'bpf-linker-node';
import { ACCELERATION_OBJECT } from './acceleration-object.ts';
import { CAPTURE_OBJECT } from './capture-object.ts';

const PROGRAMS = path.join(import.meta.dirname, 'programs');
const COMPILER = 'clang-14';
const STRIP = 'llvm-strip-14';
/** v3 has 32-bit jumps; every kernel from 5.1 knows it. */
const FLAGS = ['-g', '-O2', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', '-I/usr/include/x86_64-linux-gnu'];

/** Loaded by themselves, and only where they are wanted; all other programs are linked into the object of capture. */
const ALONE: ReadonlySet<string> = new Set([path.basename(ACCELERATION_OBJECT, '.o')]);

/** Links all programs of capture into one object. Several may do so at once: what is there is always whole. */
export function buildCaptureObject(): void {
  build(CAPTURE_OBJECT, programs().filter((name) => !ALONE.has(name)));
}

export function buildAccelerationObject(): void {
  build(ACCELERATION_OBJECT, programs().filter((name) => name === path.basename(ACCELERATION_OBJECT, '.o')));
}

/** As their objects are named: `guard.bpf`. */
const programs = (): string[] => readdirSync(PROGRAMS).filter((name) => name.endsWith('.bpf.c')).sort().map((name) => path.basename(name, '.c'));

function build(target: string, names: readonly string[]): void {
  if (isUpToDate(target)) return;
  const directory = path.dirname(target);
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(path.join(directory, 'build-'));
  try {
    const objects = names.map((name) => {
      const object = path.join(work, `${name}.o`);
      execFileSync(COMPILER, [...FLAGS, '-c', path.join(PROGRAMS, `${name}.c`), '-o', object], { stdio: 'inherit' });
      execFileSync(STRIP, ['-g', object], { stdio: 'inherit' });
      return object;
    });
    const linked = path.join(work, `linked-${path.basename(target)}`);
    linkObjects(linked, objects);
    renameSync(linked, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** As make(1) would say: every file of a test asks for the object, and some machines take a minute to compile it. */
function isUpToDate(target: string): boolean {
  const builtAt = statSync(target, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return [...readdirSync(PROGRAMS).map((name) => path.join(PROGRAMS, name)), PROGRAMS, import.meta.filename].every((file) => statSync(file).mtimeMs < builtAt);
}

/** What the object declares, as TypeScript: kept in {@link CAPTURE_SKELETON}, so that whoever has no compiler has the types. */
export const captureSkeleton = (): string => skeletonOf(CAPTURE_OBJECT);
export const accelerationSkeleton = (): string => skeletonOf(ACCELERATION_OBJECT);

const skeletonOf = (object: string): string => generateSkeleton(readObject(object), { of: path.basename(object) });

export const CAPTURE_SKELETON = path.join(import.meta.dirname, 'capture-skeleton.ts');
export const ACCELERATION_SKELETON = path.join(import.meta.dirname, 'acceleration-skeleton.ts');

if (import.meta.main) {
  buildCaptureObject();
  buildAccelerationObject();
  if (process.argv[2] === '--skeleton') {
    writeFileSync(CAPTURE_SKELETON, captureSkeleton());
    writeFileSync(ACCELERATION_SKELETON, accelerationSkeleton());
  }
}
