import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import pino from 'pino';
import { NodePorts } from './node-ports.ts';

const silent = pino({ level: 'silent' });
const inUse = (): Error => Object.assign(new Error('in use'), { code: 'EADDRINUSE' });

/** A server that can be started once the port is free. */
function server() {
  const seen = { tries: 0, closed: 0, isFree: false };
  const started = Promise.withResolvers<void>();
  const start = async (): Promise<AsyncDisposable> => {
    seen.tries++;
    if (!seen.isFree) throw inUse();
    started.resolve();
    return { [Symbol.asyncDispose]: async () => void seen.closed++ };
  };
  return { seen, start, started: started.promise };
}

test('without an agent of before a port that is taken is an error', async (t) => {
  await using ports = new NodePorts(() => false, silent);
  await t.throwsAsync(ports.open(server().start), { code: 'EADDRINUSE' });
});

test('a port is taken over once the agent of before lets go of it', async (t) => {
  const { seen, start, started } = server();
  const ports = new NodePorts(() => true, silent);
  await ports.open(start);
  t.deepEqual(seen, { tries: 1, closed: 0, isFree: false });
  seen.isFree = true;
  await started;
  await ports[Symbol.asyncDispose]();
  await ports[Symbol.asyncDispose]();
  t.deepEqual(seen, { tries: 2, closed: 1, isFree: true });
});

test('a port that is somebody else’s is not waited for when the agent of before has ended', async (t) => {
  let lives = true;
  const logged = Promise.withResolvers<string>();
  await using ports = new NodePorts(() => lives, pino({}, { write: (line: string) => logged.resolve(line) }));
  await ports.open(server().start);
  lives = false;
  t.regex(await logged.promise, /can not be taken over/);
});

test('waiting ends with the agent', async (t) => {
  const { seen, start } = server();
  const ports = new NodePorts(() => true, silent);
  await ports.open(start);
  await ports[Symbol.asyncDispose]();
  const { tries } = seen;
  await nextTurn();
  t.is(seen.tries, tries);
});
