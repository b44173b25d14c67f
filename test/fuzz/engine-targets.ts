/** What a peer of a tunnel sends once it has proven who it is, as a whole: frames cut from bytes, and a session that acts on them. */
import { SessionBench, TestNear } from '@landbridge/agent/hbone/test-session.ts';
import { openAll, recordPair, type Suite, TYPE } from '@landbridge/agent/hbone/test-records.ts';
import { encodeHeaders } from '@landbridge/wire/hpack.ts';
import { CLIENT_PREFACE, FRAME_FLAG, FRAME_HEADER_BYTES, FRAME_TYPE, type FrameType, SETTING, writeFrameHeader, writeSettings } from '@landbridge/wire/http2-frames.ts';
import { expect, type FuzzTarget, hex, joinParts, splitParts } from './fuzz-target.ts';

function frame(type: FrameType, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

const block = (...fields: readonly (readonly [string, string])[]): Uint8Array => Uint8Array.of(0x20, ...encodeHeaders(fields));
const settings = new Uint8Array(FRAME_HEADER_BYTES + 6);
writeSettings(settings, 0, [[SETTING.INITIAL_WINDOW_SIZE, 20]]);
const ACKNOWLEDGED = frame(FRAME_TYPE.SETTINGS, FRAME_FLAG.ACK, 0);
const END = FRAME_FLAG.END_HEADERS;
const REQUEST = frame(FRAME_TYPE.HEADERS, END, 1, block([':method', 'CONNECT'], [':authority', '10.0.0.1:80']));
const OK = frame(FRAME_TYPE.HEADERS, END, 1, block([':status', '200']));
const DATA = frame(FRAME_TYPE.DATA, 0, 1, Uint8Array.of(1, 2, 3));
const LAST = frame(FRAME_TYPE.DATA, FRAME_FLAG.END_STREAM, 1);
const DICTIONARY = ['000000', '00000800000000', '000004080000000000', '000004030000000001', '000006040000000000', '00000807', '0009', '20', '82', '7fffffff', '80000000'].map(hex);

/** A session never throws, ends at most once, and has told its streams of their end when it is over. */
function checkSession(role: 'client' | 'server', input: Uint8Array): void {
  using bench = role === 'client' ? SessionBench.client() : new SessionBench('server');
  for (let i = 0; role === 'client' && i < 2; i++) {
    const stream = bench.session.open([[':method', 'CONNECT'], [':authority', '10.0.0.1:80']]);
    if (stream === undefined) continue;
    bench.listen(stream);
    const near = new TestNear();
    stream.join(near);
    bench.nearSays({ stream, near }, new Uint8Array(100));
  }
  const opened = bench.session.streams.size;
  for (const part of splitParts(input)) {
    if (bench.closed !== undefined) break;
    bench.say(Buffer.from(part));
    // Whoever is asked answers, and what it may say is said.
    for (const { stream } of bench.requests) if (!stream.hasHead && !stream.isClosed) stream.respond([[':status', '200']], false);
    bench.run();
    expect(bench.session.streams.size <= opened + bench.requests.length, 'a stream of nobody');
  }
  for (const { sendWindow, receiveWindow } of bench.session.streams.values()) expect(sendWindow <= 2 ** 31 - 1 && receiveWindow >= 0, 'window out of range');
  expect(bench.budget.grownWindows >= 0, 'more windows given back than were taken');
  if (bench.closed === undefined) return;
  expect(bench.channel.isClosed && bench.session.streams.size === 0, 'something is left of what is over');
  expect((bench.closed.failure?.text.length ?? 0) < 600, 'reason is too long');
}

const serverSession: FuzzTarget = {
  name: 'http2-server-session',
  examples: [joinParts([Uint8Array.from(CLIENT_PREFACE), settings, ACKNOWLEDGED, REQUEST, DATA, LAST]), joinParts([Uint8Array.from([...CLIENT_PREFACE, ...settings, ...REQUEST, ...DATA]), frame(FRAME_TYPE.RST_STREAM, 0, 1, hex('00000008')), frame(FRAME_TYPE.GOAWAY, 0, 0, hex('0000000000000000'))])],
  dictionary: DICTIONARY,
  check: (input) => checkSession('server', input),
};

const clientSession: FuzzTarget = {
  name: 'http2-client-session',
  examples: [joinParts([settings, ACKNOWLEDGED, OK, DATA, LAST]), joinParts([Uint8Array.from([...settings, ...OK]), frame(FRAME_TYPE.WINDOW_UPDATE, 0, 1, hex('00001000')), frame(FRAME_TYPE.GOAWAY, 0, 0, hex('0000000100000000')), frame(FRAME_TYPE.PING, 0, 0, new Uint8Array(8))])],
  dictionary: DICTIONARY,
  check: (input) => checkSession('client', input),
};

/** Contents that a peer seals itself, each with its type: what a record layer does with them. */
const tlsRecords: FuzzTarget = {
  name: 'tls-records',
  examples: [joinParts([Uint8Array.of(TYPE.data, 1, 2, 3), Uint8Array.of(TYPE.handshake, 24, 0, 0, 1, 1), Uint8Array.of(TYPE.data, 4), Uint8Array.of(TYPE.alert, 1, 0)]), joinParts([Uint8Array.of(TYPE.handshake, 24, 0), Uint8Array.of(TYPE.handshake, 0, 1, 0)])],
  dictionary: ['17', '16', '15', '14', '00', '1800000100', '1800000101', '0100', '0228', '04000000'].map(hex),
  check: (input) => {
    // A record says its length in two bytes.
    const parts = splitParts(input).map((part) => part.subarray(0, 20_000));
    const suite: Suite = parts.length % 2 === 0 ? 'TLS_AES_128_GCM_SHA256' : 'TLS_AES_256_GCM_SHA384';
    const { records, peer } = recordPair(suite, parts.length % 3 === 0 ? 'server' : 'client', 3);
    let data = 0;
    const sealed = parts.map((part) => {
      // Zeroes at the end are padding, before which the type is.
      const inner = [...part.subarray(1), part[0] ?? 0];
      const last = inner.findLastIndex((byte) => byte !== 0);
      if (inner[last] === TYPE.data) data += last;
      return peer.seal(part.subarray(1), part[0] ?? 0);
    });
    const opened = openAll(records, Buffer.concat(sealed), [5, 30, 31, 60]);
    expect(opened.length <= data, 'more than was sealed');
    if (records.fault === undefined && !records.hasEnded) expect(opened.length === data, 'data is lost');
    records[Symbol.dispose]();
  },
};

export const ENGINE_TARGETS: readonly FuzzTarget[] = [serverSession, clientSession, tlsRecords];
