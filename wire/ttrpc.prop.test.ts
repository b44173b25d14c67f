import test from 'ava';
import fc from 'fast-check';
import { encodeTtrpcRequest, encodeTtrpcResponse, MAX_STATUS_CHARACTERS, MAX_TTRPC_DATA_BYTES, TTRPC_HEADER_BYTES, type TtrpcMessage, TtrpcReader } from './ttrpc.ts';

const stream = fc.integer({ min: 0, max: 0xffff_ffff });
const payload = fc.uint8Array({ maxLength: 200 });
const text = fc.string({ maxLength: 30 });
const status = fc.record({ code: fc.integer({ min: 1, max: 16 }), message: text });
const messages = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('request' as const), stream, request: fc.record({ service: text, method: text, payload, timeoutMs: fc.integer({ min: 0, max: 100_000 }) }) }),
    fc.record({ kind: fc.constant('response' as const), stream, status: fc.constant(undefined), payload }),
    fc.record({ kind: fc.constant('response' as const), stream, status, payload: fc.constant(new Uint8Array()) }),
  ),
  { maxLength: 6 },
);

function encode(message: TtrpcMessage): Uint8Array {
  if (message.kind === 'other') throw new Error('nothing of that kind is sent');
  const encoded = message.kind === 'request' ? encodeTtrpcRequest(message.stream, message.request) : encodeTtrpcResponse(message.stream, message.status === undefined ? { payload: message.payload } : { status: message.status });
  if (!encoded.ok) throw new Error(encoded.error);
  return encoded.value;
}

/** With bytes as text: a Buffer is not deeply equal to a Uint8Array. */
const plain = (messages: readonly TtrpcMessage[]): unknown =>
  messages.map((message) => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    if (message.kind === 'request') return { ...message, request: { ...message.request, payload: hex(message.request.payload) } };
    return message.kind === 'response' ? { ...message, payload: hex(message.payload) } : message;
  });

function readAll(bytes: Uint8Array, cuts: readonly number[]): readonly TtrpcMessage[] {
  const reader = new TtrpcReader();
  const read: TtrpcMessage[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = cuts.length === 0 ? bytes.length : (cuts[i % cuts.length] as number);
    const pushed = reader.push(bytes.subarray(at, at + size));
    if (!pushed.ok) throw new Error(pushed.error);
    read.push(...pushed.value);
    at += size;
  }
  return read;
}

test('messages come out as they went in, wherever the stream is cut', (t) => {
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 }), (sent, cuts) => {
      t.deepEqual(plain(readAll(Buffer.concat(sent.map(encode)), cuts)), plain(sent));
    }),
  );
});

test('any bytes give messages or an error, and no message is longer than the limit', (t) => {
  const framed = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 4 }), payload).map(([length, type, data]) => Buffer.concat([Buffer.from([0, 0, 0, length, 0, 0, 0, 1, type, 0]), data]));
  fc.assert(
    fc.property(fc.oneof(framed, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      const read = new TtrpcReader().push(bytes);
      if (!read.ok) return t.true(read.error.length < 100);
      t.true(read.value.length * TTRPC_HEADER_BYTES <= bytes.length);
      for (const message of read.value) if (message.kind === 'response' && message.status !== undefined) t.true(message.status.code !== 0 && message.status.message.length <= MAX_STATUS_CHARACTERS);
    }),
    { numRuns: 2000 },
  );
});

test('a length over the limit is refused with its header, and nothing that long is sent', (t) => {
  const header = Buffer.alloc(TTRPC_HEADER_BYTES);
  header.writeUInt32BE(MAX_TTRPC_DATA_BYTES + 1);
  t.false(new TtrpcReader().push(header).ok);
  header.writeUInt32BE(MAX_TTRPC_DATA_BYTES);
  t.deepEqual(new TtrpcReader().push(header), { ok: true, value: [] });
  t.false(encodeTtrpcResponse(1, { payload: new Uint8Array(MAX_TTRPC_DATA_BYTES) }).ok);
});

test('a request is, byte for byte, what the protocol says', (t) => {
  const request = encodeTtrpcRequest(3, { service: 'a.B', method: 'C', payload: Uint8Array.of(1, 2), timeoutMs: 1 });
  t.is(request.ok && Buffer.from(request.value).toString('hex'), `00000010${'00000003'}0100${'0a03612e42'}${'120143'}${'1a020102'}${'20c0843d'}`);
});

test('a status without a code is a success, and data of a stream is read over', (t) => {
  const head = (length: number, type: number): number[] => [0, 0, 0, length, 0, 0, 0, 1, type, 0];
  t.like(new TtrpcReader().push(Uint8Array.from([...head(2, 2), 0x0a, 0x00])), { value: [{ kind: 'response', status: undefined }] });
  t.like(new TtrpcReader().push(Uint8Array.from([...head(1, 3), 0xff, ...head(0, 2)])), { value: [{ kind: 'other', stream: 1 }, { kind: 'response' }] });
});
