import { once } from 'node:events';
import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import test from 'ava';
import { encodeInteger, encodeString, huffmanBits, packBits } from './example-hpack.ts';
import { encodeHeaders, encodeHeadersInto, type HeaderField, HpackDecoder, maxEncodedLength } from './hpack.ts';
import { STATIC_TABLE_SIZE, staticField } from './hpack-static-table.ts';

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const decoder = (limits: Partial<ConstructorParameters<typeof HpackDecoder>[0]> = {}): HpackDecoder => new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65536, maxFields: 100, ...limits });
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const reason = (result: ReturnType<HpackDecoder['decode']>): string => (result.ok ? 'ok' : result.error.kind === 'malformed' ? result.error.reason : result.error.kind);

test('literals and an index of RFC 7541, appendix C.2', (t) => {
  for (const [block, field, tableBytes] of [
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key', 'custom-header'], 55],
    ['040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path'], 0],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret'], 0],
    ['82', [':method', 'GET'], 0],
  ] as const) {
    const hpack = decoder();
    t.deepEqual(hpack.decode(hex(block)), { ok: true, value: [field] });
    t.is(hpack.tableBytes, tableBytes);
  }
});

const REQUESTS: readonly (readonly HeaderField[])[] = [
  [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com']],
  [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'www.example.com'], ['cache-control', 'no-cache']],
  [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], [':authority', 'www.example.com'], ['custom-key', 'custom-value']],
];
const RESPONSES: readonly (readonly HeaderField[])[] = [
  [[':status', '302'], ['cache-control', 'private'], ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'], ['location', 'https://www.example.com']],
  [[':status', '307'], ['cache-control', 'private'], ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'], ['location', 'https://www.example.com']],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
];

for (const { section, maxTableBytes, lists, blocks, tableBytes } of [
  {
    section: 'C.3',
    maxTableBytes: 4096,
    lists: REQUESTS,
    blocks: ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865', '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'],
    tableBytes: [57, 110, 164],
  },
  {
    section: 'C.4',
    maxTableBytes: 4096,
    lists: REQUESTS,
    blocks: ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf', '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'],
    tableBytes: [57, 110, 164],
  },
  {
    section: 'C.5',
    maxTableBytes: 256,
    lists: RESPONSES,
    blocks: [
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
    ],
    tableBytes: [222, 222, 215],
  },
  {
    section: 'C.6',
    maxTableBytes: 256,
    lists: RESPONSES,
    blocks: [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ],
    tableBytes: [222, 222, 215],
  },
]) {
  test(`three blocks on one connection of RFC 7541, appendix ${section}`, (t) => {
    const hpack = decoder({ maxTableBytes });
    for (const [at, block] of blocks.entries()) {
      t.deepEqual(hpack.decode(hex(block)), { ok: true, value: lists[at] });
      t.is(hpack.tableBytes, tableBytes[at]!);
    }
  });
}

for (const [what, block, expected] of [
  ['index 0', '80', 'index is 0'],
  ['an index past the static table', 'be', 'index is past the end of the table'],
  ['a name past the static table', '7e 01 61', 'index is past the end of the table'],
  ['a literal that ends after its name', '00 01 61', 'string is missing'],
  ['a literal without a name', '00', 'string is missing'],
  ['a string that is cut off', '00 01 61 05 62', 'string is cut off'],
  ['an integer that is cut off', 'ff', 'integer is cut off'],
  ['an integer that never ends', 'ff 80 80 80 80 80', 'integer is too long'],
  ['an integer of 2^35', 'ff ff ff ff ff ff 7f', 'integer is too long'],
  ['a length of 2^28', '00 7f ff ff ff 7f', 'string is cut off'],
  ['a table size over the limit', '3f e2 1f 82', 'table size update is over the limit'],
  ['a table size after a field', '82 20', 'table size update is not at the beginning'],
  ['padding of zeroes', '00 01 61 81 18', 'Huffman code is wrong'],
  ['a whole octet of padding', '00 01 61 82 1f ff', 'Huffman code is wrong'],
  ['EOS', '00 01 61 84 ff ff ff ff', 'Huffman code is wrong'],
] as const) {
  test(`refuses ${what}`, (t) => {
    t.is(reason(decoder().decode(hex(block))), expected);
  });
}

test('EOS is refused inside a string too, and padding of seven ones accepted', (t) => {
  const literal = (bits: string): Uint8Array => {
    const octets = packBits(bits);
    return Uint8Array.from([0, ...encodeString('n', false), ...encodeInteger(0x80, 0x7f, octets.length), ...octets]);
  };
  t.is(reason(decoder().decode(literal(huffmanBits([97, 256, 97])))), 'Huffman code is wrong');
  for (const text of ['a', 'aa', 'a:', '{', '', '\n']) t.deepEqual(decoder().decode(literal(huffmanBits([...text].map((c) => c.charCodeAt(0))))), { ok: true, value: [['n', text]] });
});

test('a table that must shrink is due with the next block', (t) => {
  const hpack = decoder();
  t.true(hpack.decode(hex('400161 0162')).ok);
  hpack.announce(0);
  t.is(reason(decoderAfterAnnouncing(0).decode(hex('82'))), 'table size update is missing');
  t.is(reason(decoderAfterAnnouncing(0).decode(hex('21 82'))), 'table size update is over the limit');
  t.is(reason(decoderAfterAnnouncing(0).decode(hex(''))), 'table size update is missing');
  t.deepEqual(hpack.decode(hex('20 82')), { ok: true, value: [[':method', 'GET']] });
  t.is(hpack.tableBytes, 0);
  // What is to be indexed does not fit, which is no fault; and no further update is due.
  t.deepEqual(hpack.decode(hex('400161 0162')), { ok: true, value: [['a', 'b']] });
  t.is(reason(hpack.decode(hex('be'))), 'index is past the end of the table');
});

function decoderAfterAnnouncing(...sizes: readonly number[]): HpackDecoder {
  const hpack = decoder();
  for (const size of sizes) hpack.announce(size);
  return hpack;
}

test('the smallest of several announced sizes must be signalled, then the last may be used', (t) => {
  t.is(reason(decoderAfterAnnouncing(0, 4096).decode(hex('3f e1 1f 82'))), 'table size update is over the limit');
  t.true(decoderAfterAnnouncing(0, 4096).decode(hex('20 3f e1 1f 82')).ok);
  // A peer that chose less before needs to say nothing.
  const hpack = decoder();
  t.true(hpack.decode(hex('20 82')).ok);
  hpack.announce(0);
  t.true(hpack.decode(hex('82')).ok);
});

test('a list over the limit is refused, and the table stays in step', (t) => {
  for (const limits of [{ maxListBytes: 3 * (4 + 32) - 1 }, { maxFields: 2 }]) {
    const hpack = decoder(limits);
    t.deepEqual(hpack.decode(hex('40 02 6161 02 6262 40 02 6363 02 6464 40 02 6565 02 6666')), { ok: false, error: { kind: 'too-large' } });
    t.deepEqual(hpack.decode(hex('be c0')), { ok: true, value: [['ee', 'ff'], ['aa', 'bb']] });
  }
  t.true(decoder({ maxListBytes: 3 * 36 }).decode(hex('40 02 6161 02 6262 40 02 6363 02 6464 40 02 6565 02 6666')).ok);
});

test('a small block that stands for a large list keeps nothing of it', (t) => {
  const hpack = decoder();
  const value = 'v'.repeat(4000);
  t.true(hpack.decode(Uint8Array.from([0x40, ...encodeString('n', false), ...encodeString(value, false)])).ok);
  t.deepEqual(hpack.decode(new Uint8Array(16384).fill(0xbe)), { ok: false, error: { kind: 'too-large' } });
  // A fault past the limit is still one of the connection.
  t.is(reason(hpack.decode(Uint8Array.from([...new Uint8Array(200).fill(0xbe), 0x80]))), 'index is 0');
});

test('a request and a response are encoded by the static table where that can be', (t) => {
  t.is(latin1(encodeHeaders([[':status', '200']])), '\x88');
  t.is(latin1(encodeHeaders([[':status', '503']])), '\x08\x03503');
  t.is(latin1(encodeHeaders([[':method', 'CONNECT'], [':authority', 'a:1']])), '\x02\x07CONNECT\x01\x03a:1');
  t.is(latin1(encodeHeaders([['baggage', 'x']])), '\x00\x07baggage\x01x');
  // An index past the four bits of the prefix, and a length past seven.
  t.is(latin1(encodeHeaders([['www-authenticate', 'x'.repeat(300)]])), `\x0f\x2e\x7f\xad\x01${'x'.repeat(300)}`);
});

test('encoding into a place returns where it ends, and needs room', (t) => {
  const fields: readonly HeaderField[] = [[':status', '401'], ['baggage', 'v'.repeat(300)]];
  const target = new Uint8Array(600).fill(7);
  const end = encodeHeadersInto(target, 9, fields);
  t.deepEqual(decoder().decode(target.subarray(9, end)), { ok: true, value: fields });
  t.true(target.subarray(0, 9).every((octet) => octet === 7) && target.subarray(end).every((octet) => octet === 7));
  t.is(encodeHeadersInto(new Uint8Array(maxEncodedLength(fields) - 1), 0, fields), -1);
  t.is(encodeHeadersInto(target, 600, []), 600);
});

/** The bytes that nghttp2 sends for some requests on one connection, without a peer. */
async function nodeBlocks(lists: readonly Record<string, string>[]): Promise<Uint8Array[]> {
  const sent: Buffer[] = [];
  const frames = (): Buffer[] => {
    const bytes = Buffer.concat(sent).subarray('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length);
    const found: Buffer[] = [];
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) if (bytes[at + 3] === 1) found.push(bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3)));
    return found;
  };
  const socket = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      sent.push(Buffer.from(chunk));
      done();
      socket.emit('sent');
    },
  });
  const session = http2.connect('http://loopback.invalid', { createConnection: () => socket });
  session.on('error', () => {
    // The connection has no other end.
  });
  try {
    for (const [at, headers] of lists.entries()) {
      session.request(headers).on('error', () => {
        // Ended with the session.
      });
      while (frames().length <= at) await once(socket, 'sent');
    }
  } finally {
    session.destroy();
  }
  return frames();
}

