/** An HTTP/2 session that goes on in another process does what one does that never moved. */
import test from 'ava';
import fc from 'fast-check';
import { FRAME_FLAG, FRAME_TYPE, type FrameType, SETTING } from '@landbridge/wire/http2-frames.ts';
import { encodeHeaders } from '@landbridge/wire/hpack.ts';
import { sessionFault } from '../hbone/http2-state.ts';
import { CONNECT, data, frame, goaway, ping, reset, SessionBench, settings, settingsAck, TestNear, windowUpdate } from '../hbone/test-session.ts';
import { carried, EXAMPLE_SESSION, EXAMPLE_STREAM, tunnelState } from './test-tunnel-state.ts';

const move = (bench: SessionBench): SessionBench =>
  bench.move((session, streams) => {
    const arrived = carried(tunnelState(undefined, session, streams));
    const states = arrived.streams.map(({ stream }) => stream);
    const fault = sessionFault(arrived.session, bench.session.isClient ? 'client' : 'server', states);
    if (fault !== undefined) throw new Error(fault);
    return { session: arrived.session, streams: states };
  });

const STREAMS = [1, 3, 5];
const streamId = fc.constantFrom(...STREAMS);
const content = fc.uint8Array({ maxLength: 60 });
const padded = (id: number, bytes: Uint8Array): Buffer => frame(FRAME_TYPE.DATA, FRAME_FLAG.PADDED, id, Buffer.concat([Buffer.from([4]), bytes, Buffer.alloc(4)]));
/** A request whose header block comes in three frames, with a field that the peer has put into its table. */
const split = (id: number): Buffer => {
  const block = Buffer.concat([encodeHeaders(CONNECT), Buffer.from([0x40, 1, 120, 1, 121])]);
  return Buffer.concat([frame(FRAME_TYPE.HEADERS, 0, id, block.subarray(0, 3)), frame(FRAME_TYPE.CONTINUATION, 0, id, block.subarray(3, 9)), frame(FRAME_TYPE.CONTINUATION, FRAME_FLAG.END_HEADERS, id, block.subarray(9))]);
};
const frames = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(streamId, content).map(([id, bytes]) => data(id, bytes)) },
  fc.tuple(streamId, content).map(([id, bytes]) => padded(id, bytes)),
  fc.tuple(streamId, fc.integer({ min: 1, max: 300 })).map(([id, more]) => windowUpdate(id, more)),
  fc.integer({ min: 1, max: 300 }).map((more) => windowUpdate(0, more)),
  fc.constant(ping('01234567')),
  fc.integer({ min: 0, max: 200 }).map((window) => settings([SETTING.INITIAL_WINDOW_SIZE, window])),
  fc.constant(goaway(0)),
  streamId.map((id) => reset(id)),
  fc.constant(frame(0x42 as FrameType, 7, 0, Buffer.from('of a type that nobody knows'))),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('arrives' as const), size: fc.integer({ min: 1, max: 90 }) }) },
  fc.record({ kind: fc.constant('said' as const), id: streamId, bytes: content }),
  fc.record({ kind: fc.constant('move' as const) }),
);

interface Seen {
  readonly got: readonly string[];
  readonly sent: Readonly<Record<number, string>>;
  readonly others: readonly string[];
  readonly ends: readonly (readonly [number, string])[];
  readonly isClosed: boolean;
}

function play(wire: Buffer, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[], mayMove: boolean): Seen {
  let bench = SessionBench.server([SETTING.INITIAL_WINDOW_SIZE, 50]);
  const nears = new Map(STREAMS.map((id) => [id, bench.open(id).near]));
  let at = 0;
  for (const each of [...steps, { kind: 'arrives' as const, size: wire.length }]) {
    const before = bench;
    if (each.kind === 'arrives') {
      if (at < wire.length && bench.closed === undefined) bench.say(wire.subarray(at, (at += each.size)));
    } else if (each.kind === 'said') {
      nears.get(each.id)?.said.push(Buffer.from(each.bytes));
      bench.session.streams.get(each.id)?.onNear();
      bench.run();
    } else if (mayMove && bench.session.isSettled) {
      bench = move(bench);
      before[Symbol.dispose]();
    }
    for (const { stream } of bench.requests) if (!stream.hasHead && !stream.isClosed) {
      nears.set(stream.id, new TestNear());
      stream.join(nears.get(stream.id) as TestNear);
      stream.respond([[':status', '200']], false);
      bench.run();
    }
  }
  const seen = bench.seen();
  const sent: Record<number, string> = {};
  for (const { type, streamId: id, payload } of seen) if (type === 'DATA') sent[id] = (sent[id] ?? '') + payload.toString('hex');
  using _over = bench;
  return {
    got: [...nears.values()].map(({ got }) => got.toString('hex')),
    sent,
    others: seen.filter(({ type }) => type !== 'DATA').map(({ type, flags, streamId: id, payload }) => `${type} ${flags} ${id} ${payload.toString('hex')}`),
    ends: [...bench.ends].map(([id, { kind }]) => [id, kind] as const).sort(([a], [b]) => a - b),
    isClosed: bench.closed !== undefined,
  };
}

