import test from 'ava';
import { formatPrefix, ipBytes, ipFromBytes, isIpv4, mappedIpBytes, parseIp, parsePrefix, prefixContains, prefixFromBytes } from './ip-address.ts';

const canonical = (text: string): string => {
  const parsed = parseIp(text);
  return parsed.ok ? parsed.value : 'refused';
};
const contains = (prefix: string, ip: string): boolean => {
  const [range, address] = [parsePrefix(prefix), parseIp(ip)];
  if (!range.ok || !address.ok) throw new Error('bad example');
  return prefixContains(range.value, address.value);
};

test('texts of RFC 5952 have one form', (t) => {
  for (const [text, expected] of [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8::0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:DB8:AAAA:bbbb:CCcc:dddd:eeee:1', '2001:db8:aaaa:bbbb:cccc:dddd:eeee:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const) t.is(canonical(text), expected);
});

test('mapped addresses are IPv4', (t) => {
  for (const text of ['::ffff:10.1.2.3', '::FFFF:0a01:0203', '0:0:0:0:0:ffff:10.1.2.3', '10.1.2.3']) t.is(canonical(text), '10.1.2.3');
  t.is(canonical('::fffe:10.1.2.3'), '::fffe:a01:203');
  t.is(canonical('1::ffff:10.1.2.3'), '1::ffff:a01:203');
});

test('what others read in several ways is refused', (t) => {
  for (const text of [
    '', '1', '1.2', '1.2.3', '1.2.3.4.5', '0177.0.0.1', '0x7f.0.0.1', '127.0.0.01', '00.0.0.0', '256.0.0.1', '1.2.3.1000', '1.2.3.', '.1.2.3', '1..2.3', ' 1.2.3.4', '1.2.3.4 ', '1.2.3.4\n', '+1.2.3.4', '-1.2.3.4', '１.2.3.4',
    ':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4::5:6:7:8', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '12345::', '::g', 'fe80::1%eth0', 'fe80::1%25eth0', '[::1]', '::1]', '::1/64', '::1:', '1:2:3:4:5:6:7:', '::1.2.3', '::1.2.3.04', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '::12345.2.3.4', '1.2.3.4::', `${'0'.repeat(50)}::`,
  ]) t.is(canonical(text), 'refused', text);
});

test('bytes are in network order', (t) => {
  const v6 = Uint8Array.from([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 1]);
  t.deepEqual(ipFromBytes(v6), { ok: true, value: '2001:db8::ff01' as never });
  t.deepEqual(ipBytes('2001:db8::ff01' as never), v6);
  t.deepEqual(ipFromBytes(Uint8Array.of(10, 0, 0, 255)), { ok: true, value: '10.0.0.255' as never });
  t.deepEqual(ipBytes('10.0.0.255' as never), Uint8Array.of(10, 0, 0, 255));
  t.deepEqual(mappedIpBytes('10.0.0.255' as never), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 255));
  for (const length of [0, 3, 5, 15, 17]) t.false(ipFromBytes(new Uint8Array(length)).ok);
  t.true(isIpv4('10.0.0.255' as never));
  t.false(isIpv4('::' as never));
});

test('a prefix holds what agrees in its first bits', (t) => {
  t.true(contains('10.0.0.0/8', '10.255.255.255'));
  t.false(contains('10.0.0.0/8', '11.0.0.0'));
  t.true(contains('10.128.0.0/9', '10.128.0.1'));
  t.false(contains('10.128.0.0/9', '10.127.255.255'));
  t.true(contains('10.1.2.3/32', '10.1.2.3'));
  t.false(contains('10.1.2.3/32', '10.1.2.2'));
  t.true(contains('0.0.0.0/0', '255.1.2.3'));
  t.true(contains('2001:db8::/33', '2001:db8:7fff::1'));
  t.false(contains('2001:db8::/33', '2001:db8:8000::1'));
  t.true(contains('::1/128', '::1'));
});

test('a prefix holds its own family only, mapped addresses being IPv4', (t) => {
  t.false(contains('::/0', '10.0.0.1'));
  t.false(contains('0.0.0.0/0', '::1'));
  t.true(contains('::ffff:10.0.0.0/104', '10.200.0.1'));
  t.true(contains('10.0.0.0/8', '::ffff:10.0.0.1'));
  t.false(contains('::ffff:0:0/90', '10.0.0.1'));
});

test('bits behind a prefix are ignored', (t) => {
  const parsed = parsePrefix('10.1.2.3/8');
  t.is(parsed.ok && formatPrefix(parsed.value), '10.0.0.0/8');
  t.true(contains('10.1.2.3/8', '10.9.9.9'));
});

test('what is no prefix is refused', (t) => {
  for (const text of ['', '/', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/+8', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', '10.0.0.0/ 8', '::/129', '10/8', '::ffff:10.0.0.0/129', `::/${'1'.repeat(40)}`]) t.false(parsePrefix(text).ok, text);
  for (const [bytes, bits] of [[4, 33], [4, 1.5], [4, Number.NaN], [16, 129], [16, -1], [5, 8]] as const) t.false(prefixFromBytes(new Uint8Array(bytes), bits).ok);
});
