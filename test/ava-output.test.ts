import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { type AvaPart, LastWords, readAvaLine } from './ava-output.ts';
import { REPOSITORY } from './command.ts';

function countOf(output: string): { passed: number; failed: number } {
  let part: AvaPart = 'tests';
  const kinds = output.split('\n').map((line) => {
    const read = readAvaLine(line, part);
    part = read.part;
    return read.kind;
  });
  return { passed: kinds.filter((kind) => kind === 'passed').length, failed: kinds.filter((kind) => kind === 'failed').length };
}

test('a line that only looks like a test is not counted among the failures', (t) => {
  t.deepEqual(countOf('  ✔ a\n  ✘ [fail]: b\n  ─\n\n  b\n\n  ✘ quoted\n  ✔ quoted\n'), { passed: 1, failed: 1 });
});

test('why a process ended is kept, and what it said before is not', (t) => {
  const words = new LastWords();
  for (const line of ['(node:1) Warning', '#', '# Fatal error in , line 0', '# Check failed: it->second.Size() > offset.', '', ' 1: 0x1 [node]']) words.hear(line);
  t.deepEqual(words.lines, ['# Fatal error in , line 0', '# Check failed: it->second.Size() > offset.', ' 1: 0x1 [node]']);
  for (let i = 0; i < 1000; i += 1) words.hear(` ${i}: 0x1 [node]`);
  t.is(words.lines.length, 24);
});

const CASES: readonly { readonly name: string; readonly source: string; readonly passed: number; readonly failed: number }[] = [
  { name: 'passing and failing tests', source: `test('a', (t) => t.pass());\ntest('b', (t) => t.fail());\ntest('c', () => { throw new Error('  ✔ no'); });`, passed: 1, failed: 2 },
  { name: 'skipped and todo tests', source: `test('a', (t) => t.pass());\ntest.skip('b', (t) => t.pass());\ntest.todo('c');`, passed: 1, failed: 0 },
  { name: 'an error outside the tests', source: `test('a', async (t) => { t.pass(); });\nsetTimeout(() => { throw new Error('late'); }, 0);\ntest('b', async (t) => { await new Promise((r) => setTimeout(r, 500)); t.pass(); });`, passed: 1, failed: 1 },
  { name: 'a hook that fails, and the test behind it', source: `test.before(() => { throw new Error('before'); });\ntest('a', (t) => t.pass());`, passed: 0, failed: 2 },
  { name: 'a file without tests', source: `void test;`, passed: 0, failed: 1 },
];

/** What a run of a file of tests prints. */
async function runOf(t: ExecutionContext, source: string, required: readonly string[] = []): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'landbridge-ava-'));
  t.teardown(async () => await rm(directory, { recursive: true }));
  await symlink(path.join(REPOSITORY, 'node_modules'), path.join(directory, 'node_modules'));
  for (const file of required) await copyFile(path.join(REPOSITORY, 'test', file), path.join(directory, file));
  await writeFile(path.join(directory, 'sample.mjs'), `import test from 'ava';\n${source}\n`);
  await writeFile(path.join(directory, 'package.json'), JSON.stringify({ type: 'module', ava: { files: ['sample.mjs'], workerThreads: false, require: required.map((file) => `./${file}`) } }));
  const run = promisify(execFile)(process.execPath, [path.join(REPOSITORY, 'node_modules/.bin/ava')], { cwd: directory, env: { ...process.env, NO_COLOR: '1', TERM: 'dumb' } });
  return await run.catch((thrown: { stdout: string; stderr: string }) => thrown);
}

for (const { name, source, passed, failed } of CASES) {
  test(`counts of a real run: ${name}`, async (t) => {
    const { stdout } = await runOf(t, source);
    t.deepEqual(countOf(stdout), { passed, failed }, stdout);
  });
}

test('a property whose assertion failed tells the least input, and the seed by which it fails again', async (t) => {
  const { stdout, stderr } = await runOf(t, `import fc from 'fast-check';\ntest('a', (t) => fc.assert(fc.property(fc.nat(), (n) => { t.true(n < 7); })));\ntest('b', async (t) => await fc.assert(fc.asyncProperty(fc.nat(), async (n) => { t.true(n >= 0); })));`, ['tells-seeds.js']);
  t.deepEqual(countOf(stdout), { passed: 1, failed: 1 }, stdout);
  const words = new LastWords();
  for (const line of stderr.split('\n')) words.hear(line);
  t.regex(words.lines.join('\n'), /^Property failed after \d+ tests\n\{ seed: -?\d+, .*\nCounterexample: \[7\]\n/);
});
