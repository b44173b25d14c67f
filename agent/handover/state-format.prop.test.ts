import test from 'ava';
import fc from 'fast-check';
import { bytes, DescriptorList, descriptor, flag, integer, list, oneOf, optional, ReadContext, RecordLayout, text } from './record-layout.ts';
import { parseBatch, parseFields } from './state-reader.ts';
import { BATCH_HEADER_BYTES, MUST_UNDERSTAND, StateWriter } from './state-writer.ts';

interface Inner {
  readonly fd: number;
  readonly content: Buffer;
}

interface Example {
  readonly isSo: boolean;
  readonly count: number;
  readonly name: string;
  readonly word: 'one' | 'other';
  readonly maybe: Inner | undefined;
  readonly several: readonly Inner[];
}

const INNER = new RecordLayout<Inner>({ fd: descriptor(1), content: bytes(2, 1000) });
const EXAMPLE = new RecordLayout<Example>({ isSo: flag(1), count: integer(2, -10, 2 ** 40), name: text(3, 400), word: oneOf(4, ['one', 'other']), maybe: optional(INNER.as(5)), several: list(INNER.as(6), 20) });

const inner = fc.record({ fd: fc.integer({ min: 3, max: 1000 }), content: fc.uint8Array({ maxLength: 1000 }).map((array) => Buffer.from(array)) });
const example = fc.record({ isSo: fc.boolean(), count: fc.integer({ min: -10, max: 2 ** 40 }), name: fc.string({ maxLength: 100 }), word: fc.constantFrom('one' as const, 'other' as const), maybe: fc.option(inner, { nil: undefined }), several: fc.array(inner, { maxLength: 20 }) });

function written(value: Example): { readonly content: Buffer; readonly fds: readonly number[] } {
  const writer = new StateWriter();
  const descriptors = new DescriptorList();
  EXAMPLE.write(value, writer, descriptors);
  return { content: Buffer.concat(writer.batch(0).parts).subarray(BATCH_HEADER_BYTES), fds: descriptors.fds };
}

const read = (content: Buffer, fds: readonly number[]): ReturnType<typeof EXAMPLE.parse> => EXAMPLE.parse(content, new ReadContext(fds));

test('what is written is read', (t) => {
  fc.assert(
    fc.property(example, (value) => {
      const { content, fds } = written(value);
      t.deepEqual(read(content, fds), { ok: true, value });
    }),
  );
});

test('bytes of any kind are read or refused, and no socket is given twice', (t) => {
  fc.assert(
    fc.property(example, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(), (value, changes, cut) => {
      const { content, fds } = written(value);
      const broken = Buffer.from(content.subarray(0, content.length - (cut % 4 === 0 ? cut % (content.length + 1) : 0)));
      for (const [at, byte] of changes) if (broken.length > 0) broken[at % broken.length] = byte;
      const result = read(broken, fds);
      if (!result.ok) return result.error.length > 0;
      const places = [...result.value.several, ...(result.value.maybe === undefined ? [] : [result.value.maybe])];
      return result.value.count <= 2 ** 40 && result.value.several.length <= 20 && places.length <= fds.length;
    }),
  );
  t.pass();
});

test('a field that is unknown is skipped, unless it says that it must be understood', (t) => {
  fc.assert(
    fc.property(example, fc.integer({ min: 7, max: 127 }), fc.uint8Array({ maxLength: 50 }), (value, tag, unknown) => {
      const { content, fds } = written(value);
      const extra = (with_: number): Buffer => Buffer.concat([Buffer.from([with_, 0, 0, 0, unknown.length]), unknown, content]);
      t.deepEqual(read(extra(tag), fds), { ok: true, value });
      t.like(read(extra(tag | MUST_UNDERSTAND), fds), { ok: false });
    }),
  );
});

test('one socket for two connections, or one that did not come along, is refused', (t) => {
  const value: Example = { isSo: false, count: 0, name: '', word: 'one', maybe: undefined, several: [3, 4].map((fd) => ({ fd, content: Buffer.alloc(0) })) };
  const { content } = written(value);
  t.deepEqual(read(content, [3]), { ok: false, error: 'a socket that did not come along' });
  const same = Buffer.from(content);
  // The place of the second one, as the eight bytes of a number, is 0 instead of 1.
  same.fill(0, same.length - 8);
  t.deepEqual(read(same, [3, 4]), { ok: false, error: 'one socket for two connections' });
});

test('batches are cut into their records, and nothing else is taken for one', (t) => {
  const writer = new StateWriter();
  writer.nested(1, () => writer.text(1, 'a'));
  writer.nested(2, () => {});
  const batch = Buffer.concat(writer.batch(2).parts);
  t.deepEqual(parseBatch(batch), { ok: true, value: [{ tag: 1, content: Buffer.from([1, 0, 0, 0, 1, 97]) }, { tag: 2, content: Buffer.alloc(0) }] });
  t.false(parseBatch(batch.subarray(0, -1)).ok);
  t.false(parseBatch(batch.subarray(1)).ok);
  const other = Buffer.from(batch);
  other.writeUInt16BE(2, 4);
  t.deepEqual(parseBatch(other), { ok: false, error: 'format 2, where 1 is known' });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => typeof parseBatch(Buffer.from(noise)).ok === 'boolean' && typeof parseFields(Buffer.from(noise), 3).ok === 'boolean'));
});

test('a layout whose fields share a tag is refused', (t) => {
  t.throws(() => new RecordLayout({ a: flag(1), b: flag(1) }), { instanceOf: RangeError });
});
