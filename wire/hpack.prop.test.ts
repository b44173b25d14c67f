import test from 'ava';
import fc from 'fast-check';
import { type EncoderStep, ExampleEncoder } from './example-hpack.ts';
import { encodeHeaders, type HeaderField, HpackDecoder, maxEncodedLength } from './hpack.ts';
import { STATIC_TABLE_SIZE, staticField } from './hpack-static-table.ts';

const MAX_LIST_BYTES = 4096;
const limits = { maxTableBytes: 512, maxListBytes: MAX_LIST_BYTES, maxFields: 64 };

const latin1 = (maxLength: number): fc.Arbitrary<string> => fc.oneof(fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1')), fc.string({ unit: 'grapheme-ascii', maxLength }));
const fields: fc.Arbitrary<HeaderField> = fc.oneof(
  fc.tuple(latin1(20), latin1(60)),
  fc.tuple(fc.constantFrom('a', 'b', 'via', ':status', 'baggage'), fc.constantFrom('', '200', 'x', 'y'.repeat(200))),
  fc.integer({ min: 1, max: STATIC_TABLE_SIZE }).map((index) => staticField(index)!),
);
const steps: fc.Arbitrary<EncoderStep> = fc.record({
  field: fields,
  representation: fc.constantFrom('indexed', 'incremental', 'without', 'never'),
  takesNameFromTable: fc.boolean(),
  isNameHuffman: fc.boolean(),
  isValueHuffman: fc.boolean(),
});
const blocks = fc.record({ sizes: fc.array(fc.integer({ min: 0, max: 512 }), { maxLength: 2 }), steps: fc.array(steps, { maxLength: 12 }) });

const listBytes = (list: readonly HeaderField[]): number => list.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);

test('blocks of any encoder are decoded, and the tables stay alike', (t) => {
  fc.assert(
    fc.property(fc.array(blocks, { maxLength: 8 }), (all) => {
      const encoder = new ExampleEncoder(512);
      const decoder = new HpackDecoder(limits);
      for (const block of all) {
        const bytes = Uint8Array.from([...block.sizes.flatMap((size) => encoder.resize(size)), ...block.steps.flatMap((step) => encoder.encode(step))]);
        const list = block.steps.map(({ field }) => field);
        const decoded = decoder.decode(bytes);
        if (listBytes(list) > MAX_LIST_BYTES) t.deepEqual(decoded, { ok: false, error: { kind: 'too-large' } });
        else t.deepEqual(decoded, { ok: true, value: list });
        t.is(decoder.tableBytes, encoder.tableBytes);
      }
    }),
  );
});

test('what was encoded is decoded, with an empty table', (t) => {
  fc.assert(
    fc.property(fc.array(fields, { maxLength: 12 }), (list) => {
      const bytes = encodeHeaders(list);
      t.true(bytes.length <= maxEncodedLength(list));
      const decoder = new HpackDecoder({ ...limits, maxListBytes: 1 << 20 });
      t.deepEqual(decoder.decode(bytes), { ok: true, value: list });
      t.is(decoder.tableBytes, 0);
    }),
  );
});

test('any bytes give an answer within the limits', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (all) => {
      const decoder = new HpackDecoder(limits);
      for (const bytes of all) {
        const decoded = decoder.decode(bytes);
        t.true(decoder.tableBytes <= limits.maxTableBytes);
        if (decoded.ok) t.true(listBytes(decoded.value) <= MAX_LIST_BYTES && decoded.value.length <= limits.maxFields);
        else if (decoded.error.kind === 'malformed') break;
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('a damaged block gives an answer', (t) => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 8 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (list, at, flip) => {
      const encoder = new ExampleEncoder(512);
      const bytes = Uint8Array.from(list.flatMap((step) => encoder.encode(step)));
      bytes[at % bytes.length]! ^= flip;
      const decoded = new HpackDecoder(limits).decode(bytes);
      t.true(decoded.ok || decoded.error.kind === 'too-large' || decoded.error.reason.length > 0);
      // A block that ends early is not mistaken for a whole one with all its fields.
      const cut = new HpackDecoder(limits).decode(bytes.subarray(0, at % bytes.length));
      if (cut.ok && decoded.ok) t.true(cut.value.length < decoded.value.length || cut.value.length === 0);
    }),
  );
});
