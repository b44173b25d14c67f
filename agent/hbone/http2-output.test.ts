import test from 'ava';
import { FRAME_HEADER_BYTES, FRAME_TYPE } from '@landbridge/wire/http2-frames.ts';
import type { Channel } from './channel.ts';
import { Http2Output } from './http2-output.ts';
import { LARGE_SLAB, SMALL_SLAB } from './slab.ts';

class Sink {
  readonly sent: Buffer[] = [];
  isBlocked = false;
  /** Whether it takes only one piece. */
  blocksAfter = Number.POSITIVE_INFINITY;

  send(bytes: Buffer, _address: number, from: number, size: number): void {
    this.sent.push(Buffer.from(bytes.subarray(from, from + size)));
    if (this.sent.length >= this.blocksAfter) this.isBlocked = true;
  }
}

function output(): { readonly output: Http2Output; readonly sink: Sink } {
  const sink = new Sink();
  return { output: new Http2Output(sink as unknown as Channel), sink };
}

test('frames of a round leave as one piece, and nothing leaves where there is none', (t) => {
  const { output: out, sink } = output();
  out.flush();
  t.deepEqual(sink.sent, []);
  for (const streamId of [1, 3]) {
    t.true(out.reserve(FRAME_HEADER_BYTES + 2));
    out.slab.bytes.write('hi', out.slab.end + FRAME_HEADER_BYTES);
    out.commit(2, FRAME_TYPE.DATA, 0, streamId);
  }
  t.is(out.staged, 22);
  out.flush();
  t.is(sink.sent.length, 1);
  t.is(sink.sent[0]?.toString('hex'), '0000020000000000016869' + '0000020000000000036869');
  t.is(out.staged, 0);
});

test('a little to say takes a small slab, bulk a large one, and what was staged moves along', (t) => {
  const { output: out, sink } = output();
  t.true(out.dataRoom(false) > 0);
  t.is(out.slab.bytes.length, SMALL_SLAB);
  out.commit(100, FRAME_TYPE.DATA, 0, 1);
  t.true(out.dataRoom(true) >= 200 * 1024);
  t.is(out.slab.bytes.length, LARGE_SLAB);
  t.is(out.staged, 109);
  t.is(out.slab.bytes[3], FRAME_TYPE.DATA);
  t.deepEqual(sink.sent, []);
});

test('room for a frame is room behind its header, with one byte to spare for the record layer', (t) => {
  for (const isBulk of [false, true]) {
    const { output: out } = output();
    for (let i = 0; i < 1000; i++) {
      const room = out.dataRoom(isBulk);
      t.true(room > 0);
      out.commit(room, FRAME_TYPE.DATA, 0, 1);
      t.true(out.staged < out.slab.bytes.length);
    }
  }
});

test('a blocked channel takes control frames until a slab is full, and no data', (t) => {
  const { output: out, sink } = output();
  sink.isBlocked = true;
  t.is(out.dataRoom(true), 0);
  let frames = 0;
  while (out.reserve(FRAME_HEADER_BYTES + 8)) {
    out.commit(8, FRAME_TYPE.PING, 0, 0);
    frames++;
  }
  t.true(frames * 17 <= LARGE_SLAB && frames * 17 > LARGE_SLAB * 0.9);
  out.flush();
  t.deepEqual(sink.sent, []);
  sink.isBlocked = false;
  t.true(out.reserve(FRAME_HEADER_BYTES + 8), 'by sending what was staged');
  t.is(sink.sent[0]?.length, frames * 17);
});

test('data leaves room for frames that can not wait', (t) => {
  const { output: out, sink } = output();
  sink.blocksAfter = 1;
  for (let room = out.dataRoom(true); room > 0; room = out.dataRoom(true)) out.commit(room, FRAME_TYPE.DATA, 0, 1);
  t.true(sink.isBlocked);
  t.true(out.reserve(1000));
});
