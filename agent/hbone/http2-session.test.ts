import { randomBytes } from 'node:crypto';
import test from 'ava';
import { ERROR_CODE, FRAME_TYPE, SETTING } from '@landbridge/wire/http2-frames.ts';
import { HpackDecoder } from '@landbridge/wire/hpack.ts';
import { CONNECTION_WINDOW, FIRST_STREAM_WINDOW, MAX_STREAMS } from './http2-limits.ts';
import { ACK, CONNECT, data, END_HEADERS, END_STREAM, frame, goaway, headers, ping, reset, SessionBench, settings, settingsAck, TestNear, uint32, windowUpdate } from './test-session.ts';

const LAST = 2 ** 31 - 1;

// -- What is said first

test('a server says its settings, among them that it keeps no header table, and its windows', (t) => {
  using bench = new SessionBench('server');
  const [first, second] = bench.seen();
  t.is(first?.type, 'SETTINGS');
  const said = new Map<number, number>();
  for (let at = 0; at < (first?.payload.length ?? 0); at += 6) said.set(first?.payload.readUInt16BE(at) as number, first?.payload.readUInt32BE(at + 2) as number);
  t.deepEqual([...said], [[SETTING.HEADER_TABLE_SIZE, 0], [SETTING.MAX_CONCURRENT_STREAMS, MAX_STREAMS], [SETTING.INITIAL_WINDOW_SIZE, FIRST_STREAM_WINDOW], [SETTING.MAX_FRAME_SIZE, 1 << 20], [SETTING.MAX_HEADER_LIST_SIZE, 64 * 1024]]);
  t.is(second?.type, 'WINDOW_UPDATE');
  t.is(65_535 + (second?.payload.readUInt32BE(0) ?? 0), CONNECTION_WINDOW);
});

