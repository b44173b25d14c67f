import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import type { BtfType } from './btf.ts';
import { BpfLinkerError } from './error.ts';
import type { ObjectDescription } from './object-description.ts';
import { readObject } from './object-file.ts';
import { generateSkeleton } from './skeleton.ts';
import { compileSample, scratch } from './test-objects.ts';

const EXPECTED = path.join(import.meta.dirname, 'samples', 'every-type.skeleton.ts');
const MODULES = path.resolve(import.meta.dirname, '../../node_modules');
const COMPILER = path.join(MODULES, '.bin/tsc');

const uint = (name: string, size: number): BtfType => ({ kind: 'int', name, size, encoding: 'unsigned' });
const described = (types: readonly BtfType[]): ObjectDescription => ({ btf: { types: [{ kind: 'void' }, ...types] }, maps: [{ name: 'm', type: 1, keyBytes: 4, valueBytes: 4, maxEntries: 1, flags: 0, isPinnedByName: false, key: 1, value: undefined }], programs: [], globals: [] });

test('every kind of type has its counterpart', (t) => {
  const text = generateSkeleton(readObject(compileSample(scratch(t), 'every-type')), { of: 'every-type.o' });
  t.is(text, readFileSync(EXPECTED, 'utf8'), 'if the change is meant: npx bpf-linker-node gen skeleton');
});

test('a skeleton passes the compiler at its strictest, and its codecs know the layout of C', async (t) => {
  const directory = scratch(t);
  symlinkSync(MODULES, path.join(directory, 'node_modules'));
  writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }');
  const file = path.join(directory, 'skeleton.ts');
  writeFileSync(file, generateSkeleton(readObject(compileSample(directory, 'every-type')), { of: 'every-type.o' }));
  execFileSync(COMPILER, ['--strict', '--noEmit', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noUnusedLocals', '--isolatedModules', '--verbatimModuleSyntax', '--erasableSyntaxOnly', '--allowImportingTsExtensions', '--module', 'nodenext', '--target', 'esnext', file], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  const { Everything, Inner, maps } = (await import(pathToFileURL(file).href)) as { Everything: { size: number; read: (view: DataView, at: number) => Record<string, unknown> }; Inner: { size: number }; maps: { things: { key: unknown; value: unknown } } };
  t.is(maps.things.value, Everything as unknown);
  t.is(maps.things.key, Inner as unknown);
  // What C makes of the same structure is in no skeleton: a program prints it.
  const source = path.join(directory, 'layout.c');
  writeFileSync(source, `${readFileSync(path.join(import.meta.dirname, 'samples/every-type.bpf.c'), 'utf8').replace(/struct \{\n\t__uint\(type[\s\S]*$/, '').replace('#include <bpf/bpf_helpers.h>', '')}
#include <stdio.h>
#include <string.h>
int main(void) {
	struct everything one;
	memset(&one, 0, sizeof(one));
	one.a = 1; one.b = -2; one.c = 3; one.d = -4; one.e = __builtin_bswap32(0x0a000001); one.f = __builtin_bswap64(6); one.g = 1; one.h = GREEN; one.i = BELOW;
	one.j[1].port = __builtin_bswap16(80); one.j[1].mac[5] = 9; one.k[1][2] = 12; memcpy(one.name, "name", 5); one.either.word = 0x04030201; one.x = 14; one.y = 15; one.wide = 16;
	one.flags = 5; one.level = -7; one.rest = 1000; one.nested.count = 17; *(unsigned *)&one.last = 18;
	fwrite(&one, sizeof(one), 1, stdout);
	return 0;
}
`);
  execFileSync('clang-14', ['-O0', source, '-o', path.join(directory, 'layout')]);
  const bytes = execFileSync(path.join(directory, 'layout'));
  t.is(bytes.length, Everything.size);
  t.deepEqual(Everything.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0), {
    a: 1, b: -2, c: 3, d: -4n, e: 0x0a000001, f: 6n, g: true, h: 5,
    // clang before version 16 does not tell that an enumeration is signed.
    i: 0xffffffff,
    j: [{ port: 0, mac: new Uint8Array(6) }, { port: 80, mac: Uint8Array.of(0, 0, 0, 0, 0, 9) }],
    k: [[0, 0, 0], [0, 0, 12]],
    name: new Uint8Array(Buffer.from('name\0')),
    either: Uint8Array.of(1, 2, 3, 4),
    x: 14, y: 15, union_at_92: Uint8Array.of(16, 0, 0, 0), flags: 5, level: -7, rest: 1000, nested: { count: 17n }, last: 18,
  });
});

test('names of a hostile object stay names', async (t) => {
  const object: ObjectDescription = {
    ...described([{ kind: 'struct', name: "*/ throw 1; '", size: 4, members: [{ name: '__proto__', type: 2, bitOffset: 0, bits: 0 }, { name: "a'\n]: 1, b", type: 2, bitOffset: 0, bits: 0 }] }, uint('x', 4)]),
    programs: [{ name: "'); process.exit(3); ('", section: '\\' }],
  };
  const directory = scratch(t);
  mkdirSync(path.join(directory, 'node_modules'));
  symlinkSync(path.join(MODULES, 'bpf-linker-node'), path.join(directory, 'node_modules/bpf-linker-node'));
  const file = path.join(directory, 'skeleton.mts');
  writeFileSync(file, generateSkeleton(object, { of: 'x\nthrow 2;' }));
  const { programs, maps } = (await import(pathToFileURL(file).href)) as { programs: Record<string, { section: string }>; maps: { m: { key: { size: number } } } };
  t.deepEqual(Object.entries(programs), [["'); process.exit(3); ('", { name: "'); process.exit(3); ('", section: '\\' }]]);
  t.is(maps.m.key.size, 4);
});

test('types that are no data are refused by name', (t) => {
  t.throws(() => generateSkeleton(described([uint('__int128', 16)]), { of: 'x.o' }), { instanceOf: BpfLinkerError, code: 'unsupported-type', message: /the key of map m has an integer of 16 bytes/ });
  t.throws(() => generateSkeleton(described([{ kind: 'other', name: 'fwd' }]), { of: 'x.o' }), { code: 'unsupported-type' });
  t.throws(() => generateSkeleton(described([{ kind: 'typedef', name: 'loop', type: 1 }]), { of: 'x.o' }), { code: 'bad-object', message: /leads to no type/ });
  t.throws(() => generateSkeleton(described([{ kind: 'array', type: 1, length: 2 }]), { of: 'x.o' }), { code: 'bad-object' });
  t.throws(() => generateSkeleton(described([{ kind: 'struct', name: 's', size: 8, members: [{ name: 'wide', type: 2, bitOffset: 0, bits: 40 }] }, uint('u64', 8)]), { of: 'x.o' }), { code: 'unsupported-type', message: /s wide is a bit-field/ });
});

test('anonymous structures that hold each other twice do not take all memory', (t) => {
  const twice = (next: number): BtfType => ({ kind: 'struct', name: '', size: 8, members: [0, 32].map((bitOffset) => ({ name: '', type: next, bitOffset, bits: 0 })) });
  const types = [...Array.from({ length: 30 }, (_, index) => twice(index + 2)), uint('last', 4)];
  t.throws(() => generateSkeleton(described(types), { of: 'x.o' }), { code: 'bad-object', message: /more than 100000 fields/ });
});
