import test from 'ava';
import { formatProxyHeader, MAX_PROXY_HEADER_BYTES, parseProxyHeader, PROXY_TLV_SPIFFE_ID, type ProxyAddress, type ProxyTlv } from './proxy-v2.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const at = (ip: string, port: number): ProxyAddress => ({ ip: ip as never, port });
const header = (source: ProxyAddress, destination: ProxyAddress, tlvs?: readonly ProxyTlv[]): string => {
  const formatted = formatProxyHeader({ source, destination, ...(tlvs === undefined ? {} : { tlvs }) });
  return formatted.ok ? Buffer.from(formatted.value).toString('hex') : formatted.error;
};
const parse = (hex: string) => parseProxyHeader(Buffer.from(hex, 'hex'));
const reason = (hex: string): string => {
  const parsed = parse(hex);
  return parsed.ok ? parsed.value.kind : parsed.error;
};
const id = new TextEncoder().encode('spiffe://a/ns/b/sa/c');

test('headers have the bytes of the specification', (t) => {
  t.is(header(at('10.0.0.1', 40000), at('10.96.0.7', 80)), `${SIGNATURE}2111000c0a0000010a6000079c400050`);
  t.is(header(at('fd00::1', 1), at('fd00::2', 2)), `${SIGNATURE}21210024fd00${'00'.repeat(13)}01fd00${'00'.repeat(13)}0200010002`);
  t.is(header(at('10.0.0.1', 40000), at('10.96.0.7', 80), [{ type: PROXY_TLV_SPIFFE_ID, value: id }]), `${SIGNATURE}211100230a0000010a6000079c400050d00014${Buffer.from(id).toString('hex')}`);
});

test('addresses of two families are both IPv6', (t) => {
  const mixed = header(at('10.0.0.1', 1), at('fd00::2', 2));
  t.is(mixed, `${SIGNATURE}21210024${'00'.repeat(10)}ffff0a000001fd00${'00'.repeat(13)}0200010002`);
  t.deepEqual(parse(mixed), { ok: true, value: { kind: 'complete', length: 52, command: { kind: 'tcp', source: at('10.0.0.1', 1), destination: at('fd00::2', 2), tlvs: [] } } });
});

test('a header that would be too long is not made', (t) => {
  t.regex(header(at('10.0.0.1', 1), at('10.0.0.2', 2), [{ type: 1, value: new Uint8Array(MAX_PROXY_HEADER_BYTES - 28 - 3 + 1) }]), /PROXY header of 4097 bytes/);
  t.is(header(at('10.0.0.1', 1), at('10.0.0.2', 2), [{ type: 1, value: new Uint8Array(MAX_PROXY_HEADER_BYTES - 28 - 3) }]).length, MAX_PROXY_HEADER_BYTES * 2);
});

test('the bytes of the connection begin after the header', (t) => {
  const bytes = `${SIGNATURE}2111000c0a0000010a6000079c400050`;
  t.deepEqual(parse(`${bytes}474554`), { ok: true, value: { kind: 'complete', length: 28, command: { kind: 'tcp', source: at('10.0.0.1', 40000), destination: at('10.96.0.7', 80), tlvs: [] } } });
  for (let length = 0; length < 28; length++) t.is(reason(bytes.slice(0, length * 2)), 'incomplete', `${length}`);
});

test('commands and families without meaning for TCP are told apart', (t) => {
  const command = (hex: string): string => {
    const parsed = parse(hex);
    return parsed.ok && parsed.value.kind === 'complete' ? `${parsed.value.command.kind} ${parsed.value.length}` : 'not complete';
  };
  t.is(command(`${SIGNATURE}20000000`), 'local 16');
  t.is(command(`${SIGNATURE}201100030a0b0c`), 'local 19');
  t.is(command(`${SIGNATURE}21000000`), 'unspecified 16');
  t.is(command(`${SIGNATURE}2112000c${'00'.repeat(12)}`), 'unspecified 28');
  t.is(command(`${SIGNATURE}213100d8${'00'.repeat(216)}`), 'unspecified 232');
});

test('TLVs are in their order, without those that are padding', (t) => {
  const parsed = parse(`${SIGNATURE}211100190a0000010a6000079c400050${'d0000161'}${'0400020000'}${'d0000162'}`);
  t.deepEqual(parsed.ok && parsed.value.kind === 'complete' && parsed.value.command.kind === 'tcp' && parsed.value.command.tlvs, [
    { type: 0xd0, value: Uint8Array.of(0x61) },
    { type: 0xd0, value: Uint8Array.of(0x62) },
  ]);
});

test('a TLV is a copy of its bytes', (t) => {
  const bytes = Buffer.from(`${SIGNATURE}211100100a0000010a6000079c400050d0000161`, 'hex');
  const parsed = parseProxyHeader(bytes);
  bytes.fill(0);
  t.deepEqual(parsed.ok && parsed.value.kind === 'complete' && parsed.value.command.kind === 'tcp' && parsed.value.command.tlvs, [{ type: 0xd0, value: Uint8Array.of(0x61) }]);
});

for (const [what, hex, expected] of [
  ['another protocol', '474554202f', 'not a PROXY header of version 2'],
  ['version 1', Buffer.from('PROXY TCP4 ').toString('hex'), 'not a PROXY header of version 2'],
  ['a signature that is wrong at its end', '0d0a0d0a000d0a515549540b', 'not a PROXY header of version 2'],
  ['another version', `${SIGNATURE}31`, 'PROXY header of version 3'],
  ['an unknown command', `${SIGNATURE}22`, 'PROXY header with command 2'],
  ['a length over the limit', `${SIGNATURE}21110ff1`, 'PROXY header of 4097 bytes'],
  ['a local command over the limit', `${SIGNATURE}2000ffff`, 'PROXY header of 65551 bytes'],
  ['addresses that are cut off', `${SIGNATURE}2111000b${'00'.repeat(11)}`, 'PROXY header too short for its addresses'],
  ['no addresses', `${SIGNATURE}21210000`, 'PROXY header too short for its addresses'],
  ['the beginning of a TLV', `${SIGNATURE}2111000e${'00'.repeat(12)}d000`, 'PROXY header with a TLV that is cut off'],
  ['a TLV that is cut off', `${SIGNATURE}21110010${'00'.repeat(12)}d0000261`, 'PROXY header with a TLV that is cut off'],
  ['a flood of TLVs', `${SIGNATURE}2111006f${'00'.repeat(12)}${'040000'.repeat(33)}`, 'PROXY header with more than 32 TLVs'],
] as const) {
  test(`refuses ${what}`, (t) => {
    t.is(reason(hex), expected);
  });
}