test('a client says the preface and that nothing may be pushed to it', (t) => {
  using bench = new SessionBench('client');
  t.is(bench.channel.sent.subarray(0, 24).toString('latin1'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const [first] = bench.seen();
  t.deepEqual([first?.payload.readUInt16BE(6), first?.payload.readUInt32BE(8)], [SETTING.ENABLE_PUSH, 0]);
});

for (const [what, said] of [['something else than the preface', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')], ['a preface and no settings', Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ping('12345678')])]] as const) {
  test(`a client that begins with ${what} is refused`, (t) => {
    using bench = new SessionBench('server');
    bench.seen();
    bench.say(said);
    t.deepEqual(bench.told(), ['GOAWAY 0 PROTOCOL_ERROR']);
    t.is(bench.closed?.failure?.reason, 'h2-preface');
    t.true(bench.channel.isClosed);
  });
}

test('a peer that changes the size of its header table is told that none is used', (t) => {
  using bench = SessionBench.client([SETTING.HEADER_TABLE_SIZE, 8192]);
  bench.session.open(CONNECT);
  bench.run();
  const [opened] = bench.seen();
  t.is(opened?.payload[0], 0x20, 'a table size update to 0');
  bench.session.open(CONNECT);
  bench.run();
  t.not(bench.seen()[0]?.payload[0], 0x20, 'once');
});

test('after its word that there is no table, a block that uses one ends the connection', (t) => {
  using bench = SessionBench.server();
  // Indexed with incremental indexing, and no update of the size before it.
  bench.say(frame(FRAME_TYPE.HEADERS, END_HEADERS, 1, Buffer.from('4007636f6e6e6563740178', 'hex')));
  t.deepEqual(bench.told(), ['GOAWAY 0 COMPRESSION_ERROR']);
  t.is(bench.closed?.failure?.reason, 'h2-compression');
});

// -- Streams

test('before the answer a client sends what it can keep, and all of it once the answer comes', (t) => {
  using bench = SessionBench.client();
  const stream = bench.session.open(CONNECT) as NonNullable<ReturnType<typeof bench.session.open>>;
  bench.listen(stream);
  const near = new TestNear();
  stream.join(near);
  bench.nearSays({ stream, near }, Buffer.alloc(20_000));
  t.deepEqual(bench.told(), ['HEADERS 1', 'DATA 1 8192']);
  bench.say(headers(1, [[':status', '200']]));
  t.deepEqual(bench.told(), ['DATA 1 11808']);
});

test('what was sent in vain comes out whole for the next stream, within its window', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 3000]);
  const said = randomBytes(8000);
  const [first, near] = [bench.session.open(CONNECT), new TestNear()];
  if (first === undefined) return t.fail();
  bench.listen(first);
  first.join(near);
  bench.nearSays({ stream: first, near }, said);
  t.deepEqual(bench.told(), ['HEADERS 1', 'DATA 1 3000']);
  const kept = first.takeEager();
  first.listener = undefined;
  first.near = undefined;
  first.reset();
  const second = bench.session.open(CONNECT);
  if (second === undefined) return t.fail();
  bench.listen(second);
  second.join(near);
  second.sendAgain(kept);
  second.onNear();
  bench.say(headers(3, [[':status', '200']]), windowUpdate(3, 10_000));
  const again = bench.seen().filter(({ type, streamId }) => type === 'DATA' && streamId === 3);
  t.true(Buffer.concat(again.map(({ payload }) => payload)).equals(said));
  t.is(again[0]?.payload.length, 3000);
});

test('both ends end a stream, in either order, and its application is closed in order', (t) => {
  for (const first of ['peer', 'application'] as const) {
    using bench = SessionBench.server();
    const opened = bench.open();
    const both = [() => bench.say(data(1, 'last', END_STREAM)), () => bench.nearSays(opened, undefined)];
    for (const end of first === 'peer' ? both : both.toReversed()) end();
    t.deepEqual(bench.ends.get(1), { kind: 'complete' });
    t.is(opened.near.closed, 'orderly');
    t.is(opened.near.got.toString(), 'last');
    t.deepEqual(bench.told(), ['DATA 1 0 END']);
  }
});

test('a stream whose bytes all came is kept for an application that reads late, past a reset and the end of the connection', (t) => {
  for (const [what, end] of [['NO_ERROR', (bench: SessionBench) => bench.say(reset(1, ERROR_CODE.NO_ERROR))], ['the end', (bench: SessionBench) => bench.end()]] as const) {
    using bench = SessionBench.client();
    const opened = bench.open();
    opened.near.takes = false;
    bench.nearSays(opened, undefined);
    bench.say(data(1, 'all of it', END_STREAM));
    end(bench);
    bench.run();
    t.is(opened.near.closed, undefined, what);
    opened.near.queued = 0;
    opened.stream.onNear();
    t.is(opened.near.closed, 'orderly', what);
    t.deepEqual(bench.ends.get(1), { kind: 'complete' });
  }
});

for (const [code, end] of [[ERROR_CODE.CANCEL, { kind: 'peer-reset', code: 8 }], [ERROR_CODE.NO_ERROR, { kind: 'peer-reset', code: 0 }], [ERROR_CODE.REFUSED_STREAM, { kind: 'refused' }]] as const) {
  test(`a peer's reset with code ${code} is no ordinary end`, (t) => {
    using bench = SessionBench.client();
    const { near } = bench.open();
    bench.say(data(1, 'half'), reset(1, code));
    t.deepEqual(bench.ends.get(1), end);
    t.is(near.closed, 'reset');
    t.deepEqual(bench.told(), []);
  });
}

test('an application that fails resets its stream alone', (t) => {
  using bench = SessionBench.server();
  const [a, b] = [bench.open(1), bench.open(3)];
  a.near.hasFailed = true;
  a.stream.onNear();
  bench.run();
  t.deepEqual(bench.told(), ['RST_STREAM 1 CANCEL']);
  t.is(b.near.closed, undefined);
});

test('what comes for a stream that was reset a short time ago is dropped', (t) => {
  using bench = SessionBench.server();
  const { stream } = bench.open();
  stream.reset();
  bench.run();
  bench.seen();
  bench.say(data(1, 'late'), headers(1, [['x-late', 'yes']], END_HEADERS | END_STREAM), reset(1), windowUpdate(1, 5));
  t.deepEqual(bench.told(), []);
  t.is(bench.closed, undefined);
});

test('data after the end of a stream, and trailers that do not end it, are errors of the stream', (t) => {
  using bench = SessionBench.server();
  bench.open(1);
  bench.say(data(1, 'x', END_STREAM), data(1, 'y'));
  t.deepEqual(bench.told(), ['RST_STREAM 1 STREAM_CLOSED']);
  bench.open(3);
  bench.say(headers(3, [['x-checksum', '1']]));
  t.deepEqual(bench.told(), ['RST_STREAM 3 PROTOCOL_ERROR']);
  const { near } = bench.open(5);
  bench.say(headers(5, [['x-checksum', '1']], END_HEADERS | END_STREAM));
  t.true(near.gotEnd, 'trailers are an end');
});

test('interim answers are passed over; one that ends the stream, or none, is malformed', (t) => {
  using bench = SessionBench.client();
  const open = (): number => {
    const stream = bench.session.open(CONNECT);
    if (stream !== undefined) bench.listen(stream);
    bench.run();
    bench.seen();
    return stream?.id ?? 0;
  };
  const good = open();
  bench.say(headers(good, [[':status', '103']]), headers(good, [[':status', '200']]));
  t.deepEqual(bench.heads.map(({ status }) => status), [200]);
  for (const fields of [[[':status', '20']], [[':status', '200'], [':path', '/']], [['x', 'y']], [[':status', '200'], ['Upper', 'x']]] as const) {
    const id = open();
    bench.say(headers(id, fields));
    t.deepEqual(bench.told(), [`RST_STREAM ${id} PROTOCOL_ERROR`]);
  }
  const id = open();
  bench.say(headers(id, [[':status', '100']], END_HEADERS | END_STREAM));
  t.deepEqual(bench.told(), [`RST_STREAM ${id} PROTOCOL_ERROR`]);
});

test('a request that is malformed is reset, and one that is too long is answered with 431', (t) => {
  using bench = SessionBench.server();
  bench.say(headers(1, [[':method', 'CONNECT'], [':authority', 'a:1'], [':path', '/']]));
  t.deepEqual(bench.told(), ['RST_STREAM 1 PROTOCOL_ERROR']);
  const long = headers(3, [...CONNECT, ...Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'y'] as const)]);
  bench.say(long);
  const [answer, after] = bench.seen();
  const fields = new HpackDecoder({ maxTableBytes: 0, maxListBytes: 1000, maxFields: 10 }).decode(answer?.payload ?? Buffer.alloc(0));
  t.deepEqual(fields.ok && fields.value, [[':status', '431']]);
  t.deepEqual([answer?.flags, after?.type], [END_HEADERS | END_STREAM, 'RST_STREAM']);
  t.is(bench.requests.length, 0);
});

