import { type IpPrefix, ipBytes, ipFromBytes, prefixContains, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { AddressRanges, aggregate, aggregateTo } from './address-ranges.ts';

/** Few bits differ, so that prefixes meet. */
const byte = fc.constantFrom(0, 1, 2, 3, 128, 255);
const bytes = fc.oneof(fc.tuple(fc.constant(10), byte, fc.constant(0), byte), fc.tuple(fc.constant(0xfd), byte, ...Array.from({ length: 13 }, () => fc.constant(0)), byte)).map((list) => Uint8Array.from(list));
const prefix: fc.Arbitrary<IpPrefix> = fc.tuple(bytes, fc.nat(128)).map(([at, bits]) => {
  const made = prefixFromBytes(at, Math.min(bits, at.length * 8));
  if (!made.ok) throw new RangeError(made.error);
  return made.value;
});
const prefixes = fc.array(prefix, { maxLength: 12 });
const address = bytes.map((at) => {
  const ip = ipFromBytes(at);
  if (!ip.ok) throw new RangeError(ip.error);
  return ip.value;
});

test('ranges have an address exactly if one of their prefixes has', (t) => {
  fc.assert(fc.property(prefixes, fc.array(address, { minLength: 1, maxLength: 20 }), (all, asked) => {
    const ranges = new AddressRanges(all);
    for (const ip of asked) t.is(ranges.has(ipBytes(ip)), all.some((each) => prefixContains(each, ip)), ip);
  }), { numRuns: 3000 });
});

test('the same addresses are the same prefixes, in whatever parts and order they are said', (t) => {
  const halves = ({ bytes: at, bits }: IpPrefix): IpPrefix[] => {
    if (bits === at.length * 8) return [{ bytes: at, bits }];
    const upper = Uint8Array.from(at);
    upper[bits >> 3] = (upper[bits >> 3] as number) | (0x80 >> (bits & 7));
    return [upper, at].map((half) => ({ bytes: half, bits: bits + 1 }));
  };
  fc.assert(fc.property(prefixes, (all) => {
    t.deepEqual(aggregate(all.flatMap(halves)), aggregate(all));
    t.deepEqual(aggregate(aggregate(all)), aggregate(all));
  }), { numRuns: 1000 });
});

test('in fewer prefixes nothing is lost', (t) => {
  fc.assert(fc.property(prefixes, fc.integer({ min: 1, max: 6 }), fc.array(address, { maxLength: 10 }), (all, max, asked) => {
    const fewer = new AddressRanges(aggregateTo(all, max));
    t.true(fewer.prefixes.length <= Math.max(2, max));
    for (const ip of asked) if (all.some((each) => prefixContains(each, ip))) t.true(fewer.has(ipBytes(ip)));
  }), { numRuns: 1000 });
});

test('ranges share what lies in both of them', (t) => {
  fc.assert(fc.property(prefixes, prefixes, fc.array(address, { maxLength: 10 }), (a, b, asked) => {
    const [one, other] = [new AddressRanges(a), new AddressRanges(b)];
    const shared = new AddressRanges(one.sharedWith(other));
    for (const ip of asked.map(ipBytes)) if (one.has(ip) && other.has(ip)) t.true(shared.has(ip));
    t.is(one.sharedWith(other).length > 0, other.sharedWith(one).length > 0);
  }), { numRuns: 1000 });
});