test('nghttp2 means the same names by the indices of the static table', async (t) => {
  // Names of the connection are refused by node:http2, and pseudo header fields have their own places.
  const names = Array.from({ length: STATIC_TABLE_SIZE }, (_, at) => staticField(at + 1)![0]).filter((name) => !name.startsWith(':') && name !== 'transfer-encoding' && name !== 'host');
  const list = { ':method': 'GET', ':path': '/', ':scheme': 'https', ':authority': 'a', ...Object.fromEntries(names.map((name, at) => [name, name === 'content-length' ? '0' : `${at}`])) };
  const [block] = await nodeBlocks([list]);
  const decoded = decoder().decode(block!);
  t.true(decoded.ok);
  if (decoded.ok) t.deepEqual(Object.fromEntries(decoded.value), list);
});

test('what nghttp2 encodes is decoded, also from its dynamic table', async (t) => {
  const connect = { ':method': 'CONNECT', ':authority': '10.0.0.7:8080', baggage: 'k8s.cluster.name=west,k8s.namespace.name=shop', forwarded: 'for="10.0.0.1:40000"' };
  const get = { ':method': 'GET', ':path': '/a', ':scheme': 'http', ':authority': 'a', 'www-authenticate': 'Basic realm="\u00e9\u007e"', via: 'x'.repeat(500), accept: '', link: '<>;\\^`|{}~@$#!()' };
  const blocks = await nodeBlocks([connect, get, connect, { ...get, via: 'y' }]);
  const hpack = decoder();
  for (const [at, list] of [connect, get, connect, { ...get, via: 'y' }].entries()) {
    const decoded = hpack.decode(blocks[at]!);
    if (!decoded.ok) return t.fail(JSON.stringify(decoded.error));
    t.deepEqual(Object.fromEntries(decoded.value), list);
  }
  t.true(blocks[2]!.length < blocks[0]!.length / 2, 'the second CONNECT came from the table');
});
