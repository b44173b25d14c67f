import test from 'ava';
import fc from 'fast-check';
import { ByteLines } from './byte-lines.ts';

/** Anything without a line feed, characters of several bytes among it. */
const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ''));

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function readAll(lines: ByteLines, chunks: readonly Buffer[]): string[] | string {
  const read: string[] = [];
  for (const chunk of chunks) {
    const pushed = lines.push(chunk);
    if (!pushed.ok) return pushed.error;
    read.push(...pushed.value);
  }
  return read;
}

test('lines come out as they went in, wherever the network cuts them', (t) => {
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 10 }), line, (wanted, sizes, unfinished) => {
      const bytes = Buffer.from(`${wanted.map((text) => `${text}\n`).join('')}${unfinished}`);
      t.deepEqual(readAll(new ByteLines(1000), cut(bytes, sizes)), wanted.filter((text) => text !== ''));
    }),
  );
});

test('the limit holds for the line alone, however it is cut', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 4 }), (length, before, sizes) => {
      const bytes = Buffer.from(`${'b'.repeat(Math.min(before, 10))}\n${'x'.repeat(length)}\n`);
      const read = readAll(new ByteLines(10), cut(bytes, sizes));
      t.is(typeof read === 'string', length > 10);
    }),
  );
  t.is(readAll(new ByteLines(10), [Buffer.from('12345678901')]), 'a line of more than 10 bytes', 'before it ends');
});

test('a line that comes byte by byte does not keep a buffer for each', (t) => {
  const lines = new ByteLines(1024 * 1024);
  const [before, byte] = [process.memoryUsage().arrayBuffers, Buffer.from('x')];
  for (let i = 0; i < 500_000; i++) lines.push(byte);
  t.true(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
  const read = lines.push(Buffer.from('\n'));
  t.is(read.ok && read.value[0]?.length, 500_000);
});
