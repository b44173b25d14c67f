import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { MappedMemory, sealedMemory } from './sealed-memory.ts';

/** A copy. */
function contentOf(memory: number, maxBytes: number): Buffer {
  using mapped = new MappedMemory(memory, maxBytes);
  return Buffer.from(mapped.bytes);
}

test('what is sealed can be read and not be changed, and is closed on exec', (t) => {
  const bytes = Buffer.from('secret'.repeat(20_000));
  using memory = sealedMemory([bytes]);
  t.deepEqual(contentOf(memory.number, bytes.length), bytes);
  t.deepEqual(contentOf(memory.number, bytes.length), bytes, 'a second time');
  t.throws(() => writeSync(memory.number, 'x', 0), { code: 'EPERM' });
  t.throws(() => ftruncateSync(memory.number, 0), { code: 'EPERM' });
  t.throws(() => ftruncateSync(memory.number, bytes.length + 1), { code: 'EPERM' });
  t.is(fstatSync(memory.number).nlink, 0, 'a file without a name');
  t.regex(readlinkSync(`/proc/self/fd/${memory.number}`), /^\/memfd:/);
  t.regex(readFileSync(`/proc/self/fdinfo/${memory.number}`, 'latin1'), /^flags:\s+02[0-7]{6}$/m);
});

test('parts are written one behind the other, however many there are', (t) => {
  const parts = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 7, i));
  const all = Buffer.concat(parts);
  using memory = sealedMemory(parts);
  t.deepEqual(contentOf(memory.number, all.length), all);
});

test('nothing can be sealed as well', (t) => {
  using memory = sealedMemory([]);
  t.is(contentOf(memory.number, 0).length, 0);
});

test('what is too long is refused, and so is what its sender could still change', (t) => {
  using memory = sealedMemory([Buffer.alloc(11)]);
  t.throws(() => contentOf(memory.number, 10), { message: 'memory that came has 11 bytes, more than 10' });
  const file = path.join(tmpdir(), `landbridge-sealed-${process.pid}`);
  writeFileSync(file, 'not sealed');
  const fd = openSync(file, constants.O_RDWR);
  t.teardown(() => {
    closeSync(fd);
    rmSync(file);
  });
  // A file of a disk has no seals at all.
  t.throws(() => contentOf(fd, 100), { message: /EINVAL|not sealed/ });
});

test('what somebody keeps of memory that is mapped no more is empty', (t) => {
  using memory = sealedMemory([Buffer.from('secret')]);
  const mapped = new MappedMemory(memory.number, 100);
  const part = mapped.bytes.subarray(2, 4);
  t.is(part.toString(), 'cr');
  mapped[Symbol.dispose]();
  t.deepEqual([part.length, part[0], mapped.bytes.length], [0, undefined, 0]);
  mapped[Symbol.dispose]();
});

test('a mapping needs no descriptor', (t) => {
  const memory = sealedMemory([Buffer.from('secret')]);
  using mapped = new MappedMemory(memory.number, 100);
  memory[Symbol.dispose]();
  t.is(mapped.bytes.toString(), 'secret');
});
