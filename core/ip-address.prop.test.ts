import { BlockList, isIP, SocketAddress } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { formatPrefix, ipBytes, ipFromBytes, isIpv4, mappedIpBytes, parseIp, parsePrefix, prefixContains, prefixFromBytes } from './ip-address.ts';

const group = fc.oneof(fc.constantFrom('', '0', '00', '0000', '1', 'ffff', 'FFFF', '12345', 'g', '1.2.3.4', '01.2.3.4'), fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16)));
const decimal = fc.oneof(fc.constantFrom('', '0', '00', '01', '255', '256', '0x1', '1e1', ' 1'), fc.integer({ min: 0, max: 300 }).map(String));
/** Texts that are, or nearly are, addresses. */
const texts = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.array(group, { minLength: 1, maxLength: 10 }).map((groups) => groups.join(':')),
  fc.array(decimal, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%/x '), maxLength: 46 }),
  fc.string({ maxLength: 60 }),
);
const ips = fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4().map((ip) => `::ffff:${ip}`));
const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.array(fc.constantFrom(0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((list) => Uint8Array.from(list)));

test('accepts what Node.js accepts, but for zones', (t) => {
  fc.assert(fc.property(texts, (text) => t.is(parseIp(text).ok, isIP(text) !== 0 && !text.includes('%'), text)), { numRuns: 5000 });
});

test('the canonical text is the one of Node.js, but for mapped and compatible addresses', (t) => {
  fc.assert(
    fc.property(ips, (text) => {
      const parsed = parseIp(text);
      if (!parsed.ok) return t.fail(text);
      const { address } = new SocketAddress({ address: text, family: isIP(text) === 4 ? 'ipv4' : 'ipv6' });
      const canonical: string = parsed.value;
      if (address.startsWith('::ffff:') && address.includes('.')) return t.is(canonical, address.slice(7));
      // inet_ntop writes ::a.b.c.d, which RFC 4291, section 2.5.5.1 has deprecated.
      if (!address.includes('.') || isIP(address) === 4) t.is(canonical, address);
    }),
    { numRuns: 2000 },
  );
});

test('text and bytes are ways to say the same', (t) => {
  fc.assert(
    fc.property(bytes, (address) => {
      const text = ipFromBytes(address);
      if (!text.ok) return t.fail(text.error);
      t.deepEqual(parseIp(text.value), text, 'the canonical text is its own');
      t.not(isIP(text.value), 0);
      t.deepEqual(ipFromBytes(ipBytes(text.value)), text);
      t.deepEqual(ipFromBytes(mappedIpBytes(text.value)), text);
      t.is(mappedIpBytes(text.value).length, 16);
      t.is(ipBytes(text.value).length, isIpv4(text.value) ? 4 : 16);
      if (address.length === 4 || !isIpv4(text.value)) t.deepEqual(Uint8Array.from(ipBytes(text.value)), Uint8Array.from(address));
    }),
    { numRuns: 1000 },
  );
});

test('a prefix holds the same addresses as a list of Node.js does', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4()), fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.ipV6())), fc.integer({ min: 0, max: 128 }), ([network, bits, other], shared) => {
      const [prefix, near] = [parsePrefix(`${network}/${bits}`), parseIp(network)];
      const far = parseIp(other);
      if (!prefix.ok || !near.ok || !far.ok) return t.fail(network);
      // Mapped addresses are IPv4 here and IPv6 there.
      fc.pre(isIP(network) === (isIpv4(near.value) ? 4 : 6) && isIP(other) === (isIpv4(far.value) ? 4 : 6));
      const family = isIpv4(near.value) ? 'ipv4' : 'ipv6';
      const list = new BlockList();
      list.addSubnet(network, bits, family);
      // Random addresses share few bits with the prefix: put some of its own before them.
      const mixed = Uint8Array.from(ipBytes(near.value), (byte, at) => ((at + 1) * 8 <= shared ? byte : (ipBytes(far.value)[at] ?? 0)));
      const address = ipFromBytes(mixed);
      if (!address.ok) return t.fail(address.error);
      fc.pre(isIpv4(address.value) === (family === 'ipv4'));
      t.is(prefixContains(prefix.value, address.value), list.check(address.value, family));
    }),
    { numRuns: 1000 },
  );
});

test('a prefix survives its text', (t) => {
  fc.assert(
    fc.property(bytes, fc.integer({ min: -1, max: 130 }), (address, bits) => {
      const prefix = prefixFromBytes(address, bits);
      t.is(prefix.ok, bits >= 0 && bits <= address.length * 8);
      if (prefix.ok) t.deepEqual(parsePrefix(formatPrefix(prefix.value)), prefix);
    }),
  );
});

test('any text gives an answer about prefixes', (t) => {
  fc.assert(fc.property(fc.tuple(texts, fc.constantFrom('', '/', '//'), texts).map((parts) => parts.join('')), (text) => typeof parsePrefix(text).ok === 'boolean'));
  t.pass();
});
