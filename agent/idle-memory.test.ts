import test from 'ava';
import { IdleWatch, QUIET_MS, SPACING_MS } from './idle-memory.ts';

const idle = (mark: string) => ({ openConnections: 0, mark });

test('memory is given back once after each time of activity', (t) => {
  const watch = new IdleWatch();
  t.false(watch.isTime(idle('a'), 0));
  t.false(watch.isTime(idle('a'), QUIET_MS - 1));
  t.true(watch.isTime(idle('a'), QUIET_MS));
  t.false(watch.isTime(idle('a'), QUIET_MS + 10 * SPACING_MS), 'nothing has happened since');
  const laterMs = QUIET_MS + 20 * SPACING_MS;
  t.false(watch.isTime(idle('b'), laterMs));
  t.false(watch.isTime(idle('c'), laterMs + QUIET_MS - 1), 'it goes on');
  t.false(watch.isTime(idle('c'), laterMs + QUIET_MS));
  t.true(watch.isTime(idle('c'), laterMs + 2 * QUIET_MS - 1));
});

test('never while a connection is open, nor as soon as the last one has ended', (t) => {
  const watch = new IdleWatch();
  t.false(watch.isTime(idle('a'), 0));
  t.false(watch.isTime({ openConnections: 1, mark: 'a' }, 10 * QUIET_MS));
  t.false(watch.isTime(idle('a'), 10 * QUIET_MS + 1));
  t.true(watch.isTime(idle('a'), 11 * QUIET_MS));
});

test('not more often than every few minutes', (t) => {
  const watch = new IdleWatch();
  watch.isTime(idle('a'), 0);
  t.true(watch.isTime(idle('a'), QUIET_MS));
  let times = 0;
  for (let nowMs = QUIET_MS; nowMs <= QUIET_MS + 3 * SPACING_MS; nowMs += QUIET_MS / 4) if (watch.isTime(idle(String(Math.floor(nowMs / (2 * QUIET_MS)))), nowMs)) times++;
  t.is(times, 3);
});
