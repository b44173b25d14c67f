import test from 'ava';
import { DEMO_NAMESPACE, ECHO_URL } from '@landbridge/lab/demo.ts';
import { DEMO_IMAGE } from '@landbridge/lab/images.ts';
import { apply, call, eventually, federationProcesses, holdConnection, importIdentity, kubectl, scaleEcho, untilImported } from './running-lab.ts';

const SYSTEM = ['-n', 'landbridge-system'] as const;
/** The time of a Lease, and what a machine with other work takes on top. */
const TAKEN_MS = 30_000;

const holder = async (): Promise<string> => await kubectl('west', ...SYSTEM, 'get', 'lease', 'landbridge-federation', '-o', 'jsonpath={.spec.holderIdentity}');

/** Pods of west's federation service. */
async function replicas(): Promise<string[]> {
  const text = await kubectl('west', ...SYSTEM, 'get', 'pods', '-l', 'app.kubernetes.io/name=landbridge-federation', '-o', 'jsonpath={.items[*].metadata.name}');
  return text.trim().split(' ');
}

/** What is written for imports but endpoints: another version of it is another write. */
const versions = async (): Promise<string> => await kubectl('west', '-n', DEMO_NAMESPACE, 'get', 'serviceimports,services', '-l', 'app.kubernetes.io/managed-by=landbridge', '-o', 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}');

test.serial('the leader of the importing cluster is killed under traffic: agents have the other replica at once, and endpoints follow within the time of the Lease', async (t) => {
  await untilImported(2);
  // On one node: the lab's clusters have one that takes pods.
  t.is((await replicas()).length, 2);
  const [identity, written] = [await importIdentity(), await versions()];
  const before = await eventually('a leader', async () => (await holder()) || undefined);
  const [pod = ''] = before.split('_');
  await using held = await holdConnection();
  const [leader, ...others] = federationProcesses(pod);
  if (leader === undefined || others.length > 0) throw new Error(`not one process of ${pod}`);
  process.kill(leader, 'SIGKILL');
  const killedMs = performance.now();
  try {
    await scaleEcho(3);
    // A pod that begins now needs a certificate.
    await apply('west', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'meanwhile', namespace: DEMO_NAMESPACE }, spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: DEMO_IMAGE, args: ['get', ECHO_URL, '--timeout', '20s'] }] } });
    t.is((await call()).status, 0);
    await eventually('endpoints to follow', async () => ((await untilImported(3)).length === 3 ? true : undefined), TAKEN_MS);
    t.log(`endpoints followed ${Math.round(performance.now() - killedMs)} ms after the kill`);
    t.true(performance.now() - killedMs < TAKEN_MS);
    await eventually('another process to lead', async () => (['', before].includes(await holder()) ? undefined : true));
    await eventually('the new pod to be answered', async () => ((await kubectl('west', '-n', DEMO_NAMESPACE, 'get', 'pod', 'meanwhile', '-o', 'jsonpath={.status.phase}')) === 'Succeeded' ? true : undefined));
  } finally {
    await kubectl('west', '-n', DEMO_NAMESPACE, 'delete', 'pod', 'meanwhile', '--ignore-not-found');
    await scaleEcho(2);
  }
  await untilImported(2);
  t.is(await importIdentity(), identity);
  t.is(await versions(), written, 'nothing was written that was there');
  const outcome = await held.release();
  t.is(outcome.status, 0, outcome.stderr);
});

test.serial('replicas that are replaced one after the other hand the lead over, and no call fails meanwhile', async (t) => {
  await untilImported(2);
  const [identity, written] = [await importIdentity(), await versions()];
  const before = await holder();
  let isOver = false;
  const failed: string[] = [];
  const calling = (async () => {
    while (!isOver) {
      const { status, stderr } = await call();
      if (status !== 0) failed.push(stderr);
    }
  })();
  await kubectl('west', ...SYSTEM, 'rollout', 'restart', 'deployment/landbridge-federation');
  await kubectl('west', ...SYSTEM, 'rollout', 'status', 'deployment/landbridge-federation', '--timeout=120s');
  await eventually('one of the new pods to lead', async () => {
    const [pod = ''] = (await holder()).split('_');
    return (await replicas()).includes(pod) && !before.startsWith(`${pod}_`) ? true : undefined;
  });
  isOver = true;
  await calling;
  t.deepEqual(failed, []);
  t.is(await importIdentity(), identity);
  t.is(await versions(), written, 'nothing was written that was there');
});
