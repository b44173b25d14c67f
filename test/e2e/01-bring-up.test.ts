import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { parseKernelReport } from '@landbridge/core/kernel-report.ts';
import { readState } from '@landbridge/lab/state.ts';
import { readMachineState } from './machine-state.ts';
import { lab, REPOSITORY, SHAPE } from './running-lab.ts';

test.serial('one command brings up clusters, joins them and ends with a call across', async (t) => {
  if (readState() !== undefined) await lab('down');
  const record = path.join(REPOSITORY, '.lab', 'before.json');
  mkdirSync(path.dirname(record), { recursive: true });
  writeFileSync(record, JSON.stringify(readMachineState()));
  const outcome = await lab('up', ...SHAPE);
  t.log(outcome.stdout);
  t.is(outcome.status, 0, outcome.stderr);
  t.regex(outcome.stdout, /A pod in west called http:\/\/echo\.demo\.svc\.clusterset\.local:8080 and a pod in east answered/);
  t.regex(outcome.stdout, /"cluster":"east".*"echo":"marker-[0-9a-f]{12}"/);
});

test.serial('the lab that runs is brought up to date, and its status is good', async (t) => {
  const again = await lab('up', ...SHAPE);
  t.is(again.status, 0, again.stderr);
  const status = await lab('status');
  t.is(status.status, 0, status.stdout + status.stderr);
});

test.serial('another shape, an unknown cluster and an unknown node are refused with a sentence', async (t) => {
  for (const [args, what] of [
    [['up', '--clusters', '1'], /a lab of 3 clusters .* is running/],
    [['kubectl', 'nowhere', 'get', 'pods'], /the lab has no cluster "nowhere"/],
    [['node', 'west', 'worker7', 'true'], /west has no node worker7/],
    [['logs', 'west', 'nothing'], /there is no part "nothing"/],
  ] as const) {
    const outcome = await lab(...args);
    t.not(outcome.status, 0);
    t.regex(outcome.stderr, what);
  }
});

test.serial('every check of landbridge check is good in each joined cluster', async (t) => {
  for (const cluster of ['east', 'west']) {
    const outcome = await lab('landbridge', cluster, 'check');
    t.is(outcome.status, 0, outcome.stdout + outcome.stderr);
  }
});

test.serial('the kernel of a node is told feature by feature', async (t) => {
  const outcome = await lab('landbridge', 'west', 'check', '--node', 'west-worker', '-o', 'json');
  t.is(outcome.status, 0, outcome.stderr);
  const report = parseKernelReport(outcome.stdout);
  t.true(report.ok && report.value.features.length > 20 && report.value.features.every(({ isThere }) => isThere));
});
