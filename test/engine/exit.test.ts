import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';

/** Far less than a thread would wait for its next event if nothing woke it. */
const SOON_MS = 60_000;

test('a process that must end does not wait for threads that have nothing to do', async (t) => {
  const engine = new URL('./engine.ts', import.meta.url).href;
  const child = spawn(process.execPath, ['--eval', `import(${JSON.stringify(engine)}).then(async ({ TestEngine }) => (await new TestEngine().report(), process.exit(7)))`], { stdio: 'inherit' });
  const timer = setTimeout(() => child.kill('SIGKILL'), SOON_MS);
  const [code] = await once(child, 'exit');
  clearTimeout(timer);
  t.is(code, 7);
});
