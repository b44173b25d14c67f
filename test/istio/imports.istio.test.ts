/** What the federation service writes of imports, read by the real istiod, as it tells our agent. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import test from 'ava';
import { render } from '../charts/render.ts';
import { REPOSITORY } from '../command.ts';
import { Cluster } from './cluster.ts';
import { programsOf } from './istio-programs.ts';
import { Istiod } from './istiod.ts';
import { configDump, startAgent, untilReady } from './node-proxies.ts';

const AGENT = 'landbridge-system/landbridge-agent';
const GOLDEN = path.join(REPOSITORY, 'federation/outputs/istio/golden');
const KEY = 'shop/cart.shop.svc.clusterset.local';
const SETTLE_MS = 60_000;
const never = new AbortController().signal;

let cluster: Cluster;

test.before(async (t) => {
  const { istiod, source, versions } = await programsOf(process.env, AbortSignal.timeout(60_000));
  t.log(versions);
  buildCaptureObject();
  const base = path.join(source, 'manifests/charts/base/files');
  cluster = await Cluster.open({ west: [], east: [], north: [] }, [path.join(base, readdirSync(base).find((name) => name.startsWith('crd-all')) ?? ''), path.join(source, 'tests/integration/pilot/testdata/gateway-api-crd.yaml')]);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
  await cluster.apply(...(await render('agent', { 'cluster.name': 'trial' })).filter(({ kind }) => /Role/.test(kind as string)) as object[]);
  const control = new Istiod(cluster, istiod, [AGENT]);
  await control.start();
  const agent = await startAgent({ cluster, node: 'west', account: AGENT, control, variables: {} }, 'certificates');
  await untilReady(cluster, 'west', agent.log);
});

// It is not there where the hook before has failed.
test.after.always(async () => await (cluster as Cluster | undefined)?.[Symbol.asyncDispose]());

/** Of each endpoint of the import: address, network, protocol, weight, and the way into its network. */
async function endpoints(): Promise<string[]> {
  const { workloads } = await configDump(cluster, 'west');
  return workloads.filter(({ services }) => services.includes(KEY)).map(({ workloadIps, network, protocol, capacity, networkGateway }) => `${workloadIps.join()} ${network} ${protocol} ${capacity} ${networkGateway === undefined || networkGateway === null ? '-' : `${networkGateway.destination}:${networkGateway.hboneMtlsPort}`}`).sort();
}

for (const [topology, wanted] of [
  ['flat', [/^10\.101\.0\.1 {2}HBONE 1 -$/, /^10\.102\.0\.1 {2}HBONE 1 -$/]],
  ['two-networks', [/^10\.101\.0\.1 near HBONE 1 -$/, /^10\.103\.0\.1 far HBONE 1 far\/192\.0\.2\.1:15008$/, /^10\.103\.0\.2 far HBONE 1 far\/192\.0\.2\.1:15008$/]],
  ['mixture', [/^10\.101\.0\.1 near HBONE 800000 -$/, /^10\.102\.0\.1 near HBONE 150000 -$/, /^10\.103\.0\.1 far HBONE 25000 far\/192\.0\.2\.1:15008$/, /^10\.103\.0\.2 far HBONE 25000 far\/192\.0\.2\.1:15008$/]],
  ['many-endpoints', [/^10\.101\.15\.255 {2}HBONE 1 -$/, /^10\.101\.16\.0 {2}HBONE 1 -$/]],
] as const) {
  test.serial(`istiod tells ${topology} as it is meant`, async (t) => {
    const file = path.join(GOLDEN, `${topology}.yaml`);
    await cluster.kubectl(['apply', '--server-side', '-f', file]);
    let found: readonly string[] = [];
    const isAsWanted = (): boolean => found.length === wanted.length && wanted.every((pattern, i) => pattern.test(found[i] ?? ''));
    await waitFor(async () => {
      found = await endpoints();
      return isAsWanted() || undefined;
    }, { signal: never, timeoutMs: SETTLE_MS, what: topology }).catch(() => {});
    t.log(found.join('\n'));
    t.true(isAsWanted(), found.join('\n'));
    await cluster.kubectl(['delete', '-f', file]);
    await waitFor(async () => ((await endpoints()).length === 0 ? true : undefined), { signal: never, timeoutMs: SETTLE_MS, what: 'nothing of it to be left' });
  });
}
