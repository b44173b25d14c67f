/** Each bound of a connection against a peer that goes beyond it: what it is told, and that nothing else suffers. */
import test from 'ava';
import { FRAME_FLAG, FRAME_TYPE, SETTING } from '@landbridge/wire/http2-frames.ts';
import { CONTROL_FRAMES, EAGER_BYTES, MAX_CONTINUATIONS, MAX_CONTROL_BYTES, MAX_HEADER_LIST_BYTES, RESETS, UNANSWERED_RESETS, WINDOW_UPDATES } from './http2-limits.ts';
import { CONNECT, data, END_HEADERS, END_STREAM, frame, goaway, headers, ping, reset, SessionBench, settings, TestNear, windowUpdate } from './test-session.ts';

/** Enough that what is allowed in the time of the test does not matter. */
const MARGIN = 1.5;

/** One frame again and again until the session ends, in pieces as they fit into one read; returns how many it took. */
function flood(bench: SessionBench, made: (i: number) => Buffer, most: number): number {
  let count = 0;
  while (bench.closed === undefined && count < most) {
    const parts: Buffer[] = [];
    for (let size = 0; size < 60_000 && count < most; size += parts.at(-1)?.length ?? 0) parts.push(made(count++));
    bench.say(Buffer.concat(parts));
    // A peer that reads what it is told: the answers alone must not be what ends it.
    if (bench.channel.sent.length > 1_000_000) bench.channel.sent = Buffer.alloc(0);
  }
  return count;
}

const FLOODS: readonly (readonly [what: string, limit: number, made: (i: number) => Buffer])[] = [
  ['PING', CONTROL_FRAMES.burst, () => ping('12345678')],
  ['answers to no PING', CONTROL_FRAMES.burst, () => ping('12345678', 1)],
  ['SETTINGS', CONTROL_FRAMES.burst, () => settings([SETTING.MAX_FRAME_SIZE, 20_000])],
  ['empty SETTINGS', CONTROL_FRAMES.burst, () => settings()],
  ['PRIORITY', CONTROL_FRAMES.burst, () => frame(FRAME_TYPE.PRIORITY, 0, 7, Buffer.from([0, 0, 0, 5, 10]))],
  ['unknown frames', CONTROL_FRAMES.burst, () => frame(0x42 as never, 0, 1)],
  ['empty DATA', CONTROL_FRAMES.burst, () => data(1, '')],
  ['DATA of padding alone', CONTROL_FRAMES.burst, () => data(1, Buffer.from([3, 0, 0, 0]), FRAME_FLAG.PADDED)],
  ['empty DATA for a stream that is over', CONTROL_FRAMES.burst, () => data(3, '')],
  ['ends of a stream that is over', RESETS.burst, () => data(3, '', END_STREAM)],
  ['WINDOW_UPDATE of the connection', WINDOW_UPDATES.burst, () => windowUpdate(0, 1)],
  ['WINDOW_UPDATE of a stream', WINDOW_UPDATES.burst, () => windowUpdate(1, 1)],
  ['streams that are opened and reset before their answer', UNANSWERED_RESETS.burst, (i) => Buffer.concat([headers(5 + 2 * i, CONNECT), reset(5 + 2 * i)])],
  ['resets of one stream', RESETS.burst, () => reset(3)],
];

for (const [what, limit, made] of FLOODS) {
  test(`a flood of ${what} ends the connection with ENHANCE_YOUR_CALM`, (t) => {
    using bench = SessionBench.server();
    const { near } = bench.open(1);
    bench.open(3);
    bench.say(reset(3));
    const sent = flood(bench, made, limit * 10);
    t.is(bench.closed?.failure?.reason, 'h2-flood');
    t.regex(bench.channel.sent.subarray(-17).toString('hex'), /^000008070000000000[0-9a-f]{8}0000000b$/, 'GOAWAY with ENHANCE_YOUR_CALM');
    t.true(sent >= limit && sent <= limit * MARGIN + 10_000, `${sent}`);
    t.is(near.closed, 'reset');
    t.true(bench.session.streams.size === 0);
  });
}

test('streams that a peer makes us reset count as those that it resets itself', (t) => {
  using bench = SessionBench.server();
  // Data after its end is an error of its stream: the peer is told, and the stream is over at once.
  const sent = flood(bench, (i) => Buffer.concat([headers(1 + 2 * i, CONNECT, END_HEADERS | END_STREAM), data(1 + 2 * i, 'x')]), RESETS.burst * 10);
  t.is(bench.closed?.failure?.reason, 'h2-flood');
  t.true(sent <= RESETS.burst * MARGIN + 10_000, `${sent}`);
});

