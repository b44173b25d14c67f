import { randomBytes } from 'node:crypto';
import test from 'ava';
import { FRAME_TYPE, SETTING } from '@landbridge/wire/http2-frames.ts';
import { CONNECTION_WINDOW, FIRST_STREAM_WINDOW, HELD_PER_CONNECTION, MAX_STREAM_WINDOW } from './http2-limits.ts';
import { data, frame, reset, SessionBench, settings, windowUpdate } from './test-session.ts';

const total = (told: readonly string[]): number => told.reduce((sum, line) => sum + Number(/^DATA \d+ (\d+)/.exec(line)?.[1] ?? 0), 0);
const LAST = 2 ** 31 - 1;

test('no more is sent than the stream window, and the rest once it opens', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 1000]);
  const opened = bench.open();
  bench.nearSays(opened, randomBytes(2500));
  t.deepEqual(bench.told(), ['DATA 1 1000']);
  bench.say(windowUpdate(1, 1));
  t.deepEqual(bench.told(), ['DATA 1 1']);
  bench.say(windowUpdate(1, 5000));
  t.deepEqual(bench.told(), ['DATA 1 1499']);
});

test('all streams together keep to the connection window, and each gets its turn', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 1_000_000]);
  const [a, b] = [bench.open(), bench.open()];
  bench.nearSays(a, Buffer.alloc(60_000));
  bench.nearSays(b, Buffer.alloc(60_000));
  t.is(total(bench.told()), 65_535);
  bench.say(windowUpdate(0, 10_000));
  t.is(total(bench.told()), 10_000);
  bench.say(windowUpdate(0, 1_000_000));
  t.is(total(bench.told()), 120_000 - 75_535);
});

test('a window that settings make negative opens again only past zero', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 1000]);
  const opened = bench.open();
  bench.nearSays(opened, Buffer.alloc(5000));
  t.deepEqual(bench.told(), ['DATA 1 1000']);
  bench.say(settings([SETTING.INITIAL_WINDOW_SIZE, 100]));
  t.deepEqual(bench.told(), ['SETTINGS ACK']);
  bench.say(windowUpdate(1, 900));
  t.deepEqual(bench.told(), [], 'the window is 0');
  bench.say(windowUpdate(1, 7));
  t.deepEqual(bench.told(), ['DATA 1 7']);
  bench.say(settings([SETTING.INITIAL_WINDOW_SIZE, 300]));
  t.deepEqual(bench.told(), ['SETTINGS ACK', 'DATA 1 200']);
});

test('frames are no longer than the peer takes', (t) => {
  using bench = SessionBench.client([SETTING.INITIAL_WINDOW_SIZE, 60_000]);
  const opened = bench.open();
  bench.nearSays(opened, Buffer.alloc(50_000));
  const sizes = bench.seen().map(({ payload }) => payload.length);
  t.deepEqual([sizes.reduce((a, b) => a + b), Math.max(...sizes)], [50_000, 16_384]);
});

for (const [what, said, code] of [
  ['a stream window', [windowUpdate(1, LAST)], 'RST_STREAM 1 FLOW_CONTROL_ERROR'],
  ['the connection window', [windowUpdate(0, LAST)], 'GOAWAY 0 FLOW_CONTROL_ERROR'],
  ['a window by settings', [windowUpdate(1, 1000), settings([SETTING.INITIAL_WINDOW_SIZE, LAST])], 'GOAWAY 0 FLOW_CONTROL_ERROR'],
] as const) {
  test(`${what} beyond 2^31-1 is an error`, (t) => {
    using bench = SessionBench.client();
    bench.open();
    bench.say(...said);
    t.is(bench.told()[0], code);
  });
}

