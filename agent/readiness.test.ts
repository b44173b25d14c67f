import test from 'ava';
import { pino } from 'pino';
import { Readiness, THREAD_STUCK_MS, type ThreadHeartbeat } from './readiness.ts';

test('ready is who waits for nothing', (t) => {
  const readiness = new Readiness();
  t.deepEqual(readiness.pending(), []);
  const [state, proxy, again] = [readiness.register('state manager'), readiness.register('proxy'), readiness.register('proxy')];
  t.deepEqual(readiness.pending(), ['proxy', 'state manager']);
  proxy.done();
  t.deepEqual(readiness.pending(), ['proxy', 'state manager'], 'two tasks may have one name');
  again.done();
  again.done();
  t.deepEqual(readiness.pending(), ['state manager']);
  state.done();
  t.deepEqual(readiness.pending(), []);
});

test('a data thread that says nothing any more is pending until it does', (t) => {
  const readiness = new Readiness();
  let nowMs = 5000;
  let beats: readonly ThreadHeartbeat[] = [{ thread: 0, lastSeenMs: 5000 }, { thread: 1, lastSeenMs: 4000 }];
  readiness.watchThreads(() => beats, () => nowMs);
  t.deepEqual(readiness.pending(), []);
  nowMs = 4000 + THREAD_STUCK_MS + 1;
  t.deepEqual(readiness.pending(), ['data thread 1']);
  beats = [{ thread: 0, lastSeenMs: nowMs }, { thread: 1, lastSeenMs: nowMs }];
  t.deepEqual(readiness.pending(), []);
});

test('the clock is that of performance.now() unless told otherwise', (t) => {
  const readiness = new Readiness();
  readiness.watchThreads(() => [{ thread: 0, lastSeenMs: performance.now() }, { thread: 1, lastSeenMs: performance.now() - THREAD_STUCK_MS - 1 }]);
  t.deepEqual(readiness.pending(), ['data thread 1']);
});

test('threads that can not be asked are not ready', (t) => {
  const readiness = new Readiness();
  readiness.watchThreads(() => {
    throw new Error('x');
  });
  t.deepEqual(readiness.pending(), ['data threads']);
});

test('the log says what is still awaited', (t) => {
  const lines: unknown[] = [];
  const readiness = new Readiness(pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(JSON.parse(line)) }));
  const task = readiness.register('state manager');
  readiness.register('proxy');
  task.done();
  task.done();
  t.deepEqual(lines, [{ level: 30, task: 'state manager', pending: ['proxy'], msg: 'a task of readiness is done' }]);
});
