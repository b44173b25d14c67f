import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { findLeftovers, isClean } from '@landbridge/lab/leftovers.ts';
import { readHolder } from '@landbridge/lab/lock.ts';
import { type MachineState, readMachineState } from './machine-state.ts';
import { eventually, lab, REPOSITORY } from './running-lab.ts';

test.serial('down leaves the machine as it was', async (t) => {
  const before = JSON.parse(readFileSync(path.join(REPOSITORY, '.lab', 'before.json'), 'utf8')) as MachineState;
  const outcome = await lab('down');
  t.is(outcome.status, 0, outcome.stderr);
  t.true(isClean(findLeftovers()));
  const after = readMachineState();
  for (const kind of Object.keys(before) as (keyof MachineState)[]) t.deepEqual(after[kind], before[kind], kind);
});

test.serial('without a lab, commands say so', async (t) => {
  const outcome = await lab('status');
  t.is(outcome.status, 69);
  t.regex(outcome.stderr, /the lab is not running/);
  t.is((await lab('down')).status, 0, 'a second down finds nothing to do');
});

test.serial('an interrupted start leaves the machine as it was', async (t) => {
  const before = readMachineState();
  const child = spawn('npm', ['run', '-s', 'lab'], { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = once(child, 'exit');
  const nodesRun = Promise.withResolvers<void>();
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('the API server answers')) nodesRun.resolve();
  });
  void ended.then(() => nodesRun.reject(new Error(`the lab ended before it could be interrupted: ${said}`)));
  await nodesRun.promise;
  // To the whole group, as Ctrl-C on a terminal.
  process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
  const [status] = (await ended) as [number | null];
  t.not(status, 0);
  // npm may end before the lab has.
  await eventually('the lab to have cleaned up', async () => (readHolder() === undefined ? true : undefined));
  const after = readMachineState();
  for (const kind of Object.keys(before) as (keyof MachineState)[]) t.deepEqual(after[kind], before[kind], kind);
});
