import test from 'ava';
import fc from 'fast-check';
import { DEFAULT_MAX_FRAME_BYTES, FRAME_HEADER_BYTES, FRAME_TYPE, HIGHEST_MAX_FRAME_BYTES, MAX_STREAM_ID, MAX_WINDOW_BYTES, parseSettings, readFrameLength, readUint31, SETTING, writeFrameHeader, writeSettings } from './http2-frames.ts';

test('any frame header survives its bytes', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: HIGHEST_MAX_FRAME_BYTES }), fc.constantFrom(...Object.values(FRAME_TYPE)), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: MAX_STREAM_ID }), (length, type, flags, streamId) => {
      const bytes = new Uint8Array(FRAME_HEADER_BYTES);
      writeFrameHeader(bytes, 0, length, type, flags, streamId);
      t.deepEqual([readFrameLength(bytes, 0), bytes[3], bytes[4], readUint31(bytes, 5)], [length, type, flags, streamId]);
    }),
  );
});

test('good settings survive their bytes', (t) => {
  const settings = fc.record({
    headerTableBytes: fc.integer({ min: 0, max: 0xffffffff }),
    enablePush: fc.boolean(),
    maxConcurrentStreams: fc.integer({ min: 0, max: 0xffffffff }),
    initialWindowBytes: fc.integer({ min: 0, max: MAX_WINDOW_BYTES }),
    maxFrameBytes: fc.integer({ min: DEFAULT_MAX_FRAME_BYTES, max: HIGHEST_MAX_FRAME_BYTES }),
    maxHeaderListBytes: fc.integer({ min: 0, max: 0xffffffff }),
    enableConnectProtocol: fc.boolean(),
  });
  fc.assert(
    fc.property(settings, (value) => {
      const bytes = new Uint8Array(64);
      const end = writeSettings(bytes, 0, [
        [SETTING.HEADER_TABLE_SIZE, value.headerTableBytes],
        [SETTING.ENABLE_PUSH, Number(value.enablePush)],
        [SETTING.MAX_CONCURRENT_STREAMS, value.maxConcurrentStreams],
        [SETTING.INITIAL_WINDOW_SIZE, value.initialWindowBytes],
        [SETTING.MAX_FRAME_SIZE, value.maxFrameBytes],
        [SETTING.MAX_HEADER_LIST_SIZE, value.maxHeaderListBytes],
        [SETTING.ENABLE_CONNECT_PROTOCOL, Number(value.enableConnectProtocol)],
      ]);
      t.deepEqual(parseSettings(bytes.subarray(FRAME_HEADER_BYTES, end)), { ok: true, value });
    }),
  );
});

test('any payload gives settings within their bounds, or a reason', (t) => {
  const entry = fc.tuple(fc.constant(0), fc.integer({ min: 0, max: 9 }), fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }));
  const payloads = fc.oneof(fc.uint8Array({ maxLength: 250 }), fc.array(entry, { maxLength: 4 }).map((entries) => Uint8Array.from(entries.flat())));
  fc.assert(
    fc.property(payloads, fc.constantFrom('client', 'server'), (payload, sender) => {
      const parsed = parseSettings(payload, sender);
      if (!parsed.ok) return t.true(parsed.error.reason.length > 0 && parsed.error.code > 0);
      const { initialWindowBytes = 0, maxFrameBytes = DEFAULT_MAX_FRAME_BYTES, enablePush } = parsed.value;
      t.true(initialWindowBytes >= 0 && initialWindowBytes <= MAX_WINDOW_BYTES);
      t.true(maxFrameBytes >= DEFAULT_MAX_FRAME_BYTES && maxFrameBytes <= HIGHEST_MAX_FRAME_BYTES);
      t.false(sender === 'server' && enablePush === true);
    }),
    { numRuns: 500 },
  );
});
