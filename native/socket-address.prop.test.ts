import test from 'ava';
import fc from 'fast-check';
import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import { encodeMappedAddress, encodeSocketAddress, ipOf, isMappedIpv4, mappedAddress, mappedBytes, portOf } from './socket-address.ts';

const address = (text: string): IpAddress => {
  const ip = parseIp(text);
  if (!ip.ok) throw new Error(ip.error);
  return ip.value;
};
const anyIp = fc.oneof(fc.ipV4(), fc.ipV6()).map(address);
const anyPort = fc.integer({ min: 0, max: 65535 });

test('an address survives the way into a sockaddr and out of it', (t) => {
  fc.assert(fc.property(anyIp, anyPort, (ip, port) => {
    const encoded = encodeSocketAddress(ip, port);
    return ipOf(encoded) === ip && portOf(encoded) === port && mappedAddress(encoded).equals(mappedBytes(ip)) && encoded.length === (isMappedIpv4(mappedBytes(ip)) ? 16 : 28);
  }));
  t.true(encodeMappedAddress(mappedBytes(address('fd00::5')), 80).equals(encodeSocketAddress(address('fd00::5'), 80)));
});

test('a sockaddr has the bytes of the C struct', (t) => {
  t.is(encodeSocketAddress(address('10.1.2.3'), 0x1234).toString('hex'), `020012340a010203${'00'.repeat(8)}`);
  t.is(encodeSocketAddress(address('::ffff:10.1.2.3'), 0x1234).toString('hex'), `020012340a010203${'00'.repeat(8)}`);
  t.is(encodeSocketAddress(address('fd00::5'), 80).toString('hex'), `0a00005000000000fd00${'00'.repeat(13)}05${'00'.repeat(4)}`);
});

test('a socket of both families names IPv4 addresses as one of IPv4 does', (t) => {
  fc.assert(fc.property(fc.ipV4().map(address), anyPort, (ip, port) => {
    const mapped = Buffer.alloc(28);
    mapped.writeUInt16LE(10, 0);
    mapped.writeUInt16BE(port, 2);
    mapped.set(mappedBytes(ip), 8);
    return ipOf(mapped) === ip && portOf(mapped) === port && mappedAddress(mapped).equals(mappedBytes(ip));
  }));
  t.pass();
});

test('any bytes have an address and a port', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 32 }), (bytes) => {
    const name = Buffer.from(bytes);
    return parseIp(ipOf(name)).ok && mappedAddress(name).length === 16 && portOf(name) >= 0 && portOf(name) <= 65535;
  }));
  t.is(String(ipOf(Buffer.from('010012340a010203', 'hex'))), '::');
});
