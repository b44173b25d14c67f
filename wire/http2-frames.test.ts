import http2 from 'node:http2';
import test from 'ava';
import {
  CLIENT_PREFACE,
  DEFAULT_MAX_FRAME_BYTES,
  ERROR_CODE,
  errorCodeName,
  FRAME_FLAG,
  FRAME_TYPE,
  HIGHEST_MAX_FRAME_BYTES,
  MAX_SETTINGS,
  MAX_WINDOW_BYTES,
  parseSettings,
  readFrameLength,
  readUint31,
  readUint32,
  SETTING,
  writeFrameHeader,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from './http2-frames.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const entry = (id: number, value: number): number[] => [id >> 8, id & 0xff, value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
const NOTHING = { headerTableBytes: undefined, enablePush: undefined, maxConcurrentStreams: undefined, initialWindowBytes: undefined, maxFrameBytes: undefined, maxHeaderListBytes: undefined, enableConnectProtocol: undefined };

/** What a writer puts after three octets that are not its own. */
function written(write: (target: Uint8Array, offset: number) => number): string {
  const target = new Uint8Array(64).fill(0xee);
  const end = write(target, 3);
  if (target.subarray(0, 3).some((octet) => octet !== 0xee) || target.subarray(end).some((octet) => octet !== 0xee)) return 'wrote elsewhere';
  return hex(target.subarray(3, end));
}

test('frames have the bytes of RFC 9113, section 6', (t) => {
  t.is(written((target, at) => writeFrameHeader(target, at, 0x123456, FRAME_TYPE.CONTINUATION, 0xff, 0x7fffffff)), '12345609ff7fffffff');
  t.is(written((target, at) => writeRstStream(target, at, 5, ERROR_CODE.CANCEL)), '00000403000000000500000008');
  t.is(written((target, at) => writeWindowUpdate(target, at, 0, MAX_WINDOW_BYTES)), '0000040800000000007fffffff');
  t.is(written((target, at) => writePing(target, at, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), FRAME_FLAG.ACK)), '0000080601000000000102030405060708');
  t.is(written((target, at) => writeGoaway(target, at, 0x7fffffff, ERROR_CODE.ENHANCE_YOUR_CALM)), '0000080700000000007fffffff0000000b');
  t.is(written((target, at) => writeSettings(target, at, [[SETTING.MAX_FRAME_SIZE, 0x100000], [SETTING.HEADER_TABLE_SIZE, 0]])), '00000c040000000000' + '000500100000' + '000100000000');
  t.is(written((target, at) => writeSettings(target, at, [], FRAME_FLAG.ACK)), '000000040100000000');
});

test('what was written is read', (t) => {
  const bytes = new Uint8Array(9);
  writeFrameHeader(bytes, 0, HIGHEST_MAX_FRAME_BYTES, FRAME_TYPE.DATA, FRAME_FLAG.END_STREAM, 0xffffffff);
  t.is(readFrameLength(bytes, 0), HIGHEST_MAX_FRAME_BYTES);
  t.is(bytes[3], FRAME_TYPE.DATA);
  t.is(bytes[4], FRAME_FLAG.END_STREAM);
  t.is(readUint32(bytes, 5), 0xffffffff);
  t.is(readUint31(bytes, 5), 0x7fffffff, 'the reserved bit is ignored');
});

test('the numbers are those of nghttp2', (t) => {
  for (const [name, code] of Object.entries(ERROR_CODE)) t.is((http2.constants as unknown as Record<string, number>)[`NGHTTP2_${name}`], code, name);
  for (const [name, id] of Object.entries(SETTING)) t.is((http2.constants as unknown as Record<string, number>)[`NGHTTP2_SETTINGS_${name}`], id, name);
  t.is(errorCodeName(0xb), 'ENHANCE_YOUR_CALM');
  t.is(errorCodeName(0xdeadbeef), '0xdeadbeef');
  t.is(Buffer.from(CLIENT_PREFACE).toString(), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
});

test('settings that are not said are not there, and unknown ones are ignored', (t) => {
  t.deepEqual(parseSettings(new Uint8Array(0)), { ok: true, value: NOTHING });
  t.deepEqual(parseSettings(Uint8Array.from([...entry(0xf000, 7), ...entry(SETTING.MAX_CONCURRENT_STREAMS, 0), ...entry(9, 1)])), { ok: true, value: { ...NOTHING, maxConcurrentStreams: 0 } });
  t.deepEqual(parseSettings(Uint8Array.from([...entry(SETTING.INITIAL_WINDOW_SIZE, 1), ...entry(SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW_BYTES)])), { ok: true, value: { ...NOTHING, initialWindowBytes: MAX_WINDOW_BYTES } });
});

test('settings of node:http2 are read', (t) => {
  const packed = http2.getPackedSettings({ headerTableSize: 0, enablePush: false, initialWindowSize: 4 << 20, maxFrameSize: 1 << 20, maxConcurrentStreams: 200, maxHeaderListSize: 65536, enableConnectProtocol: true });
  t.deepEqual(parseSettings(packed), {
    ok: true,
    value: { headerTableBytes: 0, enablePush: false, maxConcurrentStreams: 200, initialWindowBytes: 4 << 20, maxFrameBytes: 1 << 20, maxHeaderListBytes: 65536, enableConnectProtocol: true },
  });
});

for (const [what, payload, code] of [
  ['a payload that is no row of entries', [0, 4, 0, 0, 0], 'FRAME_SIZE_ERROR'],
  ['ENABLE_PUSH of 2', entry(SETTING.ENABLE_PUSH, 2), 'PROTOCOL_ERROR'],
  ['ENABLE_PUSH of 2^31 + 1', entry(SETTING.ENABLE_PUSH, 0x80000001), 'PROTOCOL_ERROR'],
  ['a window of 2^31', entry(SETTING.INITIAL_WINDOW_SIZE, MAX_WINDOW_BYTES + 1), 'FLOW_CONTROL_ERROR'],
  ['frames that are too small', entry(SETTING.MAX_FRAME_SIZE, DEFAULT_MAX_FRAME_BYTES - 1), 'PROTOCOL_ERROR'],
  ['frames that are too large', entry(SETTING.MAX_FRAME_SIZE, HIGHEST_MAX_FRAME_BYTES + 1), 'PROTOCOL_ERROR'],
  ['ENABLE_CONNECT_PROTOCOL of 2', entry(SETTING.ENABLE_CONNECT_PROTOCOL, 2), 'PROTOCOL_ERROR'],
  ['a flood of settings', Array.from({ length: MAX_SETTINGS + 1 }, () => entry(0xf000, 0)).flat(), 'ENHANCE_YOUR_CALM'],
] as const) {
  test(`refuses ${what}`, (t) => {
    const parsed = parseSettings(Uint8Array.from(payload));
    t.is(parsed.ok ? 'ok' : errorCodeName(parsed.error.code), code);
  });
}

test('only a client may say that it takes pushes', (t) => {
  t.true(parseSettings(Uint8Array.from(entry(SETTING.ENABLE_PUSH, 1))).ok);
  t.false(parseSettings(Uint8Array.from(entry(SETTING.ENABLE_PUSH, 1)), 'server').ok);
  t.true(parseSettings(Uint8Array.from(entry(SETTING.ENABLE_PUSH, 0)), 'server').ok);
});
