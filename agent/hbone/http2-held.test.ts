/** What applications that do not read may hold in memory, and who pays for it. */
import test, { type ExecutionContext } from 'ava';
import { CONNECTION_WINDOW, FIRST_STREAM_WINDOW, HELD_PER_CONNECTION, HELD_PER_THREAD, LEAST_STREAM_WINDOW } from './http2-limits.ts';
import { data, SessionBench, type TestNear } from './test-session.ts';

const CHUNK = Buffer.alloc(16 * 1024);
/** As many streams as it takes to hold more than a connection may. */
const STREAMS = HELD_PER_CONNECTION / FIRST_STREAM_WINDOW + 20;

interface Deaf {
  readonly bench: SessionBench;
  readonly nears: readonly TestNear[];
}

function deafStreams(t: ExecutionContext, count: number): Deaf {
  const bench = SessionBench.server();
  t.teardown(() => bench[Symbol.dispose]());
  const nears = Array.from({ length: count }, (_, i) => {
    const { near } = bench.open(2 * i + 1);
    near.takes = false;
    return near;
  });
  return { bench, nears };
}

function fill({ bench, nears }: Deaf): void {
  for (const i of nears.keys()) for (let size = 0; size < FIRST_STREAM_WINDOW; size += CHUNK.length) bench.say(data(2 * i + 1, CHUNK));
}

const credits = (bench: SessionBench): string[] => bench.told().filter((text) => text.startsWith('WINDOW_UPDATE 0 '));

test('beyond what a connection may hold its window is not given back until applications take something', (t) => {
  const deaf = deafStreams(t, STREAMS);
  fill(deaf);
  const { bench, nears } = deaf;
  t.is(bench.budget.held, STREAMS * FIRST_STREAM_WINDOW);
  const given = credits(bench).reduce((sum, text) => sum + Number(text.split(' ')[2]), 0);
  t.true(given <= HELD_PER_CONNECTION + CONNECTION_WINDOW / 4, `${given}`);
  for (const [i, near] of nears.entries()) {
    near.queued = 0;
    (bench.requests[i] as { stream: { onNear(): void } }).stream.onNear();
  }
  bench.run();
  t.is(bench.budget.held, 0);
  t.true(credits(bench).length > 0);
});

test('what a stream held is given back with it, however it ends', (t) => {
  const deaf = deafStreams(t, 3);
  fill(deaf);
  const { bench } = deaf;
  t.is(bench.budget.held, 3 * FIRST_STREAM_WINDOW);
  bench.requests[0]?.stream.reset();
  t.is(bench.budget.held, 2 * FIRST_STREAM_WINDOW);
  bench.session.abort({ reason: 'drained', text: 'over' });
  t.is(bench.budget.held, 0);
});

test('while much waits in a thread, windows shrink instead of growing', (t) => {
  using bench = SessionBench.server();
  const { stream, near } = bench.open();
  bench.budget.held = HELD_PER_THREAD.much + 1;
  let target = stream.windowTarget;
  for (let i = 0; i < 6; i++) {
    near.takes = false;
    for (let size = stream.receiveWindow; size > 0; size -= CHUNK.length) bench.say(data(1, CHUNK.subarray(0, Math.min(size, CHUNK.length))));
    near.queued = 0;
    stream.onNear();
    bench.run();
    t.true(stream.windowTarget <= target && stream.windowTarget >= LEAST_STREAM_WINDOW);
    target = stream.windowTarget;
    t.is(stream.receiveWindow, target);
  }
  t.is(target, LEAST_STREAM_WINDOW);
  bench.budget.held = 0;
  bench.say(...Array.from({ length: 4 }, () => data(1, CHUNK)));
  near.queued = 0;
  stream.onNear();
  t.true(stream.windowTarget > LEAST_STREAM_WINDOW, 'and grow again');
  t.is(bench.budget.grownWindows, 0, 'what is less than the first window is no growth');
});

test('where too much waits in a thread, streams whose application is behind are reset, and others go on', (t) => {
  const { bench, nears } = deafStreams(t, 2);
  const [behind, reads] = nears as [TestNear, TestNear];
  reads.takes = true;
  bench.say(data(1, CHUNK));
  bench.budget.held = HELD_PER_THREAD.most + CHUNK.length;
  bench.say(data(1, CHUNK), data(3, CHUNK));
  t.is(behind.closed, 'reset');
  t.deepEqual(bench.ends.get(1), { kind: 'near-behind' });
  t.deepEqual(bench.told().filter((text) => text.startsWith('RST_STREAM')), ['RST_STREAM 1 ENHANCE_YOUR_CALM']);
  t.is(reads.closed, undefined);
  t.is(reads.got.length, CHUNK.length);
});