test('streams beyond the bound are refused, and may come once there is room', (t) => {
  using bench = SessionBench.server();
  const ids = Array.from({ length: MAX_STREAMS }, (_, i) => 2 * i + 1);
  for (const id of ids) bench.say(headers(id, CONNECT));
  bench.say(headers(2 * MAX_STREAMS + 1, CONNECT));
  t.deepEqual(bench.told(), [`RST_STREAM ${2 * MAX_STREAMS + 1} REFUSED_STREAM`]);
  bench.say(reset(1), headers(2 * MAX_STREAMS + 3, CONNECT));
  t.deepEqual(bench.told(), []);
  t.is(bench.session.streams.size, MAX_STREAMS);
});

// -- CONTINUATION, PING, settings, unknown frames

test('a header block in several frames is one', (t) => {
  using bench = SessionBench.server();
  const block = headers(1, CONNECT).subarray(9);
  bench.say(frame(FRAME_TYPE.HEADERS, END_STREAM, 1, block.subarray(0, 3)), frame(FRAME_TYPE.CONTINUATION, 0, 1, block.subarray(3, 5)), frame(FRAME_TYPE.CONTINUATION, END_HEADERS, 1, block.subarray(5)));
  t.is(bench.requests.length, 1);
  t.true(bench.requests[0]?.request.ok);
  t.true(bench.requests[0]?.stream.remoteEnded);
});