test('an ordinary use of the same frames ends nothing', (t) => {
  using bench = SessionBench.server();
  for (let i = 0; i < 1000; i++) bench.say(headers(1 + 2 * i, CONNECT), windowUpdate(0, 1000), windowUpdate(1 + 2 * i, 1000), reset(1 + 2 * i), ping('12345678'));
  t.is(bench.closed, undefined);
  t.is(bench.session.streams.size, 0);
});

test('a header block in too many frames, or of too many bytes, ends the connection before it is put together', (t) => {
  const pieces = (count: number, size: number): Buffer => Buffer.concat([frame(FRAME_TYPE.HEADERS, 0, 1, Buffer.alloc(10)), ...Array.from({ length: count }, () => frame(FRAME_TYPE.CONTINUATION, 0, 1, Buffer.alloc(size)))]);
  for (const said of [pieces(MAX_CONTINUATIONS, 0), pieces(5, MAX_HEADER_LIST_BYTES / 4)]) {
    using bench = SessionBench.server();
    bench.say(said);
    t.deepEqual(bench.told(), ['GOAWAY 0 ENHANCE_YOUR_CALM']);
    t.is(bench.requests.length, 0);
  }
  using allowed = SessionBench.server();
  allowed.say(pieces(MAX_CONTINUATIONS - 1, 0));
  t.is(allowed.closed, undefined);
});

test('a header frame or a control frame that is longer than any needs to be ends the connection before it has come', (t) => {
  for (const [type, length] of [[FRAME_TYPE.HEADERS, MAX_HEADER_LIST_BYTES + 1], [FRAME_TYPE.SETTINGS, MAX_CONTROL_BYTES + 6], [FRAME_TYPE.GOAWAY, MAX_CONTROL_BYTES + 1], [FRAME_TYPE.PING, 1 << 20]] as const) {
    using bench = SessionBench.server();
    bench.say(frame(type, END_HEADERS, type === FRAME_TYPE.HEADERS ? 1 : 0, Buffer.alloc(length)).subarray(0, 9));
    t.deepEqual(bench.told(), ['GOAWAY 0 ENHANCE_YOUR_CALM'], `${type}`);
  }
});

test('more settings than there are is an attempt to cost time', (t) => {
  using bench = SessionBench.server();
  bench.say(settings(...Array.from({ length: 33 }, () => [SETTING.MAX_FRAME_SIZE, 20_000] as const)));
  t.deepEqual(bench.told(), ['GOAWAY 0 ENHANCE_YOUR_CALM']);
});

test('a block that names one long field again and again is answered with 431, and costs no more than its limit', (t) => {
  using bench = new SessionBench('server');
  bench.say(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings());
  bench.seen();
  // Into the table, which the peer may still use before it has acknowledged: 3,000 bytes; then 60,000 times by one byte.
  const long = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, ...varint(3000 - 127)]), Buffer.alloc(3000, 0x79)]);
  const startedAtMs = performance.now();
  bench.say(frame(FRAME_TYPE.HEADERS, END_HEADERS, 1, Buffer.concat([long, Buffer.alloc(60_000, 0x80 | 62)])));
  t.true(performance.now() - startedAtMs < 1000);
  t.deepEqual(bench.told(), ['HEADERS 1 END', 'RST_STREAM 1 NO_ERROR']);
  t.is(bench.closed, undefined);
});

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left >>>= 7) bytes.push((left & 127) | 128);
  return [...bytes, left];
}

test('a peer that makes us answer and reads nothing is cut, and holds no more than one slab', (t) => {
  using bench = SessionBench.server();
  bench.channel.isBlocked = true;
  for (let id = 1; bench.closed === undefined && id < 100_000; id += 2) bench.say(headers(id, [[':method', 'GET'], [':scheme', 'https'], [':path', '/'], [':authority', 'x']]), reset(id), ping('12345678'));
  t.is(bench.closed?.failure?.reason, 'h2-flood');
});

test('an application that speaks before the answer is heard no further than can be kept', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 1_000_000]);
  const stream = bench.session.open(CONNECT);
  if (stream === undefined) return t.fail();
  const near = new TestNear();
  bench.listen(stream);
  stream.join(near);
  bench.nearSays({ stream, near }, Buffer.alloc(100_000));
  t.is(bench.seen().reduce((sum, { type, payload }) => sum + (type === 'DATA' ? payload.length : 0), 0), EAGER_BYTES);
});

test('GOAWAY again and again is a flood like others', (t) => {
  using bench = SessionBench.client();
  bench.open();
  const sent = flood(bench, () => goaway(2 ** 31 - 1), CONTROL_FRAMES.burst * 10);
  t.is(bench.closed?.failure?.reason, 'h2-flood');
  t.true(sent >= CONTROL_FRAMES.burst);
});
