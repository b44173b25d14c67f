/** Our agents under the real istiod, beside the real ztunnel. */
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { waitFor } from '@landbridge/lab/wait.ts';
import { greeter } from '../mesh/applications.ts';
import { NAME_SERVER, resolve4 } from './calls.ts';
import { CONTROL_NODE, NAMESPACE } from './cluster.ts';
import { programsOf } from './istio-programs.ts';
import { Istiod } from './istiod.ts';
import { registerCalls, registerOnDemand, type Under } from './mesh-contract.ts';
import { CALLERS, NODES, TrialMesh } from './trial-mesh.ts';

const ROOT = 'istio-system';
/** Our chart's own, and Istio's, in whose place the agent of the second node stands. */
const ACCOUNTS = { west: 'landbridge-system/landbridge-agent', east: 'istio-system/ztunnel', north: 'istio-system/ztunnel' } as const;
const OUTSIDE_PORT = 9090;
const SETTLE_MS = 30_000;
/** istiod gives a connection up at the third ping that comes too soon. */
const IDLE_MS = 75_000;

const never = new AbortController().signal;

let trial: TrialMesh;
let control: Istiod;

test.before(async (t) => {
  const programs = await programsOf(process.env, AbortSignal.timeout(60_000));
  t.log(programs.versions);
  trial = await TrialMesh.open(programs);
  control = new Istiod(trial.cluster, programs.istiod, ['istio-system/ztunnel', 'landbridge-system/landbridge-agent']);
  await control.start();
});

// It is not there where the hook before has failed.
test.after.always(async () => await (trial as TrialMesh | undefined)?.[Symbol.asyncDispose]());

const under = (): Under => ({ trial, control, who: 'istiod', root: ROOT, accounts: ACCOUNTS, trust: 'certificates' });

registerCalls(under);

test.serial('a ServiceEntry without an address gets one, which every proxy answers and leads to its endpoints', async (t) => {
  const { cluster } = trial;
  const outside = cluster.node(CONTROL_NODE);
  await outside.start(greeter(OUTSIDE_PORT));
  const host = 'api.example.com';
  await cluster.apply({ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { namespace: NAMESPACE, name: 'api' }, spec: { hosts: [host], location: 'MESH_EXTERNAL', resolution: 'STATIC', ports: [{ number: 80, name: 'tcp', protocol: 'TCP', targetPort: OUTSIDE_PORT }], endpoints: [{ address: outside.wan }] } });
  const answers: string[] = [];
  for (const caller of CALLERS) {
    const ask = async (): Promise<readonly string[]> => {
      const found = JSON.parse(await trial.pod(caller).run(resolve4(NAME_SERVER, host))) as string | string[];
      return Array.isArray(found) ? found : [];
    };
    const [address = ''] = await waitFor(async () => (await ask()).length > 0 ? await ask() : undefined, { signal: never, timeoutMs: SETTLE_MS, what: `${caller} to be answered` });
    answers.push(address);
    t.deepEqual(await trial.call(caller, [`${address} 80`]), { [`${address} 80`]: `app saw ${trial.pod(caller).address}` }, caller);
  }
  t.is(new Set(answers).size, 1, answers.join());
  t.regex(answers[0] ?? '', /^240\.240\./);
});

test.serial('a Service that names a waypoint which is not there is called as before', async (t) => {
  const { cluster } = trial;
  const patch = async (value: string | null): Promise<void> => void (await cluster.kubectl(['patch', 'service', '-n', NAMESPACE, 'd', '--type=merge', '-p', JSON.stringify({ metadata: { labels: { 'istio.io/use-waypoint': value } } })]));
  await patch('nobody');
  await trial.setPolicies([], []);
  const target = `${await cluster.serviceAddress('d')} 80`;
  for (const caller of CALLERS) t.deepEqual(await trial.call(caller, [target]), { [target]: `app saw ${trial.pod(caller).address}` }, caller);
  await patch(null);
});

test.serial('streams to istiod last while nothing is to be told', async (t) => {
  const { cluster } = trial;
  const sizes = new Map(NODES.map((node) => [node, cluster.log(logOf(node)).length]));
  await delay(IDLE_MS);
  for (const node of NODES) {
    const since = cluster.log(logOf(node), sizes.get(node)).split('\n').filter((line) => /stream ended|XDS client/.test(line));
    t.deepEqual(since, [], node);
  }
});

registerOnDemand(under);

const logOf = (node: (typeof NODES)[number]): string => `${node === 'north' ? 'ztunnel' : 'agent'}-${node}`;
