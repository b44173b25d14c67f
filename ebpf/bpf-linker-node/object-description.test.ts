import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { linkObjects } from './link.ts';
import { describeObject, resolve } from './object-description.ts';
import { readObject } from './object-file.ts';
import { compileSample, compileText, scratch } from './test-objects.ts';

test('maps, programs and globals are found, before linking and after', (t) => {
  const directory = scratch(t);
  const object = compileSample(directory, 'every-type');
  const linked = path.join(directory, 'linked.o');
  linkObjects(linked, [object]);
  for (const file of [object, linked]) {
    const { btf, maps, programs, globals } = readObject(file);
    t.deepEqual(maps.map(({ name, type, keyBytes, valueBytes, maxEntries, flags, isPinnedByName }) => [name, type, keyBytes, valueBytes, maxEntries, flags, isPinnedByName]), [
      ['things', 1, 8, 120, 77, 1, true],
      ['events', 27, 0, 0, 4096, 0, false],
      ['sized', 2, 4, 12, 1, 0, false],
    ]);
    t.deepEqual(maps.map(({ key, value }) => [key, value].map((id) => (id === undefined ? undefined : resolve(btf, id).kind))), [['struct', 'struct'], [undefined, undefined], [undefined, undefined]]);
    t.deepEqual([...programs].sort((a, b) => a.name.localeCompare(b.name)), [{ name: 'first', section: 'cgroup/connect4' }, { name: 'second', section: 'cgroup/connect4' }, { name: 'third', section: 'tc' }]);
    const variables = globals.flatMap(({ section, variables: all }) => all.map(({ name, offset }) => [section, name, offset]));
    t.deepEqual(variables.sort(), [['.bss', 'seen', 0], ['.data', 'counter', 0], ['.rodata', 'favourite', 4], ['.rodata', 'port', 0]]);
  }
});

test('what is no BPF object is told', (t) => {
  const directory = scratch(t);
  const object = readFileSync(compileText(directory, 'plain', 'int x;'));
  const error = (bytes: Uint8Array): string => {
    const described = describeObject(bytes);
    return described.ok ? 'ok' : described.error;
  };
  t.is(error(new Uint8Array(0)), 'no ELF file');
  t.is(error(Buffer.from('#!/bin/sh\n'.repeat(10))), 'no ELF file');
  t.regex(error(readFileSync(process.execPath).subarray(0, 4096)), /machine 62, which is not BPF|beyond/);
  const other = Buffer.from(object);
  other[5] = 2;
  t.regex(error(other), /little-endian/);
  t.throws(() => readObject(path.join(directory, 'missing.o')), { code: 'file' });
});

test('an object without BTF is told how it should be compiled', (t) => {
  const directory = scratch(t);
  const object = readFileSync(compileText(directory, 'plain', 'int x;'));
  const name = object.indexOf('.BTF\0');
  t.true(name > 0);
  object.write('.XYZ', name, 'latin1');
  const described = describeObject(object);
  t.false(described.ok);
  t.regex(described.ok ? '' : described.error, /compile with -g/);
});
