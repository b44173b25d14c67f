import test from 'ava';
import { type BtfType, parseBtf } from './btf.ts';

const STRINGS = '\0name\0LOW\0HIGH\0';
const [NAME, LOW, HIGH] = [1, 6, 10];

/** `.BTF` with these types, each in words. */
function btf(...types: readonly (readonly number[])[]): Buffer {
  const words = types.flat();
  const bytes = Buffer.alloc(24 + words.length * 4 + STRINGS.length);
  bytes.writeUInt16LE(0xeb9f, 0);
  bytes.writeUInt8(1, 2);
  bytes.writeUInt32LE(24, 4);
  bytes.writeUInt32LE(words.length * 4, 12);
  bytes.writeUInt32LE(words.length * 4, 16);
  bytes.writeUInt32LE(STRINGS.length, 20);
  for (const [index, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, 24 + index * 4);
  bytes.write(STRINGS, 24 + words.length * 4, 'latin1');
  return bytes;
}

const info = (kind: number, length = 0, flag = false): number => ((flag ? 0x80000000 : 0) | (kind << 24) | length) >>> 0;

function typesOf(bytes: Buffer): readonly BtfType[] | string {
  const parsed = parseBtf(bytes);
  return parsed.ok ? parsed.value.types.slice(1) : parsed.error;
}

test('enumerations are signed where the compiler says so', (t) => {
  t.deepEqual(typesOf(btf([NAME, info(6, 2, true), 4, LOW, -1, HIGH, 1])), [{ kind: 'enum', name: 'name', size: 4, isSigned: true, values: [['LOW', -1n], ['HIGH', 1n]] }]);
  t.deepEqual(typesOf(btf([NAME, info(6, 1), 4, LOW, -1])), [{ kind: 'enum', name: 'name', size: 4, isSigned: false, values: [['LOW', 0xffffffffn]] }]);
});

test('enumerations of 64 bits', (t) => {
  t.deepEqual(typesOf(btf([NAME, info(19, 2), 8, LOW, 5, 0, HIGH, 1, 0xffffffff])), [{ kind: 'enum', name: 'name', size: 8, isSigned: false, values: [['LOW', 5n], ['HIGH', 0xffffffff00000001n]] }]);
  t.deepEqual(typesOf(btf([NAME, info(19, 1, true), 8, LOW, 0xffffffff, 0xffffffff])), [{ kind: 'enum', name: 'name', size: 8, isSigned: true, values: [['LOW', -1n]] }]);
});

test('kinds that are not needed are stepped over, unknown ones are refused', (t) => {
  const types = typesOf(btf([0, info(13, 1), 0, NAME, 0], [NAME, info(7), 0], [NAME, info(16), 8], [NAME, info(17), 1, 0], [NAME, info(18), 1], [NAME, info(1), 4, 32]));
  t.deepEqual(Array.isArray(types) ? types.map(({ kind }: BtfType) => kind) : types, ['other', 'other', 'other', 'other', 'qualifier', 'int']);
  t.is(typesOf(btf([NAME, info(20), 4])), '.BTF has a type of kind 20, which is not known');
  t.regex(typesOf(btf([NAME, info(4, 3), 4])) as string, /beyond its end/);
  t.regex(typesOf(btf([999, info(2), 1])) as string, /the strings of .BTF/);
});