test('whatever comes, cut at any place, and whenever it moves', (t) => {
  let moves = 0;
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 12 }), fc.array(step, { maxLength: 14 }), fc.boolean(), (said, steps, asksMore) => {
      const wire = Buffer.concat([...said.slice(0, 5), ...(asksMore ? [split(7)] : []), ...said.slice(5)]);
      moves += steps.filter(({ kind }) => kind === 'move').length;
      t.deepEqual(play(wire, steps, true), play(wire, steps, false));
    }),
    { numRuns: 150 },
  );
  t.true(moves > 50);
});

test('a move in the middle of everything: a header block, a drain, a PING, SETTINGS that are not acknowledged', (t) => {
  const request = split(3);
  for (let cut = 1; cut < request.length; cut++) {
    let bench = SessionBench.server();
    const { stream, near } = bench.open(1);
    bench.nearSays({ stream, near }, Buffer.from('hello'));
    bench.session.drain();
    bench.run();
    bench.say(request.subarray(0, cut));
    bench = move(bench);
    bench.say(request.subarray(cut), ping('lb-drain', FRAME_FLAG.ACK));
    t.is(bench.requests.length, 1);
    t.deepEqual(bench.told(), ['DATA 1 5', 'GOAWAY 2147483647 NO_ERROR', 'PING', 'GOAWAY 3 NO_ERROR'], `cut at ${cut}`);
  }
});

test('a frame under way moves whatever padding the one before it had', (t) => {
  const request = split(3);
  for (let cut = 1; cut < request.length; cut++) {
    let bench = SessionBench.server();
    bench.open(1);
    bench.say(padded(1, Buffer.from('padded')), request.subarray(0, cut));
    bench = move(bench);
    bench.say(request.subarray(cut));
    t.is(bench.requests.length, 1, `cut at ${cut}`);
  }
});

test('a client moves with its answers, settings and the id of its next stream', (t) => {
  let bench = SessionBench.client([SETTING.MAX_CONCURRENT_STREAMS, 2]);
  const { near } = bench.open();
  bench.say(settings([SETTING.MAX_FRAME_SIZE, 20_000]));
  bench = move(bench);
  bench.say(data(1, 'for the near side'));
  t.is(near.got.toString(), 'for the near side');
  t.is(bench.session.open(CONNECT)?.id, 3);
  t.false(bench.session.hasRoom);
  bench.say(settingsAck, goaway(1));
  t.deepEqual(bench.ends.get(3), undefined);
  t.true(bench.session.isDraining);
});

test('a state that does not add up is refused', (t) => {
  const faultOf = (over: Partial<typeof EXAMPLE_SESSION>, stream: Partial<typeof EXAMPLE_STREAM> = {}): string | undefined => sessionFault({ ...EXAMPLE_SESSION, ...over }, 'server', [{ ...EXAMPLE_STREAM, ...stream }]);
  t.is(faultOf({}), undefined);
  t.regex(faultOf({ lastPeerId: 5 }) ?? '', /stream 7/);
  t.regex(faultOf({}, { id: 6 }) ?? '', /stream 6/);
  t.regex(faultOf({}, { receiveWindow: 2 ** 30 }) ?? '', /window of stream/);
  t.regex(faultOf({ receiveWindow: 2 ** 30 }) ?? '', /connection window/);
  t.regex(faultOf({ staged: Buffer.alloc(400_000) }) ?? '', /staged/);
  t.regex(faultOf({ reader: { header: Buffer.alloc(9), frame: undefined } }) ?? '', /header that is whole/);
  t.regex(faultOf({ reader: { header: Buffer.alloc(0), frame: { length: 10, type: 1, flags: 0, streamId: 1, left: 3, padding: 0, collected: Buffer.alloc(3) } } }) ?? '', /add up/);
});
