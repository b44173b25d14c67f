import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { parentDirectories, type TarEntry, writeTar } from './tar.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const signal = new AbortController().signal;

test('tar reads back what was written, long names included', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lab-tar-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;
  const split = `${'p'.repeat(80)}/${'q'.repeat(60)}/file`;
  const files: TarEntry[] = [
    { kind: 'file', path: 'bin/run', mode: 0o755, source: { content: bytes('x'.repeat(513)) } },
    { kind: 'file', path: 'empty', mode: 0o644, source: { content: bytes('') } },
    { kind: 'symlink', path: 'bin/link', target: 'run' },
    { kind: 'file', path: long, mode: 0o644, source: { content: bytes('long') } },
    { kind: 'file', path: split, mode: 0o644, source: { content: bytes('split') } },
    { kind: 'file', path: 'self', mode: 0o644, source: { file: import.meta.filename } },
  ];
  const archive = path.join(folder, 'a.tar');
  const written = await writeTar(archive, [...parentDirectories(files), ...files], signal);
  t.is(written.digest, `sha256:${createHash('sha256').update(readFileSync(archive)).digest('hex')}`);
  t.is(written.sizeBytes, readFileSync(archive).length);

  execFileSync('tar', ['-xf', archive, '-C', folder]);
  t.is(readFileSync(path.join(folder, 'bin/link'), 'utf8'), 'x'.repeat(513));
  t.is(readFileSync(path.join(folder, long), 'utf8'), 'long');
  t.is(readFileSync(path.join(folder, split), 'utf8'), 'split');
  t.is(readFileSync(path.join(folder, 'self'), 'utf8'), readFileSync(import.meta.filename, 'utf8'));
});

test('folders come before what is in them, and only where they are missing', (t) => {
  const entries: TarEntry[] = [
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    { kind: 'file', path: 'tmp/a', mode: 0o644, source: { content: bytes('') } },
    { kind: 'file', path: 'app/x/y', mode: 0o644, source: { content: bytes('') } },
  ];
  t.deepEqual(parentDirectories(entries).map((entry) => entry.path), ['app', 'app/x']);
});
