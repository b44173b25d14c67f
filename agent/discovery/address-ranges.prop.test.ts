import { formatPrefix, type IpAddress, ipFromBytes, prefixContains, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import type { Result } from '@landbridge/core/result.ts';
import test from 'ava';
import fc from 'fast-check';
import { AddressRanges } from './address-ranges.ts';

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}
const byte = fc.constantFrom(0, 1, 128, 255);
const bytes = fc.oneof(fc.tuple(byte, byte, byte, byte), fc.tuple(...Array.from({ length: 16 }, () => byte))).map((list) => Uint8Array.from(list));
const network = fc.constantFrom('', 'a');
const range = fc.record({ network, prefix: bytes.chain((of) => fc.nat(of.length * 8).map((bits) => must(prefixFromBytes(of, bits)))) });
const ip: fc.Arbitrary<IpAddress> = bytes.map((of) => must(ipFromBytes(of)));

test('the ranges around an address are those that contain it, the longest first', (t) => {
  fc.assert(fc.property(fc.array(range, { maxLength: 12 }), fc.array(fc.nat(11), { maxLength: 8 }), network, ip, (ranges, removed, of, address) => {
    const held = new AddressRanges<number>();
    for (const [i, each] of ranges.entries()) held.add(each, i);
    for (const i of removed) {
      const gone = ranges[i];
      if (gone !== undefined) held.remove(gone, i);
    }
    const expected = ranges.flatMap((each, i) => (removed.includes(i) || each.network !== of || !prefixContains(each.prefix, address) ? [] : [`${each.prefix.bits} ${i}`])).sort();
    const found = [...held.around(of, address)];
    if (found.some(({ bits }, i) => i > 0 && bits >= (found[i - 1]?.bits ?? 0))) return false;
    const texts = found.flatMap(({ bits, values }) => [...values].map((i) => `${bits} ${i}`)).sort();
    return texts.join() === expected.join();
  }), { numRuns: 2000 });
  t.pass();
});

test('a range may be removed and come again', (t) => {
  const held = new AddressRanges<string>();
  const whole = { network: 'n', prefix: must(prefixFromBytes(Uint8Array.of(10, 0, 0, 0), 8)) };
  t.is(formatPrefix(whole.prefix), '10.0.0.0/8');
  held.add(whole, 'x');
  held.remove(whole, 'x');
  held.remove(whole, 'x');
  t.deepEqual([...held.around('n', must(ipFromBytes(Uint8Array.of(10, 1, 1, 1))))], []);
  held.add(whole, 'y');
  t.deepEqual([...held.around('n', must(ipFromBytes(Uint8Array.of(10, 1, 1, 1))))], [{ bits: 8, values: new Set(['y']) }]);
});
