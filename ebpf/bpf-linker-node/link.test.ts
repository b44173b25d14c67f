import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { BpfLinkerError } from './error.ts';
import { linkObjects } from './link.ts';
import { readObject } from './object-file.ts';
import { compileSample, compileText, scratch } from './test-objects.ts';

const HEAD = '#include <linux/types.h>\n#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n';
const map = (name: string, key: string): string => `${HEAD}struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, ${key}); __type(value, __u64); } ${name} SEC(".maps") __weak;\n`;

for (const samples of [['every-type'], ['counter', 'connects'], ['connects', 'counter'], ['counter', 'connects', 'every-type']]) {
  test(`${samples.join(' and ')}: byte for byte what bpftool makes`, (t) => {
    const directory = scratch(t);
    const objects = samples.map((sample) => compileSample(directory, sample));
    const [ours, theirs] = [path.join(directory, 'ours.o'), path.join(directory, 'theirs.o')];
    execFileSync('bpftool', ['gen', 'object', theirs, ...objects], { stdio: 'ignore' });
    linkObjects(ours, objects);
    t.true(readFileSync(ours).equals(readFileSync(theirs)));
  });
}

test('what one object declares as extern another one has', (t) => {
  const directory = scratch(t);
  const linked = path.join(directory, 'linked.o');
  linkObjects(linked, [compileSample(directory, 'connects'), compileSample(directory, 'counter')]);
  t.deepEqual(readObject(linked).programs.map(({ name }) => name).sort(), ['count_connect4', 'count_connect6']);
  t.deepEqual(readObject(linked).maps.map(({ name }) => name), ['totals']);
});

test('a refusal says what libbpf says, and leaves what was there', (t) => {
  const directory = scratch(t);
  const output = path.join(directory, 'out.o');
  writeFileSync(output, 'before');
  const [a, b] = [compileText(directory, 'a', map('services', '__u32')), compileText(directory, 'b', map('services', '__u64'))];
  const error = t.throws(() => linkObjects(output, [a, b]), { instanceOf: BpfLinkerError, code: 'link' });
  t.regex(error?.message ?? '', /b\.o can not be linked: EINVAL\nlibbpf: .*services.*\n?/s);
  t.regex(error?.message ?? '', /key/);
  t.is(readFileSync(output, 'utf8'), 'before');
  t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('.')), []);
});

test('files that are missing, no objects, or not to be written', (t) => {
  const directory = scratch(t);
  const text = path.join(directory, 'text.o');
  writeFileSync(text, 'no object');
  const output = path.join(directory, 'out.o');
  t.throws(() => linkObjects(output, [path.join(directory, 'none.o')]), { code: 'file', message: /none\.o can not be read/ });
  t.throws(() => linkObjects(output, [directory]), { code: 'file', message: /can not be read: EISDIR/ });
  t.throws(() => linkObjects(output, []), { code: 'usage' });
  t.throws(() => linkObjects(output, [text]), { code: 'bad-object', message: /text\.o: no ELF file/ });
  const object = readFileSync(compileSample(directory, 'counter'));
  writeFileSync(text, object.subarray(0, object.length / 2));
  t.throws(() => linkObjects(output, [text]), { code: 'bad-object', message: /beyond its end/ });
  t.throws(() => linkObjects(path.join(directory, 'no', 'out.o'), [path.join(directory, 'counter.o')]), { code: 'file', message: /can not be written/ });
  t.false(existsSync(output));
});
