import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { formatProxyHeader, MAX_PROXY_HEADER_BYTES, MAX_PROXY_TLVS, parseProxyHeader, type ProxyAddress } from './proxy-v2.ts';

const ips: fc.Arbitrary<IpAddress> = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
});
const addresses: fc.Arbitrary<ProxyAddress> = fc.record({ ip: ips, port: fc.integer({ min: 0, max: 65535 }) });
const tlvs = fc.array(fc.record({ type: fc.integer({ min: 5, max: 255 }), value: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 12 });

test('a header survives its bytes, whatever follows it', (t) => {
  fc.assert(
    fc.property(addresses, addresses, tlvs, fc.uint8Array({ maxLength: 20 }), (source, destination, list, rest) => {
      const header = formatProxyHeader({ source, destination, tlvs: list });
      if (!header.ok) return t.fail(header.error);
      t.deepEqual(parseProxyHeader(Buffer.concat([header.value, rest])), { ok: true, value: { kind: 'complete', length: header.value.length, command: { kind: 'tcp', source, destination, tlvs: list } } });
    }),
  );
});

test('the beginning of a header is incomplete, at any byte', (t) => {
  fc.assert(
    fc.property(addresses, addresses, tlvs, fc.nat(), (source, destination, list, cut) => {
      const header = formatProxyHeader({ source, destination, tlvs: list });
      if (!header.ok) return t.fail(header.error);
      t.deepEqual(parseProxyHeader(header.value.subarray(0, cut % header.value.length)), { ok: true, value: { kind: 'incomplete' } });
    }),
  );
});

test('any bytes give an answer within the limits', (t) => {
  const signed = fc.tuple(fc.constantFrom(0x20, 0x21, 0x11), fc.constantFrom(0, 0x11, 0x21, 0x31), fc.integer({ min: 0, max: 80 }), fc.uint8Array({ maxLength: 80 })).map(([command, family, length, body]) => Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a', 'hex'), Buffer.from([command, family, 0, length]), body]));
  fc.assert(
    fc.property(fc.oneof(signed, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const parsed = parseProxyHeader(bytes);
      if (!parsed.ok || parsed.value.kind !== 'complete') return;
      t.true(parsed.value.length <= Math.min(bytes.length, MAX_PROXY_HEADER_BYTES));
      if (parsed.value.command.kind === 'tcp') t.true(parsed.value.command.tlvs.length <= MAX_PROXY_TLVS);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
