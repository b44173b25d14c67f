import { connect } from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import { startApplication, echo } from '../agents/applications.ts';
import { eventually } from '../agents/eventually.ts';
import { CODE, connectTo, data, fields, FLAG, frame, headers, literal, ping, PREFACE, reset, setting, settings, TYPE, uint32, windowUpdate } from './frames.ts';
import { Victim } from './victim.ts';

/** A connection that broke a rule is gone within this time. */
const AT_ONCE_MS = 1000;

interface Wrong {
  readonly title: string;
  readonly bytes: (authority: string) => readonly Uint8Array[];
  readonly reason: string;
  readonly goaway: number;
}

const wrong = (title: string, reason: string, goaway: number, ...bytes: readonly Uint8Array[]): Wrong => ({ title, bytes: () => bytes, reason, goaway });
/** After the request for stream 1. */
const onStream = (title: string, reason: string, goaway: number, ...bytes: readonly Uint8Array[]): Wrong => ({ title, bytes: (authority) => [connectTo(1, authority), ...bytes], reason, goaway });

const ZEROES = Buffer.alloc(64);
const PROTOCOL = ['h2-protocol', CODE.protocol] as const;
const SIZE = ['h2-frame-size', CODE.frameSize] as const;
const COMPRESSION = ['h2-compression', CODE.compression] as const;
const FLOW = ['h2-flow-control', CODE.flowControl] as const;
const FLOOD = ['h2-flood', CODE.calm] as const;

/** What ends the connection, once it has begun well. */
const WRONG: readonly Wrong[] = [
  wrong('SETTINGS of 5 bytes', ...SIZE, frame(TYPE.settings, 0, 0, ZEROES.subarray(0, 5))),
  wrong('SETTINGS on a stream', ...PROTOCOL, frame(TYPE.settings, 0, 1)),
  wrong('SETTINGS with ACK and content', ...SIZE, frame(TYPE.settings, FLAG.ack, 0, setting(3, 1))),
  wrong('a window of 2^31', ...FLOW, settings([4, 2 ** 31])),
  wrong('frames of at most 100 bytes', ...PROTOCOL, settings([5, 100])),
  wrong('ENABLE_PUSH of 2', ...PROTOCOL, settings([2, 2])),
  wrong('PING of 7 bytes', ...SIZE, frame(TYPE.ping, 0, 0, ZEROES.subarray(0, 7))),
  wrong('PING on a stream', ...PROTOCOL, frame(TYPE.ping, 0, 1, ZEROES.subarray(0, 8))),
  wrong('GOAWAY of 7 bytes', ...SIZE, frame(TYPE.goaway, 0, 0, ZEROES.subarray(0, 7))),
  wrong('GOAWAY on a stream', ...PROTOCOL, frame(TYPE.goaway, 0, 1, ZEROES.subarray(0, 8))),
  wrong('PUSH_PROMISE', ...PROTOCOL, frame(TYPE.pushPromise, FLAG.endHeaders, 1, ZEROES.subarray(0, 8))),
  wrong('RST_STREAM of a stream that never was', ...PROTOCOL, reset(1)),
  wrong('RST_STREAM of stream 0', ...PROTOCOL, reset(0)),
  onStream('RST_STREAM of 3 bytes', ...SIZE, frame(TYPE.rstStream, 0, 1, ZEROES.subarray(0, 3))),
  wrong('WINDOW_UPDATE of 3 bytes', ...SIZE, frame(TYPE.windowUpdate, 0, 0, ZEROES.subarray(0, 3))),
  wrong('WINDOW_UPDATE of nothing', ...PROTOCOL, windowUpdate(0, 0)),
  wrong('WINDOW_UPDATE beyond 2^31-1', ...FLOW, windowUpdate(0, 2 ** 31 - 1)),
  wrong('WINDOW_UPDATE of a stream that never was', ...PROTOCOL, windowUpdate(1, 1)),
  wrong('DATA on stream 0', ...PROTOCOL, data(0, 'x')),
  wrong('DATA on a stream that never was', ...PROTOCOL, data(1, 'x')),
  onStream('DATA with more padding than frame', ...PROTOCOL, data(1, Buffer.from([9, 1, 2]), FLAG.padded)),
  onStream('DATA with padding and without its length', ...SIZE, data(1, Buffer.alloc(0), FLAG.padded)),
  wrong('a frame of 16 MiB', ...SIZE, frame(TYPE.data, 0, 1, Buffer.alloc(0), 0xffffff)),
  wrong('HEADERS on stream 0', ...PROTOCOL, headers(0, fields({ ':method': 'CONNECT' }))),
  wrong('HEADERS on an even stream', ...PROTOCOL, headers(2, fields({ ':method': 'CONNECT' }))),
  wrong('HEADERS with more padding than frame', ...PROTOCOL, headers(1, Buffer.from([200, 1, 2]), FLAG.endHeaders | FLAG.padded)),
  wrong('HEADERS too short for its priority', ...SIZE, headers(1, ZEROES.subarray(0, 3), FLAG.endHeaders | FLAG.priority)),
  wrong('a stream that depends on itself', ...PROTOCOL, headers(1, Buffer.concat([uint32(1), ZEROES.subarray(0, 1), fields({ ':method': 'CONNECT' })]), FLAG.endHeaders | FLAG.priority)),
  { title: 'a stream whose number goes back', bytes: (authority) => [connectTo(5, authority), connectTo(3, authority)], reason: 'h2-protocol', goaway: CODE.streamClosed },
  wrong('CONTINUATION of nothing', ...PROTOCOL, frame(TYPE.continuation, FLAG.endHeaders, 1, fields({ ':method': 'CONNECT' }))),
  wrong('CONTINUATION of another stream', ...PROTOCOL, headers(1, fields({ ':method': 'CONNECT' }), 0), frame(TYPE.continuation, FLAG.endHeaders, 3, ZEROES.subarray(0, 1))),
  wrong('PING inside a header block', ...PROTOCOL, headers(1, fields({ ':method': 'CONNECT' }), 0), ping()),
  wrong('DATA inside a header block', ...PROTOCOL, headers(1, fields({ ':method': 'CONNECT' }), 0), data(1, 'x')),
  wrong('an unknown frame inside a header block', ...PROTOCOL, headers(1, fields({ ':method': 'CONNECT' }), 0), frame(0x77, 0, 0, ZEROES)),
  wrong('PRIORITY on stream 0', ...PROTOCOL, frame(TYPE.priority, 0, 0, ZEROES.subarray(0, 5))),
  wrong('PRIORITY of 4 bytes', ...SIZE, frame(TYPE.priority, 0, 1, ZEROES.subarray(0, 4))),
  wrong('index 0', ...COMPRESSION, headers(1, Buffer.from([0x80]))),
  wrong('an index past the table', ...COMPRESSION, headers(1, Buffer.from([0xff, 0x90, 0x01]))),
  wrong('an integer that does not end', ...COMPRESSION, headers(1, Buffer.alloc(20, 0xff))),
  wrong('a string longer than its block', ...COMPRESSION, headers(1, Buffer.from([0, 100, 1, 2]))),
  wrong('a Huffman code that is none', ...COMPRESSION, headers(1, Buffer.from([0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]))),
  wrong('a table of 64 KiB', ...COMPRESSION, headers(1, Buffer.from([0x3f, 0xe1, 0xff, 0x03]))),
  wrong('header blocks beyond any use', ...FLOOD, headers(1, literal('a', 'b'), 0), ...Array.from({ length: 6 }, () => frame(TYPE.continuation, 0, 1, Buffer.alloc(16_000, 0x20)))),
];

