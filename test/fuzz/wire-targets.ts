/** Parsers of what a peer of a tunnel sends. */
import { isIP } from 'node:net';
import { ipBytes, ipFromBytes, parseIp, parsePrefix, prefixContains } from '@landbridge/core/ip-address.ts';
import { formatAuthority, parseAuthority } from '@landbridge/wire/authority.ts';
import { ExampleEncoder } from '@landbridge/wire/example-hpack.ts';
import { type BaggageLabels, formatBaggage, formatForwarded, formatTraceparent, parseBaggage, parseForwarded, parseTraceparent } from '@landbridge/wire/hbone-headers.ts';
import { encodeHeaders, FIELD_OVERHEAD_BYTES, type HeaderField, HpackDecoder } from '@landbridge/wire/hpack.ts';
import { decodeHuffman, maxDecodedLength } from '@landbridge/wire/hpack-huffman.ts';
import { FRAME_HEADER_BYTES, HIGHEST_MAX_FRAME_BYTES, MAX_WINDOW_BYTES, parseSettings, SETTING, writeSettings } from '@landbridge/wire/http2-frames.ts';
import { parseConnectRequest, parseResponseHead, trailersFault } from '@landbridge/wire/http2-request.ts';
import { formatProxyHeader, MAX_PROXY_HEADER_BYTES, MAX_PROXY_TLVS, parseProxyHeader } from '@landbridge/wire/proxy-v2.ts';
import { alertName, encodeKeyUpdate, HANDSHAKE_HEADER_BYTES, HandshakeReassembly, MAX_HANDSHAKE_BYTES, parseAlert } from '@landbridge/wire/tls13.ts';
import { expect, type FuzzTarget, hex, joinParts, latin1, latin1Text, splitParts, utf8Text } from './fuzz-target.ts';

const LIMITS = { maxTableBytes: 512, maxListBytes: 4096, maxFields: 32 };
/** Longest text that says why something was refused: it is logged, and must not be a way to fill a disk. */
const MAX_REASON = 600;