for (const [what, between] of [['DATA', data(1, 'x')], ['PING', ping('12345678')], ['an unknown frame', frame(0x77 as never, 0, 0)], ['CONTINUATION of another stream', frame(FRAME_TYPE.CONTINUATION, END_HEADERS, 5)], ['HEADERS', headers(3, CONNECT)]] as const) {
  test(`${what} inside a header block ends the connection`, (t) => {
    using bench = SessionBench.server();
    bench.open(1);
    bench.say(frame(FRAME_TYPE.HEADERS, 0, 3, headers(3, CONNECT).subarray(9, 12)), between);
    t.deepEqual(bench.told(), ['GOAWAY 1 PROTOCOL_ERROR']);
  });
}

test('PING and SETTINGS are acknowledged, unknown frames and settings passed over', (t) => {
  using bench = SessionBench.server();
  bench.say(frame(0x77 as never, 0xff, 5, Buffer.alloc(100)), settings([0x99 as never, 7]), ping('12345678'));
  const [acknowledged, ponged] = bench.seen();
  t.deepEqual([acknowledged?.type, acknowledged?.flags, acknowledged?.payload.length], ['SETTINGS', ACK, 0]);
  t.deepEqual([ponged?.type, ponged?.flags, ponged?.payload.toString()], ['PING', ACK, '12345678']);
});

test('a ping of ours is told apart from the one of a drain', (t) => {
  using bench = SessionBench.server();
  bench.session.ping();
  bench.run();
  const [sent] = bench.seen();
  bench.say(ping(sent?.payload.toString() ?? '', ACK));
  t.is(bench.closed, undefined);
  t.true(bench.session.hasHeard);
});

// -- GOAWAY

test('a server drains in two phases: what the client began before it knew is still taken', (t) => {
  using bench = SessionBench.server();
  bench.open(1);
  bench.session.drain();
  bench.run();
  const [first, asked] = bench.seen();
  t.is(first?.payload.readUInt32BE(0), LAST);
  const late = bench.open(3);
  t.is(late.near.closed, undefined);
  bench.say(ping(asked?.payload.toString() ?? '', ACK));
  t.deepEqual(bench.told(), ['GOAWAY 3 NO_ERROR']);
  bench.say(headers(5, CONNECT));
  t.deepEqual(bench.told(), ['RST_STREAM 5 REFUSED_STREAM']);
  bench.say(reset(1), reset(3));
  t.deepEqual(bench.closed, { failure: undefined });
  t.true(bench.channel.hasEnded);
});

test('a server without streams waits for the client to know before it ends', (t) => {
  using bench = SessionBench.server();
  bench.session.drain();
  bench.run();
  t.is(bench.closed, undefined);
  const asked = bench.seen().at(-1)?.payload.toString() ?? '';
  bench.say(ping(asked, ACK));
  t.deepEqual(bench.told(), ['GOAWAY 0 NO_ERROR']);
  t.deepEqual(bench.closed, { failure: undefined });
});

test('a client that is told to go elsewhere finishes its streams, opens no more, and gives those back that were not taken', (t) => {
  using bench = SessionBench.client();
  const [a, b] = [bench.open(), bench.session.open(CONNECT)];
  if (b === undefined) return t.fail();
  bench.listen(b);
  bench.say(goaway(LAST));
  t.is(bench.session.open(CONNECT), undefined);
  bench.say(goaway(1));
  t.deepEqual(bench.ends.get(3), { kind: 'refused' });
  t.is(a.near.closed, undefined);
  bench.nearSays(a, undefined);
  bench.say(data(1, 'bye', END_STREAM));
  t.is(a.near.got.toString(), 'bye');
  t.deepEqual(bench.closed, { failure: undefined });
});

