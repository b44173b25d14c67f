/** What one connection may do before others have their turn, and that nothing is lost by the interruption. */
import test from 'ava';
import { CONNECT, data, headers, SessionBench, settings, settingsAck } from './test-session.ts';
import { CLIENT_PREFACE } from '@landbridge/wire/http2-frames.ts';
import { FRAMES_PER_REQUEST, FRAMES_PER_TURN } from './http2-limits.ts';

test('many small frames that come at once take several turns, and all arrive in order', (t) => {
  using bench = SessionBench.server();
  const { near } = bench.open(1);
  const text = Array.from({ length: FRAMES_PER_TURN * 3 }, (_, i) => String.fromCharCode(97 + (i % 26)));
  bench.channel.arrived.push(Buffer.concat(text.map((each) => data(1, each))));
  bench.session.onChannel();
  t.is(near.got.length, FRAMES_PER_TURN);
  bench.channel.arrived.push(data(1, 'the end'));
  bench.run();
  t.is(near.got.toString(), `${text.join('')}the end`);
});

test('a request costs as much as many frames', (t) => {
  using bench = new SessionBench('server');
  const count = 100;
  bench.channel.arrived.push(Buffer.concat([Buffer.from(CLIENT_PREFACE), settings(), settingsAck, ...Array.from({ length: count }, (_, i) => headers(2 * i + 1, CONNECT))]));
  bench.session.onChannel();
  t.true(bench.requests.length > 0 && bench.requests.length <= FRAMES_PER_TURN / FRAMES_PER_REQUEST + 1, `${bench.requests.length}`);
  bench.run();
  t.is(bench.requests.length, count);
});

test('a session that ends while some of what was read waits is over, and what waits is not looked at', (t) => {
  using bench = SessionBench.server();
  bench.open(1);
  bench.channel.arrived.push(Buffer.concat(Array.from({ length: FRAMES_PER_TURN * 3 }, () => data(1, 'x'))));
  bench.session.onChannel();
  bench.session.abort({ reason: 'drained', text: 'over' });
  bench.run();
  t.is(bench.closed?.failure?.reason, 'drained');
});
