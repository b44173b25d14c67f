import { Buffer } from 'node:buffer';
import test from 'ava';
import { encode, type OptAnswer, type Packet } from 'dns-packet';
import { DNS_TYPE, type DnsQuery, MAX_DNS_QUERY_BYTES, parseDnsQuery } from './dns-message.ts';

const HEADER = '1234 0100 0001 0000 0000 0000';
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const message = (packet: Packet): Uint8Array => Uint8Array.from(encode({ type: 'query', id: 0x1234, flags: 0x100, questions: [{ name: 'cart.shop', type: 'A' }], ...packet }));
const opt: OptAnswer = { type: 'OPT', name: '.', udpPayloadSize: 1400, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };

function parsed(input: Uint8Array): DnsQuery {
  const result = parseDnsQuery(input);
  if (result.kind !== 'query') throw new Error(result.kind);
  return result.query;
}

test('a query is its number, its flags and its one question', (t) => {
  const query = parsed(message({ questions: [{ name: 'Cart.SHOP.svc.clusterset.local', type: 'AAAA' }] }));
  t.like(query, { id: 0x1234, opcode: 0, recursionDesired: true, checkingDisabled: false, edns: undefined });
  t.like(query.question, { name: 'cart.shop.svc.clusterset.local', labels: ['cart', 'shop', 'svc', 'clusterset', 'local'], type: DNS_TYPE.AAAA, class: 1 });
  t.is(Buffer.from(query.question.bytes).toString('latin1', 1, 10), 'Cart\x04SHOP', 'as it came');
  t.like(parsed(message({ flags: 0x10 })), { recursionDesired: false, checkingDisabled: true });
});

test('the root has no labels', (t) => {
  t.like(parsed(bytes(`${HEADER} 00 0002 0001`)).question, { name: '', labels: [], type: DNS_TYPE.NS });
});

test('what a resolver says of itself by EDNS is understood', (t) => {
  t.deepEqual(parsed(message({ additionals: [opt] })).edns, { version: 0, udpBytes: 1400, wantsSignatures: false });
  t.deepEqual(parsed(message({ additionals: [{ ...opt, ednsVersion: 1, flags: 0x8000, flag_do: true }] })).edns, { version: 1, udpBytes: 1400, wantsSignatures: true });
  const withCookie = bytes('1234 0100 0001 0000 0000 0001  01 61 00 0001 0001  00 0029 04d0 00000000 000c 000a 0008 0102030405060708');
  t.is(parsed(withCookie).edns?.udpBytes, 1232);
});

for (const [label, hex] of Object.entries({ 'a dot': '03 612e62', 'a space': '01 20', 'a byte that is no ASCII': '02 c3a9', NUL: '01 00' })) {
  test(`a label with ${label} is nobody's`, (t) => {
    t.is(parsed(bytes(`${HEADER} ${hex} 00 0001 0001`)).question.name, undefined);
  });
}

test('upper case is that of ASCII alone', (t) => {
  // The Kelvin sign in Latin-1 bytes, and an Å: neither is a letter here.
  t.deepEqual(parsed(bytes(`${HEADER} 02 c54b 00 0001 0001`)).question.labels, ['\u00c5k']);
});

for (const [what, hex] of Object.entries({
  'no question': '1234 0100 0000 0000 0000 0000',
  'two questions': `1234 0100 0002 0000 0000 0000 01 61 00 0001 0001 01 62 00 0001 0001`,
  'a name without an end': `${HEADER} 01 61`,
  'a label that is cut off': `${HEADER} 05 61`,
  'a question without a class': `${HEADER} 01 61 00 0001`,
  'a pointer to itself': `${HEADER} c00c 0001 0001`,
  'a pointer into the header': `${HEADER} c000 0001 0001`,
  'a label of an unknown kind': `${HEADER} 40 61 00 0001 0001`,
  'a name of 256 bytes': `${HEADER} ${`3f ${'61'.repeat(63)}`.repeat(3)} 3e ${'61'.repeat(62)} 00 0001 0001`.replace('3e', '3f').replace(/00 0001 0001$/, '61 00 0001 0001'),
  'records that are not there': `1234 0100 0001 0000 0000 0001 01 61 00 0001 0001`,
  'more records than anybody needs': `1234 0100 0001 ffff ffff ffff 01 61 00 0001 0001`,
  'two OPT records': `1234 0100 0001 0000 0000 0002 01 61 00 0001 0001 ${'00 0029 04d0 00000000 0000 '.repeat(2)}`,
  'an OPT record of a name': `1234 0100 0001 0000 0000 0001 01 61 00 0001 0001 01 62 00 0029 04d0 00000000 0000`,
  'a last record that ends behind the message': `1234 0100 0001 0000 0000 0001 01 61 00 0001 0001 00 fde8 0001 00000000 0010 61`,
})) {
  test(`${what} is malformed`, (t) => {
    t.is(parseDnsQuery(bytes(hex)).kind, 'malformed');
  });
}

test('a name of 255 bytes is the longest', (t) => {
  const long = `${HEADER} ${`3f ${'61'.repeat(63)}`.repeat(3)} 3d ${'61'.repeat(61)} 00 0001 0001`;
  t.is(parsed(bytes(long)).question.labels.length, 4);
  t.is(parseDnsQuery(bytes(long.replace(`3d ${'61'.repeat(61)}`, `3e ${'61'.repeat(62)}`))).kind, 'malformed');
});

test('a long message is malformed', (t) => {
  t.is(parseDnsQuery(Buffer.concat([message({}), Buffer.alloc(MAX_DNS_QUERY_BYTES)])).kind, 'malformed');
});

test('answers, and what has no header, are no queries', (t) => {
  t.is(parseDnsQuery(message({ type: 'response' })).kind, 'no-query');
  t.is(parseDnsQuery(message({}).subarray(0, 11)).kind, 'no-query');
  t.is(parseDnsQuery(new Uint8Array()).kind, 'no-query');
});

test('of an update, only the zone is read', (t) => {
  t.like(parsed(bytes('1234 2800 0001 0000 0005 0000 04 7a6f6e65 00 0006 0001 ff')), { opcode: 5, question: { name: 'zone' } });
});
