import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

const SAMPLES = path.join(import.meta.dirname, 'samples');
const FLAGS = ['-g', '-O2', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', '-I/usr/include/x86_64-linux-gnu'];

/** A directory for a test, removed after it. */
export function scratch(t: ExecutionContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'bpf-linker-node-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Compiles `samples/NAME.bpf.c`; returns the object. */
export function compileSample(directory: string, name: string): string {
  return compile(directory, name, path.join(SAMPLES, `${name}.bpf.c`));
}

/** Compiles a program's text; returns the object. */
export function compileText(directory: string, name: string, text: string): string {
  const source = path.join(directory, `${name}.bpf.c`);
  writeFileSync(source, text);
  return compile(directory, name, source);
}

function compile(directory: string, name: string, source: string): string {
  const object = path.join(directory, `${name}.o`);
  execFileSync('clang-14', [...FLAGS, '-c', source, '-o', object], { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('llvm-strip-14', ['-g', object]);
  return object;
}
