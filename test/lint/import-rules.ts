import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { declaredDependencies, packageOf, PACKAGES } from './packages.ts';
import { readImports } from './imports.ts';
import { isTestFile, testSupportFiles } from './test-support.ts';

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** The only packages that may load native code. */
const KOFFI_PACKAGES: ReadonlySet<string> = new Set(['native', 'bpf-linker-node']);
/** Packages that must run anywhere: of Node.js' own modules they may use Buffer alone. */
const PURE_PACKAGES: ReadonlySet<string> = new Set(['core', 'wire']);
/** Tests of every package may start the servers that the lab pins; what they test still may not know of it. */
const FOR_TESTS: ReadonlySet<string> = new Set(['lab']);
/** npm knows no name for it. Tests of every package may use what tests share there. */
const NAMELESS = 'test';
const MAX_LINES = 400;
/** What the header of a longer file must say, followed by the reason. */
const REASON = 'Long because';

const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
const EMPTY_NAMES: ReadonlySet<string> = new Set(['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'common', 'misc']);
const SOURCE = /\.(ts|mts|js|mjs|c|h|sh)$/;
/** Made by a generator, or not of this repository. */
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['node_modules', 'wire/gen', 'lab/tools', 'ebpf/dist']);

export interface Context {
  readonly dependenciesOf: (name: string) => ReadonlySet<string>;
  /** Whether only tests use the file. */
  readonly isTest: boolean;
}

/** Checks one source file. `file` is relative to the repository. */
export function checkFile(file: string, text: string, context: Context): readonly Finding[] {
  return [...checkName(file), ...checkLength(file, text), ...(/\.(ts|mts|js|mjs)$/.test(file) ? checkImports(file, text, context) : [])];
}

function checkName(file: string): Finding[] {
  return file.split('/').flatMap((name) => {
    const [stem = ''] = name.split('.');
    if (!KEBAB_CASE.test(name)) return [{ file, line: 1, message: `${name} is not in kebab-case` }];
    if (EMPTY_NAMES.has(stem)) return [{ file, line: 1, message: `${name} says nothing: name it after the one thing in it` }];
    return [];
  });
}

function checkLength(file: string, text: string): Finding[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines <= MAX_LINES) return [];
  const header = /^(#![^\n]*\n)?\s*(\/\*[\s\S]*?\*\/|(\/\/[^\n]*\n|#[^\n]*\n)+)/.exec(text)?.[0] ?? '';
  if (header.includes(REASON)) return [];
  return [{ file, line: 1, message: `${lines} lines: a file of more than ${MAX_LINES} begins with a comment that has the words "${REASON}" and the reason` }];
}

function checkImports(file: string, text: string, context: Context): Finding[] {
  return readImports(text).flatMap(({ specifier, line }) => {
    const message = faultOf(specifier, file, context);
    return message === undefined ? [] : [{ file, line, message }];
  });
}

function faultOf(specifier: string, file: string, { isTest, dependenciesOf }: Context): string | undefined {
  const own = packageOf(file);
  if (own === undefined) return undefined;
  if (specifier.startsWith('node:')) {
    return PURE_PACKAGES.has(own) && !isTest && specifier !== 'node:buffer' ? `${own} may import node:buffer only of Node.js' modules, not ${specifier}` : undefined;
  }
  if (specifier.startsWith('.')) {
    const target = packageOf(path.normalize(path.join(path.dirname(file), specifier)));
    return target === own || (isTest && target === NAMELESS) ? undefined : `${specifier} leaves the package ${own}: import it by the package's name`;
  }
  const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  if (name === 'koffi' && !KOFFI_PACKAGES.has(own)) return `only ${[...KOFFI_PACKAGES].join(' and ')} may import koffi`;
  const sibling = name.startsWith('@landbridge/') ? name.slice('@landbridge/'.length) : PACKAGES[name] === undefined ? undefined : name;
  if (sibling !== undefined) {
    if (PACKAGES[sibling] === undefined) return `there is no package ${name}`;
    return sibling === own || PACKAGES[own]?.mayImport.includes(sibling) === true || (isTest && FOR_TESTS.has(sibling)) ? undefined : `${own} may not import ${sibling}`;
  }
  // Packages for development are declared once, at the root; a test may look at what it tests through any package there is.
  if (dependenciesOf(own).has(name) || (isTest && Object.keys(PACKAGES).some((other) => dependenciesOf(other).has(name)))) return undefined;
  return `${name} is not a dependency of ${own}`;
}

/** All source files below a folder, relative to it. */
function* sourceFiles(root: string, folder = ''): Generator<string> {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.name.startsWith('.') || SKIPPED_FOLDERS.has(entry.name) || SKIPPED_FOLDERS.has(file)) continue;
    if (entry.isDirectory()) yield* sourceFiles(root, file);
    else if (SOURCE.test(entry.name)) yield file;
  }
}

if (import.meta.main) {
  const root = path.resolve(import.meta.dirname, '../..');
  const dependenciesOf = declaredDependencies(root);
  const texts = new Map([...sourceFiles(root)].sort().map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
  const support = testSupportFiles(texts);
  const findings = [...texts].flatMap(([file, text]) => checkFile(file, text, { dependenciesOf, isTest: isTestFile(file) || support.has(file) }));
  for (const { file, line, message } of findings) process.stdout.write(`${file}:${line}: ${message}\n`);
  process.exitCode = findings.length > 0 ? 1 : 0;
}
