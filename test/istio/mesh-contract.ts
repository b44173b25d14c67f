/** What must hold between our agents and ztunnel, whoever is their control plane. */
import test, { type ExecutionContext } from 'ava';
import { waitFor } from '@landbridge/lab/wait.ts';
import { segmentsOf } from '../e2e/packet-capture.ts';
import { openCalls } from '../replacement/load.ts';
import { NAME_SERVER, resolve4 } from './calls.ts';
import { type Account, NAMESPACE, type NodeName } from './cluster.ts';
import type { ControlPlane } from './control-plane.ts';
import { configDump, metrics, type Trust } from './node-proxies.ts';
import { differingTable, policyTable } from './policy-table.ts';
import { CALLERS, type Caller, ECHO_PORT, GREETER_PORT, NODES, PLAIN, PODS, SERVERS, type TrialMesh } from './trial-mesh.ts';

const HBONE_PORT = 15008;
const SERVICE_PORT = 80;
const SETTLE_MS = 30_000;
const OPEN = 10;

export interface Under {
  readonly trial: TrialMesh;
  readonly control: ControlPlane & { start(): Promise<void>; kill(): Promise<void> };
  readonly who: 'istiod' | 'ours';
  /** Whose policies are for all namespaces. */
  readonly root: string;
  readonly accounts: Readonly<Record<NodeName, Account>>;
  readonly trust: Trust;
}

const never = new AbortController().signal;

/** Tests that follow each other; `under` is asked in each. */
export function registerCalls(under: () => Under): void {
  test.serial('our agents and ztunnel become ready, and are told of all pods', async (t) => {
    const { trial, control, accounts, trust } = under();
    const began = performance.now();
    await trial.startProxies(control, accounts, trust);
    t.log(`all proxies were ready ${Math.round(performance.now() - began)} ms after the first one was started`);
    await trial.untilTold();
    t.pass();
  });

  test.serial('each proxy has certificates for its pods and for no others', async (t) => {
    const { trial, control } = under();
    for (const node of NODES) {
      const identities = async (): Promise<readonly string[]> => (await configDump(trial.cluster, node)).certificates.map(({ identity }) => identity).filter((identity) => identity.includes(`/ns/${NAMESPACE}/`)).sort();
      const wanted = PODS[node].map((name) => `spiffe://${control.trustDomain}/ns/${NAMESPACE}/sa/${name}`).sort();
      // ztunnel asks for one when it is needed.
      if (node !== 'north') t.deepEqual(await identities(), wanted, node);
      else for (const identity of await identities()) t.true(wanted.includes(identity), identity);
    }
  });

  test.serial('pods call each other by address and by Service, and see who calls', async (t) => await callAll(t, under().trial));

  test.serial('names of Services are answered alike', async (t) => {
    const { trial } = under();
    for (const name of ['b', 'b.demo', 'b.demo.svc', 'b.demo.svc.cluster.local']) {
      const wanted = JSON.stringify([await trial.cluster.serviceAddress('b')]);
      for (const caller of CALLERS) t.is(await trial.pod(caller).run(resolve4(NAME_SERVER, name)), wanted, `${name} of ${caller}`);
    }
  });

  test.serial('between nodes nothing is said in plaintext, and ztunnel and our agents count mutual TLS', async (t) => {
    const { trial } = under();
    for (const [from, to] of [['west', 'east'], ['west', 'north'], ['east', 'north'], ['north', 'west'], ['north', 'east']] as const) {
      const [caller, server] = [PODS[from][0], trial.pod(PODS[to][1])];
      const packets = await trial.cluster.node(from).captureWan(`tcp and host ${server.address}`);
      t.regex(Object.values(await trial.call(caller, [`${server.address} ${GREETER_PORT}`]))[0] ?? '', /^app saw/);
      const segments = segmentsOf(await packets.stop());
      t.true(segments.length > 0, `${from} to ${to}: packets were seen`);
      for (const { sourcePort, destinationPort, payload } of segments) {
        t.true(sourcePort === HBONE_PORT || destinationPort === HBONE_PORT, `${from} to ${to}: ${sourcePort} to ${destinationPort}`);
        t.false(payload.includes('app saw'), `${from} to ${to}`);
      }
    }
    for (const node of NODES) t.regex(await metrics(trial.cluster, node), /istio_tcp_connections_opened_total\{[^}]*reporter="destination"[^}]*connection_security_policy="mutual_tls"[^}]*\} [1-9]/, node);
  });

  test.serial('what is not in the mesh is reached and reaches in plaintext', async (t) => {
    const { trial } = under();
    t.deepEqual(await trial.reach([PLAIN]), Object.fromEntries(SERVERS.map((name) => [name, [PLAIN]])));
  });

  test.serial('policies hold alike at our agents and at ztunnel', async (t) => {
    const { trial, control, root, who } = under();
    let before: readonly object[] = [];
    for (const { what, policies, allowed } of [...policyTable(trial, control.trustDomain, root), ...differingTable(who)]) {
      await trial.setPolicies(before, policies);
      const wanted = Object.fromEntries(SERVERS.map((name) => [name, [...allowed]]));
      let found: Readonly<Record<string, readonly Caller[]>> = {};
      // Workloads are told which policies are theirs by another answer than the policies.
      await waitFor(async () => JSON.stringify((found = await trial.reach([...CALLERS, PLAIN]))) === JSON.stringify(wanted) || undefined, { signal: never, timeoutMs: SETTLE_MS / 2, what }).catch(() => {});
      t.deepEqual(found, wanted, what);
      before = policies;
    }
    await trial.setPolicies(before, []);
  });

  test.serial('a policy cuts connections that are open, at our agents and at ztunnel', async (t) => {
    const { trial, control } = under();
    const servers = SERVERS.map((name) => trial.pod(name));
    const open = await Promise.all(servers.map(async ({ address }) => await trial.pod('a').start(openCalls(address, ECHO_PORT, OPEN))));
    const began = performance.now();
    const deny = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: NAMESPACE, name: 'cut' }, spec: { action: 'DENY', rules: [{ from: [{ source: { principals: [`${control.trustDomain}/ns/${NAMESPACE}/sa/a`] } }] }] } };
    await trial.cluster.apply(deny);
    const ends = await Promise.all(open.map(async (calls, i) => {
      const line = await calls.line();
      t.log(`${OPEN} connections to ${SERVERS[i]} ended after ${Math.round(performance.now() - began)} ms: ${line}`);
      return Object.values(JSON.parse(line) as Record<string, number>).reduce((sum, count) => sum + count, 0);
    }));
    t.deepEqual(ends, SERVERS.map(() => OPEN));
    await trial.setPolicies([deny], []);
  });

  test.serial('pods go on while the control plane is away, and changes are told when it is back', async (t) => {
    const { trial, control } = under();
    await control.kill();
    const everyone = Object.fromEntries(SERVERS.map((name) => [name, [...CALLERS]]));
    t.deepEqual(await trial.reach(CALLERS), everyone, 'while it is away');
    await control.start();
    const deny = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: NAMESPACE, name: 'after' }, spec: { action: 'DENY', rules: [{ from: [{ source: { principals: [`${control.trustDomain}/ns/${NAMESPACE}/sa/c`] } }] }] } };
    await trial.setPolicies([], [deny]);
    t.deepEqual(await trial.reach(CALLERS), Object.fromEntries(SERVERS.map((name) => [name, ['a', 'z']])), 'once it is back');
    await trial.setPolicies([deny], []);
    t.deepEqual(await trial.reach(CALLERS), everyone, 'at the end');
  });
}

