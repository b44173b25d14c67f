import { SocketAddress } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { addressBytes, addressText, dialKey, flowKey, listenerKey, parseEndpoint } from './capture-layout.ts';

test('an address survives the way into a map and out of it', (t) => {
  fc.assert(fc.property(fc.ipV4(), (ip) => addressText(addressBytes(ip)) === ip));
  fc.assert(fc.property(fc.ipV6(), (ip) => {
    const canonical = new SocketAddress({ address: ip, family: 'ipv6' }).address;
    const text = addressText(addressBytes(ip));
    // Mapped addresses are IPv4 here.
    return canonical.startsWith('::ffff:') || addressBytes(text).equals(addressBytes(ip));
  }));
  t.is(addressText(addressBytes('::ffff:10.1.2.3')), '10.1.2.3');
  t.is(addressText(addressBytes('fd00:0:0:1::5')), 'fd00:0:0:1::5');
});

test('keys have the bytes that capture.h lays out', (t) => {
  const flow = flowKey(0x0102030405060708n, { ip: '10.1.2.3', port: 0x1234 });
  t.is(flow.toString('hex'), `0807060504030201${'00'.repeat(10)}ffff0a0102031234${'00'.repeat(6)}`);
  t.is(dialKey(addressBytes('10.1.2.3'), 0x1234, addressBytes('fd00::5'), 80).toString('hex'), `${'00'.repeat(10)}ffff0a010203fd00${'00'.repeat(13)}0512340050`);
  t.is(listenerKey('10.1.2.3', 'plaintext').toString('hex'), `${'00'.repeat(10)}ffff0a01020301000000`);
  t.deepEqual(parseEndpoint(Buffer.from(`${'00'.repeat(10)}ffff0a01020312340000`, 'hex')), { ip: '10.1.2.3', port: 0x1234 });
});
