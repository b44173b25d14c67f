import test from 'ava';
import fc from 'fast-check';
import { parseIp } from './ip-address.ts';
import { routableAddress } from './routable-address.ts';

test('addresses that only mean something on their own host are none, in whatever form', (t) => {
  for (const text of ['127.0.0.1', '0177.0.0.1', '::ffff:127.0.0.1', '0.0.0.0', '169.254.169.254', '::ffff:169.254.169.254', '::1', '::', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'ff02::1', '224.0.0.1', '255.255.255.255', '', 'localhost', '2130706433']) t.is(routableAddress(text), undefined, text);
});

test('others are themselves', (t) => {
  for (const text of ['10.0.0.1', '240.240.0.1', '126.255.255.255', '128.0.0.1', 'fd00::1', '2001:db8::1', 'fec0::1']) t.is(String(routableAddress(text)), text);
});

test('what is taken is an address, and no more than one', (t) => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 50 })), (text) => {
    const taken = routableAddress(text);
    const parsed = parseIp(text);
    t.true(taken === undefined || (parsed.ok && parsed.value === taken));
  }));
});
