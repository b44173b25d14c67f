import test from 'ava';
import { checkFile } from './import-rules.ts';
import { readImports } from './imports.ts';
import { isTestFile } from './test-support.ts';

const dependencies: Readonly<Record<string, readonly string[]>> = { core: ['typebox'], native: ['koffi'], federation: ['pino'], test: ['ava', 'fast-check'] };
const dependenciesOf = (name: string): ReadonlySet<string> => new Set(dependencies[name] ?? []);
const faults = (file: string, text: string): string[] => checkFile(file, text, { dependenciesOf, isTest: isTestFile(file) }).map(({ line, message }) => `${line}: ${message}`);

test('imports are found over several lines, as types, and where they are dynamic, but not in comments', (t) => {
  // The specifiers exist, because the rules read this file as well and do not know a template from code.
  const text = `/* import 'no'; */
import 'ava';
import {
  b,
  type c,
} from "fast-check";
export { d } from './imports.ts';
// import 'no';
  // import 'no';
const url = 'https://x'; const e = await import('node:fs');
type F = import('./packages.ts').F;
import.meta.resolve('ava');
const text = "from 'no'";
`;
  t.deepEqual(readImports(text), [
    { specifier: 'ava', line: 2 },
    { specifier: 'fast-check', line: 6 },
    { specifier: './imports.ts', line: 7 },
    { specifier: 'node:fs', line: 10 },
    { specifier: './packages.ts', line: 11 },
    { specifier: 'ava', line: 12 },
  ]);
});

test('arrows between packages point downwards only', (t) => {
  t.deepEqual(faults('federation/a.ts', `import { a } from '@landbridge/core/a.ts';\nimport { b } from '@landbridge/agent/b.ts';\n`), ['2: federation may not import agent']);
  t.deepEqual(faults('core/a.ts', `import { a } from '@landbridge/wire/a.ts';`), ['1: core may not import wire']);
  t.deepEqual(faults('agent/a.ts', `import type { A } from '@landbridge/nothing/a.ts';`), ['1: there is no package @landbridge/nothing']);
  t.deepEqual(faults('ebpf/build.ts', `import { a } from 'bpf-linker-node';`), []);
  t.deepEqual(faults('agent/a.ts', `import { a } from 'bpf-linker-node';`), ['1: agent may not import bpf-linker-node']);
  t.deepEqual(faults('cli/a.ts', `import { a } from '@landbridge/federation/a.ts';`), []);
});

test('tests of all packages may use the lab, and nothing else that is above them', (t) => {
  const text = `import { a } from '@landbridge/lab/a.ts';\nimport { b } from '@landbridge/cli/b.ts';`;
  t.deepEqual(faults('federation/a.ts', text), ['1: federation may not import lab', '2: federation may not import cli']);
  t.deepEqual(faults('federation/a.test.ts', text), ['2: federation may not import cli']);
  t.deepEqual(faults('agent/a.contract.ts', text), ['2: agent may not import cli']);
});

test('a package is left by its name, never by a relative path', (t) => {
  t.deepEqual(faults('agent/x/a.ts', `import { a } from '../../core/a.ts';`), ["1: ../../core/a.ts leaves the package agent: import it by the package's name"]);
  t.deepEqual(faults('ebpf/a.ts', `import { a } from './bpf-linker-node/mod.ts';`), ["1: ./bpf-linker-node/mod.ts leaves the package ebpf: import it by the package's name"]);
  t.deepEqual(faults('agent/x/a.ts', `import { a } from '../y/a.ts';`), []);
  t.deepEqual(faults('agent/x/a.kernel.test.ts', `import { a } from '../../test/mesh/mesh.ts';`), [], 'save for what tests share');
  t.deepEqual(faults('agent/x/a.ts', `import { a } from '../../test/mesh/mesh.ts';`), ["1: ../../test/mesh/mesh.ts leaves the package agent: import it by the package's name"]);
});

test('core and wire use Buffer alone of Node.js, save for their tests', (t) => {
  t.deepEqual(faults('wire/a.ts', `import { Buffer } from 'node:buffer';\nimport { createHash } from 'node:crypto';`), ["2: wire may import node:buffer only of Node.js' modules, not node:crypto"]);
  t.deepEqual(faults('wire/a.test.ts', `import test from 'ava';\nimport { createHash } from 'node:crypto';`), []);
});

test('koffi stays in its two packages', (t) => {
  t.deepEqual(faults('native/a.ts', `import koffi from 'koffi';`), []);
  t.deepEqual(faults('test/a.ts', `import koffi from 'koffi';`), ['1: only native and bpf-linker-node may import koffi']);
});

test('npm packages are declared where they are used; those for development serve tests only', (t) => {
  t.deepEqual(faults('federation/a.ts', `import pino from 'pino';\nimport fc from 'fast-check';`), ['2: fast-check is not a dependency of federation']);
  t.deepEqual(faults('federation/a.test.ts', `import fc from 'fast-check';\nimport Type from 'typebox';`), []);
});

test('names are kebab-case and say something', (t) => {
  t.deepEqual(faults('core/a-b.prop.test.ts', ''), []);
  t.deepEqual(faults('core/aB.ts', ''), ['1: aB.ts is not in kebab-case']);
  t.deepEqual(faults('core/utils/a.ts', ''), ['1: utils says nothing: name it after the one thing in it']);
  t.deepEqual(faults('core/common.ts', ''), ['1: common.ts says nothing: name it after the one thing in it']);
});

test('a long file says why', (t) => {
  const lines = 'x;\n'.repeat(400);
  t.deepEqual(faults('core/a.ts', lines), []);
  t.deepEqual(faults('core/a.ts', `/** A table. */\n${lines}`), ['1: 401 lines: a file of more than 400 begins with a comment that has the words "Long because" and the reason']);
  t.deepEqual(faults('core/a.ts', `/** Long because it is a table. */\n${lines}`), []);
});
