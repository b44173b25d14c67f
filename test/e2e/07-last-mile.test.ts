import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HUB_IMAGE } from '@landbridge/lab/images.ts';
import { clusterEnvironment } from '@landbridge/lab/kubectl.ts';
import { findLeftovers, isClean } from '@landbridge/lab/leftovers.ts';
import { inNetwork } from '@landbridge/lab/network.ts';
import { adminKubeconfig } from '@landbridge/lab/paths.ts';
import { type Outcome, outcomeOf } from '@landbridge/lab/run.ts';
import { runningLab } from '@landbridge/lab/state.ts';
import { toolPath } from '@landbridge/lab/tools.ts';
import { kubectl, lab, REPOSITORY } from './running-lab.ts';

const keep = mkdtempSync(path.join(tmpdir(), 'landbridge-last-mile-'));
test.after.always(() => rmSync(keep, { recursive: true }));

/** Runs the script with the network of a node of east, as someone would who is logged in there. */
async function lastMile(): Promise<Outcome> {
  const { state, plan } = runningLab();
  const [east, west] = plan.clusters;
  const worker = east.nodes[1];
  if (west === undefined || worker === undefined || state.image === undefined) throw new Error('not the lab that was asked for');
  const script = ['sh', path.join(REPOSITORY, 'lab/last-mile.sh'), '--image', state.image, '--hub', `${worker.address}:4222`, '--hub-image', HUB_IMAGE, '--keep', keep];
  return await outcomeOf(inNetwork(worker.netns, [...script, `east=${adminKubeconfig('east')}`, `west=${adminKubeconfig('west')}`]), {
    signal: new AbortController().signal,
    env: { ...clusterEnvironment('east'), KUBECTL: toolPath('kubectl'), HELM: toolPath('helm') },
  });
}

function endsWithACall(t: ExecutionContext, outcome: Outcome): void {
  t.is(outcome.status, 0, outcome.stdout + outcome.stderr);
  t.regex(outcome.stdout.trim().split('\n').at(-1) ?? '', /^west: a pod called http:\/\/echo\.landbridge-demo\.svc\.clusterset\.local through a tunnel and got: \{"cluster":"east","pod":"echo-/);
}

async function pods(): Promise<string> {
  const template = 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.metadata.uid}{"\\n"}{end}';
  return (await Promise.all(['east', 'west'].map(async (cluster) => await kubectl(cluster, 'get', 'pods', '-A', '-o', template)))).join('');
}

test.serial('bare clusters come up without anything of the product', async (t) => {
  const outcome = await lab('up', '--bare');
  t.is(outcome.status, 0, outcome.stderr);
  for (const cluster of ['east', 'west']) {
    t.false((await kubectl(cluster, 'get', 'namespaces', '-o', 'name')).includes('landbridge'));
    t.is(await kubectl(cluster, 'get', 'customresourcedefinitions', '-o', 'name'), '');
    t.false((await kubectl(cluster, '-n', 'kube-system', 'get', 'configmap', 'coredns', '-o', 'jsonpath={.data.Corefile}')).includes('clusterset'));
  }
  const status = await lab('status');
  t.is(status.status, 0, status.stdout + status.stderr);
});

test.serial('the script for clusters that exist installs, starts a hub, joins and calls', async (t) => {
  const outcome = await lastMile();
  endsWithACall(t, outcome);
  t.regex(outcome.stdout, /^west: joined east$/m);
});

test.serial('it may be run again, which replaces no pod', async (t) => {
  const before = await pods();
  const outcome = await lastMile();
  endsWithACall(t, outcome);
  t.notRegex(outcome.stdout, /^west: joined east$/m);
  t.is(await pods(), before);
});

test.serial('afterwards nothing is left', async (t) => {
  const outcome = await lab('down');
  t.is(outcome.status, 0, outcome.stderr);
  t.true(isClean(findLeftovers()));
});
