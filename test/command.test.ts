import test from 'ava';
import { runLines } from './command.ts';

const script = (source: string): [string, ...string[]] => [process.execPath, '-e', source];

test('a command that prints nothing for too long is ended, and may say how far it was', async (t) => {
  const lines: string[] = [];
  const status = await runLines(script("process.once('SIGINT', () => { console.log('was at nothing'); process.exit(0); }); console.log('begins'); setInterval(() => {}, 1000);"), { signal: new AbortController().signal, onLine: (line) => lines.push(line), silentMs: 2000 });
  t.is(status, 0);
  t.deepEqual(lines, ['begins', 'was at nothing']);
});

test('one that goes on printing takes the time that it takes', async (t) => {
  let count = 0;
  const status = await runLines(script("let left = 20; setInterval(() => { console.log('goes on'); if (--left === 0) process.exit(3); }, 100);"), { signal: new AbortController().signal, onLine: () => count++, silentMs: 1000 });
  t.is(status, 3);
  t.is(count, 20);
});

test('a command that ends by a signal has failed', async (t) => {
  t.is(await runLines(script('setInterval(() => {}, 1000);'), { signal: new AbortController().signal, onLine: () => {}, silentMs: 1000 }), 1);
});

test('an abort ends the command, and is what it ends with', async (t) => {
  const stop = new AbortController();
  const running = runLines(script("console.log('begins'); setInterval(() => {}, 1000);"), { signal: stop.signal, onLine: () => stop.abort(new Error('interrupted')) });
  await t.throwsAsync(running, { message: 'interrupted' });
});