test('a peer that gives up with an error takes its streams with it', (t) => {
  using bench = SessionBench.client();
  const { near } = bench.open();
  bench.say(goaway(1, ERROR_CODE.INTERNAL_ERROR));
  t.like(bench.closed, { failure: { reason: 'h2-goaway' } });
  t.deepEqual(bench.ends.get(1), { kind: 'connection-lost' });
  t.is(near.closed, 'reset');
});

test('a connection that ends with streams open is a failure, without streams it is none', (t) => {
  using open = SessionBench.client();
  const { near } = open.open();
  open.end();
  t.is(open.closed?.failure?.reason, 'closed');
  t.is(near.closed, 'reset');
  using idle = SessionBench.client();
  idle.channel.failure = { reason: 'closed', text: 'no close_notify' };
  idle.session.onChannel();
  t.deepEqual(idle.closed, { failure: undefined });
});

test('frames that a peer may not send end the connection', (t) => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['PUSH_PROMISE', frame(FRAME_TYPE.PUSH_PROMISE, END_HEADERS, 1, uint32(2)), 'PROTOCOL_ERROR'],
    ['PING of 7 bytes', ping('1234567'), 'FRAME_SIZE_ERROR'],
    ['PING on a stream', frame(FRAME_TYPE.PING, 0, 1, Buffer.alloc(8)), 'PROTOCOL_ERROR'],
    ['SETTINGS of 5 bytes', frame(FRAME_TYPE.SETTINGS, 0, 0, Buffer.alloc(5)), 'FRAME_SIZE_ERROR'],
    ['SETTINGS on a stream', frame(FRAME_TYPE.SETTINGS, 0, 1), 'PROTOCOL_ERROR'],
    ['a window of settings beyond 2^31-1', settings([SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]), 'FLOW_CONTROL_ERROR'],
    ['WINDOW_UPDATE of 0', windowUpdate(0, 0), 'PROTOCOL_ERROR'],
    ['RST_STREAM of an idle stream', reset(9), 'PROTOCOL_ERROR'],
    ['DATA on an idle stream', data(9, 'x'), 'PROTOCOL_ERROR'],
    ['DATA on stream 0', data(0, 'x'), 'PROTOCOL_ERROR'],
    ['an even stream', headers(2, CONNECT), 'PROTOCOL_ERROR'],
    ['GOAWAY of 7 bytes', frame(FRAME_TYPE.GOAWAY, 0, 0, Buffer.alloc(7)), 'FRAME_SIZE_ERROR'],
    ['CONTINUATION of nothing', frame(FRAME_TYPE.CONTINUATION, END_HEADERS, 1), 'PROTOCOL_ERROR'],
    ['a frame beyond what was announced', frame(FRAME_TYPE.DATA, 0, 1, Buffer.alloc((1 << 20) + 1)), 'FRAME_SIZE_ERROR'],
    ['more padding than frame', frame(FRAME_TYPE.DATA, 8, 1, Buffer.from([5, 1, 2])), 'PROTOCOL_ERROR'],
  ];
  for (const [what, said, code] of cases) {
    using bench = SessionBench.server();
    bench.open(1);
    bench.say(said);
    t.deepEqual(bench.told(), [`GOAWAY 1 ${code}`], what);
    t.truthy(bench.closed?.failure, what);
    t.true(bench.channel.isClosed, what);
  }
});

test('settings that come twice are acknowledged twice, an acknowledgment is not', (t) => {
  using bench = SessionBench.server();
  bench.say(settings([SETTING.MAX_FRAME_SIZE, 20_000]), settings(), settingsAck);
  t.deepEqual(bench.told(), ['SETTINGS ACK', 'SETTINGS ACK']);
});
