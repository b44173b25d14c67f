import test from 'ava';
import fc from 'fast-check';
import { array, be16, be32, be64, bits, bool, bytes, type Codec, decode, encode, i16, i32, i64, i8, struct, u16, u32, u64, u8 } from './codec.ts';

const integer = (min: number, max: number) => fc.integer({ min, max });
const CASES: readonly { readonly name: string; readonly codec: Codec<never>; readonly values: fc.Arbitrary<unknown> }[] = Object.entries({
  u8: [u8, integer(0, 255)],
  i8: [i8, integer(-128, 127)],
  u16: [u16, integer(0, 65_535)],
  i16: [i16, integer(-32_768, 32_767)],
  u32: [u32, integer(0, 4_294_967_295)],
  i32: [i32, integer(-2_147_483_648, 2_147_483_647)],
  u64: [u64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  i64: [i64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  be16: [be16, integer(0, 65_535)],
  be32: [be32, integer(0, 4_294_967_295)],
  be64: [be64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  bool: [bool, fc.boolean()],
  bytes: [bytes(6), fc.uint8Array({ minLength: 6, maxLength: 6 })],
  array: [array(be16, 3), fc.array(integer(0, 65_535), { minLength: 3, maxLength: 3 })],
  struct: [struct<{ a: number; b: bigint }>(16, { a: [4, u32], b: [8, u64] }), fc.record({ a: integer(0, 9), b: fc.bigInt({ min: 0n, max: 9n }) }, { noNullPrototype: true })],
}).map(([name, [codec, values]]) => ({ name, codec: codec as Codec<never>, values: values as fc.Arbitrary<unknown> }));

for (const { name, codec, values } of CASES) {
  test(`what is written as ${name} is read again`, (t) => {
    fc.assert(fc.property(values, (value) => {
      t.deepEqual(decode(codec, encode(codec, value as never)) as unknown, value);
    }));
    t.throws(() => decode(codec, new Uint8Array(codec.size + 1)), { instanceOf: RangeError });
    t.throws(() => codec.read(new DataView(new ArrayBuffer(codec.size)), 1), { instanceOf: RangeError });
  });
}

test('bit-fields of one unit do not touch each other', (t) => {
  fc.assert(fc.property(integer(0, 7), integer(-16, 15), integer(0, 2 ** 24 - 1), (flags, level, rest) => {
    const codec = struct<{ flags: number; level: number; rest: number }>(4, { flags: [0, bits(u32, 0, 3)], level: [0, bits(u32, 3, 5, true)], rest: [0, bits(u32, 8, 24)] });
    const written = encode(codec, { flags, level, rest });
    t.deepEqual(decode(codec, written), { flags, level, rest });
    t.is(new DataView(written.buffer).getUint32(0, true), (flags | ((level & 31) << 3)) + rest * 256);
  }));
});

test('the orders of bytes', (t) => {
  t.deepEqual([...encode(be32, 0x0a000001)], [10, 0, 0, 1]);
  t.deepEqual([...encode(u32, 0x0a000001)], [1, 0, 0, 10]);
  t.deepEqual([...encode(be16, 15_001)], [0x3a, 0x99]);
  t.deepEqual([...encode(be64, 1n)], [0, 0, 0, 0, 0, 0, 0, 1]);
});

test('what does not fit is refused', (t) => {
  for (const [codec, value] of [[u8, 256], [u8, -1], [u8, 1.5], [i8, 128], [be16, 65_536], [u32, 2 ** 32], [u64, 2n ** 64n], [u64, -1n], [i64, 2n ** 63n], [bytes(2), new Uint8Array(3)], [array(u8, 2), [1]], [bits(u8, 0, 3), 8], [bits(u8, 0, 3, true), 4]] as const) {
    t.throws(() => encode(codec as Codec<unknown>, value), { instanceOf: RangeError });
  }
});