test('a peer is given back what an application took, and the window grows while it keeps up', (t) => {
  using bench = SessionBench.server();
  const { near, stream } = bench.open();
  let window = FIRST_STREAM_WINDOW;
  let given = 0;
  while (stream.windowTarget < MAX_STREAM_WINDOW) {
    bench.say(data(1, Buffer.alloc(100_000)));
    window -= 100_000;
    for (const line of bench.told()) {
      const [, id, increment] = /^WINDOW_UPDATE (\d) (\d+)$/.exec(line) ?? [];
      if (id !== '1') continue;
      window += Number(increment);
      given += Number(increment);
    }
    t.true(window >= 0 && window <= MAX_STREAM_WINDOW);
  }
  t.is(FIRST_STREAM_WINDOW + given, near.got.length + window);
  t.is(bench.budget.grownWindows, MAX_STREAM_WINDOW - FIRST_STREAM_WINDOW);
  bench.say(reset(1));
  t.is(bench.budget.grownWindows, 0, 'and is given back to the thread');
});

test('applications that stop to read when their windows have grown do not hold up the other streams of the connection', (t) => {
  using bench = SessionBench.server();
  const windows = new Map<number, number>();
  let connection = CONNECTION_WINDOW;
  const hear = (): void => {
    for (const line of bench.told()) {
      const [, id = '', increment] = /^WINDOW_UPDATE (\d+) (\d+)$/.exec(line) ?? [];
      if (id === '0') connection += Number(increment);
      else if (id !== '') windows.set(Number(id), (windows.get(Number(id)) as number) + Number(increment));
    }
  };
  const say = (id: number, size: number): void => {
    bench.say(data(id, Buffer.alloc(size)));
    windows.set(id, (windows.get(id) as number) - size);
    connection -= size;
    hear();
  };
  for (let id = 1; id < 13; id += 2) {
    const { near } = bench.open(id);
    windows.set(id, FIRST_STREAM_WINDOW);
    // Keeps up with twice of what the largest window has been, and stops.
    for (let sent = 0; sent < 2 * MAX_STREAM_WINDOW; sent += 100_000) say(id, 100_000);
    near.takes = false;
    for (let left = windows.get(id) as number; left > 0; left = windows.get(id) as number) say(id, Math.min(left, 100_000));
  }
  const other = bench.open(13);
  windows.set(13, FIRST_STREAM_WINDOW);
  for (let sent = 0; sent < 2 * CONNECTION_WINDOW; sent += 50_000) {
    if (connection < 50_000) return t.fail(`the connection stands still after ${sent} bytes`);
    say(13, 50_000);
  }
  t.true(other.near.got.length >= 2 * CONNECTION_WINDOW);
});

test('an application that does not read holds no more than a window, and only its own stream', (t) => {
  using bench = SessionBench.server();
  const slow = bench.open(1);
  slow.near.takes = false;
  bench.say(data(1, Buffer.alloc(FIRST_STREAM_WINDOW)));
  t.is(slow.near.queued, FIRST_STREAM_WINDOW);
  t.false(bench.told().some((line) => line.startsWith('WINDOW_UPDATE 1 ')));
  bench.say(data(1, 'x'));
  t.deepEqual(bench.told(), ['RST_STREAM 1 FLOW_CONTROL_ERROR']);
  const other = bench.open(3);
  bench.say(data(3, 'hello'));
  t.is(other.near.got.toString(), 'hello');
});

test('the connection is given back what arrives, whoever reads it, as long as no more waits than may', (t) => {
  using bench = SessionBench.server();
  let arrived = 0;
  let given = 0;
  for (let id = 1; arrived < HELD_PER_CONNECTION; id += 2) {
    bench.open(id).near.takes = false;
    bench.say(data(id, Buffer.alloc(FIRST_STREAM_WINDOW)));
    arrived += FIRST_STREAM_WINDOW;
    for (const line of bench.told()) given += Number(/^WINDOW_UPDATE 0 (\d+)$/.exec(line)?.[1] ?? 0);
    t.true(arrived - given < CONNECTION_WINDOW / 2);
  }
  t.is(bench.closed, undefined);
});

test('padding counts as data, and is given to nobody', (t) => {
  using bench = SessionBench.server();
  const { near, stream } = bench.open();
  bench.say(frame(FRAME_TYPE.DATA, 8, 1, Buffer.concat([Buffer.from([100]), Buffer.from('hello'), Buffer.alloc(100)])));
  t.is(near.got.toString(), 'hello');
  t.is(stream.receiveWindow, FIRST_STREAM_WINDOW - 106);
});