test.serial('each frame that breaks a rule of the connection ends it at once, with its code and its reason', async (t) => {
  await using app = await startApplication(echo);
  const victim = await Victim.start(t);
  await victim.under(t, `${WRONG.length} malformed frames`, async () => {
    for (const { title, bytes, reason, goaway } of WRONG) {
      const before = (await victim.failures())[reason] ?? 0;
      const peer = await victim.connect();
      peer.write(...bytes(`127.0.0.1:${app.port}`));
      const end = await peer.closed;
      t.is(end.goaway, goaway, title);
      t.true(end.afterMs < AT_ONCE_MS, title);
      peer.destroy();
      t.is((await eventually(async () => await victim.failures(), (failures) => (failures[reason] ?? 0) > before, 2000))[reason], before + 1, title);
    }
  });
  await eventually(() => app.sockets.size, (size) => size === 0, 5000);
});

/** What ends a stream: RST_STREAM with this code, and the connection goes on. */
const STREAM_ERRORS: readonly { readonly title: string; readonly bytes: (authority: string) => readonly Uint8Array[]; readonly code: number }[] = [
  { title: 'WINDOW_UPDATE of nothing', bytes: (to) => [connectTo(1, to), windowUpdate(1, 0)], code: CODE.protocol },
  { title: 'WINDOW_UPDATE beyond 2^31-1', bytes: (to) => [connectTo(1, to), windowUpdate(1, 2 ** 31 - 1)], code: CODE.flowControl },
  { title: 'DATA beyond the window of the stream', bytes: () => [connectTo(1, '192.0.2.1:80'), ...Array.from({ length: 18 }, () => data(1, Buffer.alloc(16_384)))], code: CODE.flowControl },
  { title: 'DATA after the end', bytes: (to) => [connectTo(1, to), data(1, 'x', FLAG.endStream), data(1, 'y')], code: CODE.streamClosed },
  { title: 'trailers that end nothing', bytes: (to) => [connectTo(1, to), headers(1, fields({ a: 'b' }))], code: CODE.protocol },
  { title: 'CONNECT with :path', bytes: (to) => [headers(1, fields({ ':method': 'CONNECT', ':authority': to, ':path': '/' }))], code: CODE.protocol },
  { title: 'CONNECT without :authority', bytes: () => [headers(1, fields({ ':method': 'CONNECT' }))], code: CODE.protocol },
  { title: 'a name in capitals', bytes: (to) => [connectTo(1, to, { Baggage: 'x' })], code: CODE.protocol },
  { title: 'a value with a line feed', bytes: (to) => [connectTo(1, to, { baggage: 'a\nb' })], code: CODE.protocol },
  { title: 'connection: close', bytes: (to) => [connectTo(1, to, { connection: 'close' })], code: CODE.protocol },
];

