import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { findLeftovers, isClean } from '@landbridge/lab/leftovers.ts';
import { type MachineState, readMachineState } from './machine-state.ts';
import { lab, REPOSITORY } from './running-lab.ts';

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
  const closed = once(child, 'close');
  let said = '';
  for await (const chunk of child.stdout) {
    said += String(chunk);
    // Nodes run and the rest is under way.
    if (said.includes('the API server answers')) break;
  }
  t.regex(said, /the API server answers/);
  // To the whole group, as Ctrl-C on a terminal.
  process.kill(-(child.pid ?? 0), 'SIGINT');
  const [status] = (await closed) as [number | null];
  t.not(status, 0);
  const after = readMachineState();
  for (const kind of Object.keys(before) as (keyof MachineState)[]) t.deepEqual(after[kind], before[kind], kind);
});