const REQUEST: readonly HeaderField[] = [
  [':method', 'CONNECT'],
  [':authority', '10.244.1.17:8080'],
  ['baggage', 'k8s.cluster.name=west,k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart,service.version=v1'],
  ['forwarded', 'for="10.244.2.9:40312";host=cart.shop.svc.clusterset.local'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'],
  ['x-forwarded-network', 'west'],
  ['te', 'trailers'],
];
const RESPONSE: readonly HeaderField[] = [[':status', '200'], ['baggage', 'service.name=cart']];

/** The block before which the peer has acknowledged that it may use no table. */
const AFTER_ANNOUNCING = 3;

/** Blocks of one connection, the second by what the first has put into the table; the last ones without it. */
function blocks(fields: readonly HeaderField[]): Uint8Array {
  const encoder = new ExampleEncoder(LIMITS.maxTableBytes);
  const block = (): Uint8Array => Uint8Array.from(fields.flatMap((field) => encoder.encode({ field, representation: 'indexed', takesNameFromTable: true, isNameHuffman: true, isValueHuffman: true })));
  return joinParts([block(), block(), Uint8Array.from(encoder.resize(0)), block(), block()]);
}

const listBytes = (fields: readonly HeaderField[]): number => fields.reduce((sum, [name, value]) => sum + name.length + value.length + FIELD_OVERHEAD_BYTES, 0);

const hpack: FuzzTarget = {
  name: 'hpack',
  examples: [blocks(REQUEST), blocks(RESPONSE), joinParts([encodeHeaders(REQUEST), encodeHeaders(RESPONSE)])],
  dictionary: ['20', '3fe103', '82', 'be', 'c0', '40', '0f', '1f', 'ff80808001', 'ffffffff0f', '84ffffffff', '81ff'].map(hex),
  check: (input) => {
    const decoder = new HpackDecoder(LIMITS);
    for (const [at, block] of splitParts(input).entries()) {
      if (at === AFTER_ANNOUNCING) decoder.announce(0);
      const decoded = decoder.decode(block);
      expect(decoder.tableBytes >= 0 && decoder.tableBytes <= LIMITS.maxTableBytes, 'table over its limit');
      if (!decoded.ok && decoded.error.kind === 'malformed') return void expect(decoded.error.reason.length > 0, 'no reason');
      if (at >= AFTER_ANNOUNCING) expect(decoder.tableBytes === 0, 'table that was given up');
      if (!decoded.ok) continue;
      expect(decoded.value.length <= LIMITS.maxFields && listBytes(decoded.value) <= LIMITS.maxListBytes, 'list over its limits');
      const again = new HpackDecoder({ ...LIMITS, maxTableBytes: 0 }).decode(encodeHeaders(decoded.value));
      expect(again.ok && JSON.stringify(again.value) === JSON.stringify(decoded.value), 'fields do not survive');
    }
  },
};

const huffman: FuzzTarget = {
  name: 'hpack-huffman',
  examples: ['f1e3c2e5f23a6ba0ab90f4ff', 'a8eb10649cbf', '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007'].map(hex),
  dictionary: ['ff', 'ffffffff', 'fffffffc', '1f', '00'].map(hex),
  check: (input) => {
    const room = maxDecodedLength(input.length);
    // What lies behind is watched.
    const target = new Uint8Array(room + 8).fill(0xee);
    const length = decodeHuffman(input, 0, input.length, target);
    expect(length >= -1 && length <= room, 'more than the most');
    expect(target.subarray(room).every((octet) => octet === 0xee), 'wrote behind the end');
  },
};

/** Names and values in turn. */
const fieldsOf = (input: Uint8Array): readonly HeaderField[] => {
  const parts = splitParts(input).map(latin1Text);
  return parts.flatMap((name, at): readonly HeaderField[] => (at % 2 === 0 ? [[name, parts[at + 1] ?? '']] : []));
};
const partsOf = (fields: readonly HeaderField[]): Uint8Array => joinParts(fields.flat().map(latin1));

const request: FuzzTarget = {
  name: 'http2-request',
  examples: [partsOf(REQUEST), partsOf(RESPONSE), partsOf([[':method', 'GET'], [':scheme', 'https'], [':path', '/'], ['host', 'a']])],
  dictionary: [...[[':method', 'CONNECT'], [':authority', 'a:1'], [':status', '200'], [':path', '/'], ['host', 'a'], ['te', 'x'], ['connection', ''], ['Baggage', ''], [':', '']].map((field) => joinParts(field.map(latin1))), ...['\0', '\n', '\r', ' ', '\t', '\xff'].map(latin1)],
  check: (input) => {
    const fields = fieldsOf(input);
    const connect = parseConnectRequest(fields);
    if (connect.ok) expect(fields.filter(([name]) => name.startsWith(':')).length === 2 && !fields.some(([name, value]) => /[A-Z]/.test(name) || /[\0\r\n]/.test(value)), 'accepted what RFC 9113 does not');
    else if (connect.error.kind === 'malformed') expect(connect.error.reason.length <= MAX_REASON, 'reason is too long');
    const head = parseResponseHead(fields);
    expect(!head.ok || (head.value.status >= 100 && head.value.status <= 999), 'status out of range');
    expect(trailersFault(fields) !== undefined || !fields.some(([name]) => name.startsWith(':')), 'trailers with pseudo header fields');
    expect(!connect.ok || !head.ok, 'both a request and a response');
  },
};

const settings: FuzzTarget = {
  name: 'http2-settings',
  examples: [
    (() => {
      const target = new Uint8Array(64);
      const end = writeSettings(target, 0, [[SETTING.HEADER_TABLE_SIZE, 0], [SETTING.ENABLE_PUSH, 0], [SETTING.MAX_CONCURRENT_STREAMS, 200], [SETTING.INITIAL_WINDOW_SIZE, 4 << 20], [SETTING.MAX_FRAME_SIZE, 1 << 20], [SETTING.MAX_HEADER_LIST_SIZE, 65536]]);
      return target.slice(FRAME_HEADER_BYTES, end);
    })(),
  ],
  dictionary: ['000480000000', '000500003fff', '000501000000', '000200000002', '000800000002', 'ffff00000000'].map(hex),
  check: (input) => {
    const parsed = parseSettings(input, (input[0] ?? 0) > 1 ? 'server' : 'client');
    if (!parsed.ok) return void expect(parsed.error.reason.length <= MAX_REASON, 'reason is too long');
    const { initialWindowBytes = 0, maxFrameBytes = 16384 } = parsed.value;
    expect(initialWindowBytes <= MAX_WINDOW_BYTES && maxFrameBytes >= 16384 && maxFrameBytes <= HIGHEST_MAX_FRAME_BYTES, 'settings out of range');
  },
};

const authority: FuzzTarget = {
  name: 'authority',
  examples: ['10.0.0.1:80', '[fd00::1]:15008', '[::ffff:10.0.0.1]:1', 'cart.shop.svc.clusterset.local:8080', 'echo:1'].map(latin1),
  dictionary: [':', '[', ']', '::', '.', '%', '*', '@', '-', '0', '0x', '65536', ' ', '\n', '\u212a'].map((text) => Uint8Array.from(Buffer.from(text))),
  check: (input) => {
    const parsed = parseAuthority(utf8Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const text = formatAuthority(parsed.value);
    const again = parseAuthority(text);
    expect(text.length <= 259 && /^[0-9a-z.:[\]-]+$/.test(text), 'accepted what is no authority');
    expect(again.ok && JSON.stringify(again.value) === JSON.stringify(parsed.value), 'authority does not survive');
  },
};

const ipAddress: FuzzTarget = {
  name: 'ip-address',
  examples: ['10.0.0.1', '255.255.255.255', 'fd00::1', '::', '::ffff:10.1.2.3', '1:2:3:4:5:6:7:8', '64:ff9b::192.0.2.33', '10.0.0.0/8', 'fd00::/33', '::ffff:10.0.0.0/104'].map(latin1),
  dictionary: [':', '::', '.', '0', '00', '/', '%', 'ffff', '256', 'g', '0x', ' '].map(latin1),
  check: (input) => {
    const text = latin1Text(input);
    const parsed = parseIp(text);
    expect(parsed.ok === (isIP(text) !== 0 && !text.includes('%')), 'Node.js reads it otherwise');
    const prefix = parsePrefix(text);
    if (prefix.ok) {
      const own = ipFromBytes(prefix.value.bytes);
      expect(prefix.value.bits <= prefix.value.bytes.length * 8, 'prefix is too long');
      // Behind a short prefix of IPv6 there may be nothing but a mapped address, which is IPv4.
      if (own.ok && ipBytes(own.value).length === prefix.value.bytes.length) expect(prefixContains(prefix.value, own.value), 'prefix without its own address');
    }
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const again = ipFromBytes(ipBytes(parsed.value));
    expect(again.ok && again.value === parsed.value, 'address does not survive');
  },
};

const baggage: FuzzTarget = {
  name: 'baggage',
  examples: ['k8s.cluster.name=west,k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart,service.version=v1,cloud.region=eu,cloud.availability_zone=eu-a', 'k8s.pod.name = a ; p=1 , x=y'].map(latin1),
  dictionary: [',', ';', '=', ' ', '%2C', 'k8s.job.name=', 'service.name=', '\xff', '\n'].map(latin1),
  check: (input) => {
    const parsed = parseBaggage(latin1Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const labels: BaggageLabels = parsed.value;
    expect(Object.values(labels).every((value) => value.length <= 253 && !/[^ -~]|[,;]/.test(value)), 'label that is not printable');
    const again = parseBaggage(formatBaggage(labels));
    expect(again.ok && JSON.stringify({ ...again.value, workloadKind: '' }) === JSON.stringify({ ...labels, workloadKind: '' }), 'labels do not survive');
  },
};

const forwarded: FuzzTarget = {
  name: 'forwarded',
  examples: ['for="10.0.0.1:40000";host=cart.shop.svc.clusterset.local', 'for="[fd00::1]:1"', 'by=_x;proto=http;for=unknown, for="10.9.9.9:1"', 'host=*.example.com'].map(latin1),
  dictionary: ['for=', 'host=', '"', ';', ',', '=', ' ', '\\', '*.'].map(latin1),
  check: (input) => {
    const parsed = parseForwarded(latin1Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    const { source, host } = parsed.value;
    expect(host === undefined || (host.length <= 253 && /^(\*\.)?[0-9a-z.-]+$/.test(host)), 'host is no hostname');
    if (source === undefined) return;
    const again = parseForwarded(formatForwarded(source, host));
    expect(again.ok && JSON.stringify(again.value) === JSON.stringify(parsed.value), 'element does not survive');
  },
};

const traceparent: FuzzTarget = {
  name: 'traceparent',
  examples: [latin1(formatTraceparent(Uint8Array.from({ length: 24 }, (_, at) => at + 1))), latin1('cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more')],
  dictionary: ['-', '00', 'ff', '0'.repeat(16), '0'.repeat(32), 'F'].map(latin1),
  check: (input) => {
    const parsed = parseTraceparent(latin1Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    expect(/^[0-9a-f]{32}$/.test(parsed.value.traceId) && /^[0-9a-f]{16}$/.test(parsed.value.parentId), 'identifiers of another form');
  },
};

const PROXY_SIGNATURE = '0d0a0d0a000d0a515549540a';
const proxyV2: FuzzTarget = {
  name: 'proxy-v2',
  examples: [`${PROXY_SIGNATURE}2111000c0a0000010a6000079c400050`, `${PROXY_SIGNATURE}211100190a0000010a6000079c400050d00001610400020000d0000162474554`, `${PROXY_SIGNATURE}21210024fd00${'00'.repeat(13)}01fd00${'00'.repeat(13)}0200010002`, `${PROXY_SIGNATURE}20000000`].map(hex),
  dictionary: ['d00000', '040000', '0000', 'ffff', '2111', '2121', '2000'].map(hex),
  check: (input) => {
    const parsed = parseProxyHeader(input);
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    if (parsed.value.kind === 'incomplete') return void expect(input.length < MAX_PROXY_HEADER_BYTES, 'waits for more than the limit');
    const { command, length } = parsed.value;
    expect(length <= input.length && length <= MAX_PROXY_HEADER_BYTES, 'length out of range');
    if (command.kind !== 'tcp') return;
    expect(command.tlvs.length <= MAX_PROXY_TLVS, 'too many TLVs');
    const header = formatProxyHeader(command);
    const again = header.ok ? parseProxyHeader(header.value) : header;
    expect(again.ok && again.value.kind === 'complete' && JSON.stringify(again.value.command) === JSON.stringify(command), 'header does not survive');
  },
};

const TICKET = hex('04 00001e 00000e10 01020304 02 0909 0005 0707070707 0008 002a000400004000');
const tls13: FuzzTarget = {
  name: 'tls13',
  examples: [joinParts([TICKET, TICKET, encodeKeyUpdate(true)]), joinParts([TICKET.subarray(0, 9), TICKET.subarray(9)]), joinParts([encodeKeyUpdate(false)])],
  dictionary: ['18000001', '1800000100', '0400ffff', '04ffffff', '0d'].map(hex),
  check: (input) => {
    const records = splitParts(input);
    for (const role of ['client', 'server'] as const) {
      let handshake = new HandshakeReassembly(role);
      for (const [at, record] of records.entries()) {
        const alert = parseAlert(record);
        expect(alert.ok === (record.length === 2), 'alert of another size');
        if (alert.ok && alert.value.kind === 'fatal') expect(alertName(alert.value.code).length < 40, 'name of an alert is too long');
        const pushed = handshake.push(record);
        if (!pushed.ok) break;
        const [, high = 0, middle = 0, low = 0] = handshake.pending;
        const announced = HANDSHAKE_HEADER_BYTES + high * 65536 + middle * 256 + low;
        expect(handshake.pending.length < HANDSHAKE_HEADER_BYTES || announced <= MAX_HANDSHAKE_BYTES, 'waits for more than the limit');
        expect(handshake.pending.length < MAX_HANDSHAKE_BYTES, 'keeps more than the limit');
        expect(role === 'client' || pushed.value.every(({ kind }) => kind === 'key-update'), 'ticket from a client');
        if (at % 2 === 1) handshake = new HandshakeReassembly(role, handshake.pending);
      }
    }
  },
};

export const WIRE_TARGETS: readonly FuzzTarget[] = [hpack, huffman, request, settings, authority, ipAddress, baggage, forwarded, traceparent, proxyV2, tls13];
