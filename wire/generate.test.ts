import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';

const SCRIPT = path.join(import.meta.dirname, 'generate.sh');
const COMMITTED = path.join(import.meta.dirname, 'gen');
const hasProtoc = spawnSync('protoc', ['--version']).status === 0;

const contents = (folder: string): Readonly<Record<string, string>> => Object.fromEntries(readdirSync(folder).sort().map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));

(hasProtoc ? test : test.skip)(`the generated code is that of the definitions${hasProtoc ? '' : ', without protoc: install protobuf-compiler'}`, (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'landbridge-gen-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  execFileSync('sh', [SCRIPT, folder]);
  t.deepEqual(contents(folder), contents(COMMITTED));
});

test('without protoc it is said what to install, and what there is stays', (t) => {
  const before = contents(COMMITTED);
  // No directory with a protoc, and the shell by its path.
  const { status, stderr } = spawnSync('/bin/sh', [SCRIPT], { env: { PATH: '/nowhere' }, encoding: 'utf8' });
  t.not(status, 0);
  t.regex(stderr, /apt-get install protobuf-compiler/);
  t.deepEqual(contents(COMMITTED), before);
});