/** Puts other proxies in the place of those that {@link registerCalls} has started. ztunnel (62d8265) goes on following all: it waits for an answer of the name that it asked for, an address, and no control plane calls a resource so. */
export function registerOnDemand(under: () => Under): void {
  test.serial('pods call each other where our agents ask for what they need instead of following all', async (t) => {
    const { trial, control, accounts, trust } = under();
    await trial.startProxies(control, accounts, trust, { XDS_ON_DEMAND: 'true' });
    await callAll(t, trial);
    const deny = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: NAMESPACE, name: 'on-demand' }, spec: { action: 'DENY', rules: [{ from: [{ source: { principals: [`${control.trustDomain}/ns/${NAMESPACE}/sa/a`] } }] }] } };
    await trial.setPolicies([], [deny]);
    t.deepEqual(await trial.reach(CALLERS), Object.fromEntries(SERVERS.map((name) => [name, ['c', 'z']])));
    await trial.setPolicies([deny], []);
  });
}

/** From each pod that calls to each that is called. */
async function callAll(t: ExecutionContext, trial: TrialMesh): Promise<void> {
  for (const caller of CALLERS) {
    const targets = await Promise.all(SERVERS.map(async (name) => [`${trial.pod(name).address} ${GREETER_PORT}`, `${await trial.cluster.serviceAddress(name)} ${SERVICE_PORT}`]));
    const outcomes = await trial.call(caller, targets.flat());
    for (const [i, name] of SERVERS.entries()) for (const target of targets[i] ?? []) t.is(outcomes[target], `app saw ${trial.pod(caller).address}`, `${caller} to ${name} by ${target}`);
  }
}