test.serial('each frame that breaks a rule of a stream ends the stream alone', async (t) => {
  await using app = await startApplication(echo);
  const victim = await Victim.start(t);
  await victim.under(t, `${STREAM_ERRORS.length} malformed streams`, async () => {
    for (const { title, bytes, code } of STREAM_ERRORS) {
      const peer = await victim.connect();
      peer.write(...bytes(`127.0.0.1:${app.port}`));
      t.is((await peer.frame(TYPE.rstStream, 1)).payload.readUInt32BE(0), code, title);
      peer.write(ping(), connectTo(3, `127.0.0.1:${app.port}`));
      await peer.frame(TYPE.headers, 3);
      peer.destroy();
    }
  });
});

test.serial('what is not HTTP/2 after the handshake is refused, at once or after ten seconds', async (t) => {
  const victim = await Victim.start(t);
  for (const bytes of ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', Buffer.concat([PREFACE, ping()]), Buffer.concat([PREFACE, frame(TYPE.settings, FLAG.ack, 0)])]) {
    const peer = await victim.connect({ greets: false });
    peer.write(Buffer.from(bytes));
    t.true((await peer.closed).afterMs < AT_ONCE_MS);
  }
  const silent = await victim.connect({ greets: false });
  const slow = await victim.connect({ greets: false });
  slow.write(PREFACE.subarray(0, 10));
  for (const peer of [silent, slow]) {
    const { afterMs } = await peer.closed;
    t.true(afterMs > 9000 && afterMs < 12_000, `${afterMs}`);
  }
  t.deepEqual(await victim.failures(), { 'h2-preface': 5 });
});

test.serial('what is not TLS is refused at once, and each way has its reason', async (t) => {
  const victim = await Victim.start(t);
  const hello = Buffer.concat([Buffer.from([22, 3, 1, 0, 10, 1, 0, 0, 200]), ZEROES.subarray(0, 6)]);
  const rows: readonly (readonly [title: string, bytes: Buffer, reason: string])[] = [
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'tls-not-tls'],
    ['noise', Buffer.from([0xff, 0xfe, 1, 2, 3]), 'tls-not-tls'],
    ['a hello of SSL 2', Buffer.from([0x80, 0x2e, 1, 0, 2]), 'tls-not-tls'],
    ['a record of 64 KiB', Buffer.from([22, 3, 1, 0xff, 0xff]), 'tls-record-overflow'],
    ['application data before any handshake', Buffer.from([23, 3, 3, 0, 1, 0]), 'tls-protocol'],
    ['an alert before any handshake', Buffer.from([21, 3, 3, 0, 2, 2, 40]), 'tls-protocol'],
    ['a hello of zeroes', Buffer.from([22, 3, 1, 0, 8, 1, 0, 0, 4, 0, 0, 0, 0]), 'tls-protocol'],
  ];
  await victim.under(t, 'garbage', async () => {
    for (const [title, bytes, reason] of rows) {
      const before = await victim.failures();
      const socket = connect(victim.port, '127.0.0.1');
      socket.on('error', () => {});
      const sinceMs = performance.now();
      socket.write(bytes);
      socket.resume();
      await once(socket, 'close');
      t.true(performance.now() - sinceMs < AT_ONCE_MS, title);
      const after = await eventually(async () => await victim.failures(), (failures) => JSON.stringify(failures) !== JSON.stringify(before), 2000);
      t.is(after[reason], (before[reason] ?? 0) + 1, `${title}: ${JSON.stringify(after)}`);
    }
    // Cut off at each place, by an end and by a reset.
    for (let size = 1; size < hello.length; size += 3) {
      for (const how of ['end', 'resetAndDestroy'] as const) {
        const socket = connect(victim.port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        socket.write(hello.subarray(0, size));
        socket.resume()[how]();
        await once(socket, 'close');
      }
    }
  });
  const failures = await eventually(async () => await victim.failures(), (found) => found['tls-truncated'] === 5 && found['reset'] === 5, 5000);
  t.is(failures['tls-truncated'], 5);
});
