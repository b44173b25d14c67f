import test from 'ava';
import fc from 'fast-check';
import { nativeMemory, type NativeMemory } from '@landbridge/native/memory.ts';
import { CLIENT_PREFACE, FRAME_HEADER_BYTES, writeFrameHeader } from '@landbridge/wire/http2-frames.ts';
import { type FrameSink, Http2FrameReader } from './http2-frame-reader.ts';

/** Writes down what it is told, with DATA put together again. */
class Recorder implements FrameSink {
  readonly told: string[] = [];
  isOver = false;
  #content = Buffer.alloc(0);

  onDataBegin(streamId: number, length: number): void {
    this.#content = Buffer.alloc(0);
    this.told.push(`data ${streamId} ${length}`);
  }

  onData({ bytes }: NativeMemory, at: number, size: number): void {
    this.#content = Buffer.concat([this.#content, bytes.subarray(at, at + size)]);
  }

  onDataEnd(length: number, endStream: boolean): void {
    this.told.push(`content ${length} ${endStream} ${this.#content.toString('hex')}`);
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.told.push(`frame ${type} ${flags} ${streamId} ${payload.toString('hex')}`);
  }

  onUnknown(streamId: number): void {
    this.told.push(`unknown ${streamId}`);
  }

  fail(code: number, reason: string): void {
    this.isOver = true;
    this.told.push(`fail ${code} ${reason}`);
  }
}

const memory = nativeMemory(512 * 1024);

function read(bytes: Uint8Array, cuts: readonly number[], expectsPreface: boolean): readonly string[] {
  const recorder = new Recorder();
  const reader = new Http2FrameReader(recorder, expectsPreface);
  let at = 0;
  for (const cut of [...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]) {
    if (cut <= at) continue;
    // Each piece somewhere else, and nothing of the one before is left.
    const place = at % 1000;
    memory.bytes.fill(0xee, 0, place + cut - at + 100);
    memory.bytes.set(bytes.subarray(at, cut), place);
    reader.read(memory, place, place + cut - at);
    at = cut;
    if (recorder.isOver) break;
  }
  return recorder.told;
}

const frame = fc
  .record({ type: fc.oneof(fc.constant(0), fc.nat(12), fc.constant(200)), flags: fc.oneof(fc.constant(0), fc.nat(255)), streamId: fc.oneof(fc.nat(9), fc.nat(2 ** 31 - 1)), payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 300, max: 20_000 }).map((size) => Buffer.alloc(size, 7))) })
  .map(({ type, flags, streamId, payload }) => {
    const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
    bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type as never, flags, streamId));
    return bytes;
  });
const cuts = fc.array(fc.oneof(fc.nat(120), fc.nat(60_000)), { maxLength: 30 });

test('frames are the same wherever their bytes are cut', (t) => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.uint8Array({ maxLength: 12 }), cuts, fc.boolean(), (frames, rest, where, expectsPreface) => {
      const bytes = Buffer.concat([expectsPreface ? CLIENT_PREFACE : Buffer.alloc(0), ...frames, rest]);
      const whole = read(bytes, [], expectsPreface);
      t.deepEqual(read(bytes, where, expectsPreface), whole);
      t.deepEqual(read(bytes, Array.from({ length: Math.min(bytes.length, 200) }, (_, i) => i), expectsPreface), whole);
    }),
    { numRuns: 200 },
  );
});

test('a preface that differs in any byte is refused at that byte', (t) => {
  fc.assert(
    fc.property(fc.nat(CLIENT_PREFACE.length - 1), fc.integer({ min: 1, max: 255 }), cuts, (at, change, where) => {
      const bytes = Uint8Array.from(CLIENT_PREFACE);
      bytes[at] = (bytes[at] as number) ^ change;
      const told = read(bytes, where, true);
      t.is(told.length, 1);
      t.regex(told[0] ?? '', /^fail 1 /);
    }),
  );
});
