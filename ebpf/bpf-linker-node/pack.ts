/**
 * Makes the folder that is published: `node ebpf/bpf-linker-node/pack.ts FOLDER`, then `npm publish FOLDER`. Node.js strips
 * no types of what is installed, so that it holds JavaScript with declarations beside.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const HERE = import.meta.dirname;
const REPOSITORY = path.resolve(HERE, '../..');
/** For development alone. */
const LEFT_OUT = /\.test\.ts$|^(pack|test-objects)\.ts$/;
const COMPILER_OPTIONS = ['--ignoreConfig', '--rootDir', HERE, '--declaration', '--rewriteRelativeImportExtensions', '--module', 'nodenext', '--target', 'es2024', '--resolveJsonModule', '--strict', '--skipLibCheck', '--types', 'node', '--typeRoots', path.join(REPOSITORY, 'node_modules/@types')];

interface Manifest {
  readonly [name: string]: unknown;
}

/** The manifest as users get it, of the one of this repository, whose entries are sources. */
export function publishedManifest(manifest: Manifest): Manifest {
  const entry = (name: string) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });
  return { ...manifest, engines: { node: '>=24' }, bin: { 'bpf-linker-node': 'main.js' }, exports: { '.': entry('mod'), './codec': entry('codec') } };
}

/** Writes the package to a folder, which is made. */
export function pack(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const sources = globSync('*.ts', { cwd: HERE }).filter((name) => !LEFT_OUT.test(name));
  execFileSync(process.execPath, [path.join(REPOSITORY, 'node_modules/typescript/bin/tsc'), ...COMPILER_OPTIONS, '--outDir', folder, ...sources.map((name) => path.join(HERE, name))], { cwd: HERE, stdio: 'inherit' });
  chmodSync(path.join(folder, 'main.js'), 0o755);
  const manifest = JSON.parse(readFileSync(path.join(HERE, 'package.json'), 'utf8')) as Manifest;
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(publishedManifest(manifest), undefined, 2)}\n`);
  copyFileSync(path.join(HERE, 'README.md'), path.join(folder, 'README.md'));
  copyFileSync(path.join(REPOSITORY, 'LICENSE'), path.join(folder, 'LICENSE'));
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    process.stderr.write('usage: node ebpf/bpf-linker-node/pack.ts FOLDER\n');
    process.exitCode = 64;
  } else pack(path.resolve(folder));
}
