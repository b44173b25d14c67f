import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { BpfLinkerError } from './error.ts';
import { describeObject } from './object-description.ts';
import { generateSkeleton } from './skeleton.ts';
import { compileSample, scratch } from './test-objects.ts';

/** Whatever the bytes are, they are described or refused, and a skeleton is made or refused. */
function survives(bytes: Uint8Array): void {
  const described = describeObject(bytes);
  if (!described.ok) return;
  try {
    generateSkeleton(described.value, { of: 'x.o' });
  } catch (thrown) {
    if (!(thrown instanceof BpfLinkerError)) throw thrown;
  }
}

test('damaged objects are refused or read, never more', (t) => {
  const object = readFileSync(compileSample(scratch(t), 'every-type'));
  const change = fc.record({ at: fc.nat({ max: object.length - 1 }), value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })) });
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat({ max: object.length }), fc.boolean(), (changes, length, isCut) => {
    const bytes = Uint8Array.from(object);
    for (const { at, value } of changes) bytes[at] = value;
    survives(isCut ? bytes.subarray(0, length) : bytes);
  }), { numRuns: 2000 });
  t.pass();
});

test('each number of the headers and of BTF may be any', (t) => {
  const object = readFileSync(compileSample(scratch(t), 'counter'));
  fc.assert(fc.property(fc.nat({ max: object.length / 4 - 1 }), fc.constantFrom(0, 1, 2, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff), (word, value) => {
    const bytes = Buffer.from(object);
    bytes.writeUInt32LE(value, word * 4);
    survives(bytes);
  }), { numRuns: 3000 });
  t.pass();
});

test('bytes of any kind are refused', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => !describeObject(bytes).ok));
  t.pass();
});
