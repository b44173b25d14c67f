import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { DEMO_NAMESPACE, ECHO_URL } from '@landbridge/lab/demo.ts';
import { freezeServer } from '@landbridge/lab/frozen-server.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { findCluster } from '@landbridge/lab/plan.ts';
import { runningLab } from '@landbridge/lab/state.ts';
import { apply, ECHO_LINES, eventually, federationProcesses, importIdentity, kubectl, scaleEcho, untilImported } from './running-lab.ts';

/** How long both clusters are without their API server; LANDBRIDGE_API_AWAY_SECONDS=600 for a longer run. */
const AWAY_SECONDS = Number(process.env['LANDBRIDGE_API_AWAY_SECONDS'] ?? 30);
/** What the callers have to go on for after it. */
const AFTERWARDS_SECONDS = 5;
const CALLS_A_SECOND = 5;
/** Of a kubelet, to tell of a pod's end to an API server that is back. */
const TOLD_MS = 120_000;

const callers = (['calls', 'held'] as const).map((name) => `away-${name}`);
const SECONDS = AWAY_SECONDS + AFTERWARDS_SECONDS;

const caller = (name: string, args: readonly string[]): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: DEMO_NAMESPACE },
  spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: DEMO_IMAGE, args }] },
});

const phaseOf = async (name: string): Promise<string> => await kubectl('west', '-n', DEMO_NAMESPACE, 'get', 'pod', name, '-o', 'jsonpath={.status.phase}');
const saidBy = async (name: string): Promise<string> => await kubectl('west', '-n', DEMO_NAMESPACE, 'logs', name);

test.serial('while the API servers of both clusters hang, and the federation services are killed besides, connections last and new ones are answered', async (t) => {
  await untilImported(2);
  const before = await importIdentity();
  try {
    await apply('west',
      caller('away-calls', ['get', ECHO_URL, '--count', String(SECONDS * CALLS_A_SECOND), '--every', `${1000 / CALLS_A_SECOND}ms`, '--timeout', '5s']),
      caller('away-held', ['hold', ECHO_LINES, '--for', `${SECONDS}s`]));
    for (const name of callers) await eventually(`${name} to be answered`, async () => ((await phaseOf(name)) === 'Running' && (await saidBy(name)) !== '' ? true : undefined));
    {
      const { plan } = runningLab();
      await using servers = new AsyncDisposableStack();
      for (const name of ['west', 'east']) {
        const cluster = findCluster(plan, name);
        if (cluster === undefined) throw new Error(`the lab has no ${name}`);
        servers.use(await freezeServer(cluster.controlPlane, 'kube-apiserver', new AbortController().signal));
      }
      await delay((AWAY_SECONDS * 1000) / 2);
      // They begin anew without knowing anything, and must not say so as if it were so.
      const killed = federationProcesses();
      t.true(killed.length >= 2);
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      await delay((AWAY_SECONDS * 1000) / 2);
    }
    for (const name of callers) await eventually(`${name} to end`, async () => (['Succeeded', 'Failed'].includes(await phaseOf(name)) ? true : undefined), TOLD_MS);
    for (const name of callers) t.is(await phaseOf(name), 'Succeeded', (await saidBy(name)).slice(-500));
    t.is((await saidBy('away-calls')).trim().split('\n').length, SECONDS * CALLS_A_SECOND);
  } finally {
    await kubectl('west', '-n', DEMO_NAMESPACE, 'delete', 'pods', '--ignore-not-found', ...callers);
  }
  t.is(await importIdentity(), before);
  await scaleEcho(3);
  await untilImported(3);
  await scaleEcho(2);
  await untilImported(2);
});
