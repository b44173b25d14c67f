import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { waitFor } from '@landbridge/lab/wait.ts';
import pino from 'pino';
import { Mesh } from '../../test/mesh/mesh.ts';
import { findCgroup2 } from '../config.ts';
import { metrics } from '../metrics.ts';
import { watchKubelet } from './kubelet-watch.ts';

/* A program with the name of the kubelet, with this machine's network, files and processes, in a control group of its own. */

const SOON = { signal: new AbortController().signal, timeoutMs: 10_000, everyMs: 5 };

let mesh: Mesh;
let directory: string;

test.before(async () => {
  mesh = await Mesh.open({ west: ['a'] });
  directory = mkdtempSync(path.join(tmpdir(), 'landbridge-kubelet-'));
  copyFileSync('/bin/sleep', path.join(directory, 'kubelet'));
});

test.after.always(async () => {
  await mesh[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const groupId = (): bigint => statSync(mesh.node('west').kubeletGroup, { bigint: true }).ino;

async function startKubelet(namespaces: readonly string[] = []): Promise<AsyncDisposable> {
  const child = spawn('sh', ['-ec', 'echo $$ > "$0"; exec "$@"', path.join(mesh.node('west').kubeletGroup, 'cgroup.procs'), ...namespaces, path.join(directory, 'kubelet'), '600'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const closed = once(child, 'close');
  await waitFor(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim() === 'kubelet' || undefined, { ...SOON, what: 'the program to start' });
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

async function withWatch(group: string, work: (told: () => bigint | undefined, looks: () => number) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  let told: bigint | undefined;
  let times = 0;
  const watching = watchKubelet({ cgroupRoot: findCgroup2(), nodeProcess: 'self', group, lookMs: 10, searchMs: 10 }, { setKubelet: (id) => {
    told = id;
    times++;
  } }, pino({ level: 'silent' }), stop.signal);
  try {
    await work(() => told, () => times);
  } finally {
    stop.abort();
    await watching;
  }
}

const untilTold = async (told: () => bigint | undefined, id: bigint | undefined): Promise<true> => await waitFor(() => told() === id || undefined, { ...SOON, what: () => `${id} to be told, and not ${told()}` });
const isFound = async (): Promise<number | undefined> => (await metrics.kubeletFound.get()).values[0]?.value;

test.serial('the kubelet is told when it begins, ends, and begins again in another control group', async (t) => {
  await withWatch('', async (told, times) => {
    await untilTold(told, undefined);
    t.is(await isFound(), 0);
    const first = groupId();
    {
      await using _kubelet = await startKubelet();
      await untilTold(told, first);
      t.is(await isFound(), 1);
    }
    await untilTold(told, undefined);
    rmdirSync(mesh.node('west').kubeletGroup);
    mkdirSync(mesh.node('west').kubeletGroup);
    t.not(groupId(), first);
    await using _kubelet = await startKubelet();
    await untilTold(told, groupId());
    t.is(times(), 4, 'only what changed is told');
  });
});

test.serial('one with another network, or other files, is not it', async (t) => {
  const { netns } = mesh.pod('a');
  for (const namespaces of [['nsenter', `--net=/run/netns/${netns}`, '--'], ['unshare', '--mount', '--']]) {
    await using _imposter = await startKubelet(namespaces);
    await withWatch('', async (told, times) => {
      await waitFor(() => times() > 0 || undefined, { ...SOON, what: 'a look' });
      t.is(told(), undefined, namespaces.join(' '));
    });
  }
});

test.serial('a control group that is told counts, whoever is in it, once it is there', async (t) => {
  const group = mesh.node('west').kubeletGroup;
  const below = group.slice(findCgroup2().length);
  await withWatch(below, async (told) => {
    await untilTold(told, groupId());
    rmdirSync(group);
    await untilTold(told, undefined);
    mkdirSync(group);
    await untilTold(told, groupId());
    t.is(await isFound(), 1);
  });
});
