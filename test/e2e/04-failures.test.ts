import test from 'ava';
import { hubProcesses } from '@landbridge/lab/hub.ts';
import { accessLog, call, eventually, holdConnection, hubProcess, importedAddresses, importIdentity, kubectl, landbridge, scaleEcho, untilImported } from './running-lab.ts';

interface HubStatus {
  readonly hub: { readonly state: string; readonly since?: number };
  readonly members: readonly { readonly cluster: string; readonly complete: boolean }[];
}

async function status(cluster: string): Promise<HubStatus | undefined> {
  const outcome = await landbridge(cluster, ['status', '-o', 'json']);
  return outcome.status === 0 ? (JSON.parse(outcome.stdout) as HubStatus) : undefined;
}

async function untilConnected(): Promise<void> {
  for (const cluster of ['east', 'west']) {
    await eventually(`${cluster} to follow the hub and know all members`, async () => {
      const now = await status(cluster);
      return now?.hub.state === 'connected' && now.members.length === 2 && now.members.every(({ complete }) => complete) ? true : undefined;
    });
  }
}

for (const cluster of ['west', 'east'] as const) {
  test.serial(`replacing the federation service of ${cluster} breaks no connection and loses no import`, async (t) => {
    await untilImported(2);
    const before = await importIdentity();
    await using held = await holdConnection();
    await kubectl(cluster, '-n', 'landbridge-system', 'delete', 'pod', '-l', 'app.kubernetes.io/name=landbridge-federation', '--wait=true');
    t.is((await call()).status, 0, 'a new call while the service is away or starting');
    await kubectl(cluster, '-n', 'landbridge-system', 'rollout', 'status', 'deployment/landbridge-federation', '--timeout=60s');
    await untilConnected();
    t.is(await importIdentity(), before);
    const outcome = await held.release();
    t.is(outcome.status, 0, outcome.stderr);
    t.is((await importedAddresses()).length, 2);
  });
}

test.serial('killing the hub breaks no connection and loses no import; changes are told once it is back', async (t) => {
  await untilImported(2);
  const before = await importIdentity();
  await using held = await holdConnection();
  const server = hubProcess();
  process.kill(server, 'SIGKILL');
  t.is((await call()).status, 0, 'a new call while the hub is away');
  await eventually('the hub to be another process', async () => (hubProcesses().some((pid) => pid !== server) ? true : undefined));
  await untilConnected();
  t.is(await importIdentity(), before);
  const outcome = await held.release();
  t.is(outcome.status, 0, outcome.stderr);
  await scaleEcho(3);
  await untilImported(3);
  await scaleEcho(2);
  await untilImported(2);
});

test.serial('while an agent is away, connections of captured pods are refused: none goes around the mesh', async (t) => {
  const [name = '', address = '', node = ''] = (await kubectl('west', '-n', 'demo', 'get', 'pods', '-l', 'app=client', '-o', 'jsonpath={.items[0].metadata.name} {.items[0].status.podIP} {.items[0].spec.nodeName}')).trim().split(' ');
  const agent = (await kubectl('west', '-n', 'landbridge-system', 'get', 'pods', '-l', 'app.kubernetes.io/name=landbridge-agent', '--field-selector', `spec.nodeName=${node}`, '-o', 'jsonpath={.items[0].metadata.name}')).trim();
  const seen: string[] = [];
  let away = true;
  const calling = (async () => {
    while (away || seen.at(-1) !== 'answered') seen.push((await call(['--timeout', '2s'], name)).status === 0 ? 'answered' : 'refused');
  })();
  await kubectl('west', '-n', 'landbridge-system', 'delete', 'pod', agent, '--grace-period=0', '--force');
  await kubectl('west', '-n', 'landbridge-system', 'rollout', 'status', 'daemonset/landbridge-agent', '--timeout=60s');
  away = false;
  await calling;
  t.true(seen.includes('refused'), `no call fell into the agent's absence: ${seen.join(' ')}`);
  const around = (await accessLog('east')).filter((line) => line['tunnel'] === 'none' && String(line['src.addr']).startsWith(`${address}:`));
  t.deepEqual(around, []);
});
