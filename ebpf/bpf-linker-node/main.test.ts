import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pack } from './pack.ts';
import { compileText, scratch } from './test-objects.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../..');
const BIN = path.join(REPOSITORY, 'node_modules/.bin');
/** `npx` and the command's first line look for programs there. */
const env = { ...process.env, PATH: `${BIN}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };

function run(t: ExecutionContext, directory: string, argv: readonly string[], command = 'bpf-linker-node') {
  const { status, stdout, stderr } = spawnSync(command, argv, { cwd: directory, env, encoding: 'utf8' });
  t.log(`${argv.join(' ')}: ${status}`);
  return { status, stdout, stderr };
}

const NEVER_SEEN = (name: string): string => `#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("socket") int ${name}(struct __sk_buff *skb) { return ${process.pid}; }
`;

test('npx links objects that it has never seen, from the checkout', (t) => {
  const directory = scratch(t);
  for (const name of ['a', 'b']) compileText(directory, name, NEVER_SEEN(`seen_${name}`));
  const { status, stderr } = run(t, REPOSITORY, ['bpf-linker-node', 'link', '-o', ...['OUT', 'a', 'b'].map((name) => path.join(directory, `${name}.o`))], 'npx');
  t.is(status, 0, stderr);
  const generated = run(t, directory, ['gen', 'skeleton', 'OUT.o']);
  t.regex(generated.stdout, /seen_a: \{ name: 'seen_a', section: 'socket' \}/);
  t.regex(generated.stdout, /seen_b/);
});

test('what is wrong with a command line is told, with how it should be', (t) => {
  const directory = scratch(t);
  for (const [argv, text] of [
    [[], /no command/],
    [['lnk'], /there is no command lnk/],
    [['link', 'a.o'], /link needs -o/],
    [['link', '-o', 'out.o'], /at least one object/],
    [['gen', 'skeletons', 'a.o'], /a skeleton of one object/],
    [['verify'], /one object/],
    [['link', '--fast'], /--fast/],
  ] as const) {
    const { status, stdout, stderr } = run(t, directory, argv);
    t.is(status, 64);
    t.is(stdout, '');
    t.regex(stderr, text);
    t.regex(stderr, /usage: bpf-linker-node link/);
  }
});

test('failures say what and where, and write nothing', (t) => {
  const directory = scratch(t);
  writeFileSync(path.join(directory, 'text.o'), 'no object');
  for (const [argv, text] of [
    [['link', '-o', 'out.o', 'none.o'], /^bpf-linker-node: none\.o can not be read: ENOENT/],
    [['link', '-o', 'out.o', 'text.o'], /^bpf-linker-node: text\.o: no ELF file/],
    [['gen', 'skeleton', 'text.o', '-o', 'out.ts'], /^bpf-linker-node: text\.o: no ELF file/],
    [['verify', 'none.o'], /^bpf-linker-node: none\.o can not be opened: ENOENT/],
  ] as const) {
    const { status, stderr } = run(t, directory, argv);
    t.is(status, 1);
    t.regex(stderr, text);
    t.notRegex(stderr, /\n {4}at /);
  }
  t.false(existsSync(path.join(directory, 'out.o')) || existsSync(path.join(directory, 'out.ts')));
});

test('--help and --version', (t) => {
  t.regex(run(t, REPOSITORY, ['--help']).stdout, /usage: .*verify/s);
  t.is(run(t, REPOSITORY, ['--version']).stdout, `${(JSON.parse(readFileSync(path.join(import.meta.dirname, 'package.json'), 'utf8')) as { version: string }).version}\n`);
});

/** Code blocks of README.md in a language. */
function blocks(language: string): string[] {
  const text = readFileSync(path.join(import.meta.dirname, 'README.md'), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block ?? '');
}

test("README.md's example does what it says, with the package as it is published", (t) => {
  const directory = scratch(t);
  const modules = path.join(directory, 'node_modules');
  mkdirSync(modules);
  const published = path.join(modules, 'bpf-linker-node');
  pack(published);
  for (const name of ['koffi', '@koromix']) symlinkSync(path.join(REPOSITORY, 'node_modules', name), path.join(modules, name));
  mkdirSync(path.join(modules, '.bin'));
  symlinkSync('../bpf-linker-node/main.js', path.join(modules, '.bin/bpf-linker-node'));
  writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }');
  for (const name of ['counter', 'connects']) copyFileSync(path.join(import.meta.dirname, `samples/${name}.bpf.c`), path.join(directory, `${name}.bpf.c`));

  const [commands = ''] = blocks('sh');
  execFileSync('sh', ['-ec', commands], { cwd: directory, env: { ...env, PATH: `${path.join(modules, '.bin')}:${env.PATH}` }, stdio: ['ignore', 'ignore', 'inherit'] });

  const [example = '', library = ''] = blocks('ts');
  writeFileSync(path.join(directory, 'example.ts'), example);
  const expected = [...example.matchAll(/\/\/ (.*)$/gm)].map(([, line]) => line);
  t.true(expected.length > 0);
  const said = run(t, directory, ['example.ts'], process.execPath);
  t.deepEqual(said.stdout.trimEnd().split('\n'), expected, said.stderr);

  // Whoever may not load gets that far.
  writeFileSync(path.join(directory, 'library.ts'), library.replace(/^verifyObject.*$/m, 'console.log(text.length, typeof verifyObject);'));
  t.regex(run(t, directory, ['library.ts'], process.execPath).stdout, /^\d+ function\n$/);

  for (const file of ['example.ts', 'library.ts']) {
    execFileSync(path.join(BIN, 'tsc'), ['--strict', '--noEmit', '--allowImportingTsExtensions', '--module', 'nodenext', '--target', 'esnext', '--skipLibCheck', 'false', '--types', '', '--lib', 'esnext,dom', path.join(directory, file)], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  }
});
