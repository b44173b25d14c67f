import { randomUUID } from 'node:crypto';
import { CoordinationV1Api } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { candidate } from './election.ts';
import { Elector } from './elector.ts';
import { KubernetesLeaseStore, leasesPath } from './kubernetes-lease-store.ts';
import { LeaseWatch } from './lease-watch.ts';
import { leaseStoreContract } from './lease-store.contract.ts';
import { MemoryLeaseStore } from './memory-lease-store.ts';

const LABELS = { 'app.kubernetes.io/name': 'landbridge-federation' };
const silent = pino({ level: 'silent' });

let server: TestApiServer;
let leases: CoordinationV1Api;
let client: ApiServerClient;
test.before(async () => {
  server = await TestApiServer.start();
  leases = server.config.makeApiClient(CoordinationV1Api);
  client = new ApiServerClient(kubeConfigAccess(server.config, 'test'));
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

leaseStoreContract(test, 'memory', async () => {
  const store = new MemoryLeaseStore();
  return { store, remove: async () => store.remove() };
});
leaseStoreContract(test.serial, 'kubernetes', async () => {
  const name = `l-${randomUUID().slice(0, 8)}`;
  return { store: new KubernetesLeaseStore(client, { namespace: 'default', name, labels: LABELS }), remove: async () => void (await leases.deleteNamespacedLease({ name, namespace: 'default' })) };
});

test.serial('kubernetes: a Lease says what kubectl shows of it', async (t) => {
  const store = new KubernetesLeaseStore(client, { namespace: 'default', name: 'shown', labels: LABELS });
  const read = async (): Promise<{ metadata: { labels: object }; spec: { acquireTime: string; renewTime: string } }> => (await client.get(`${leasesPath('default')}/shown`, AbortSignal.timeout(60_000))) as never;
  const made = await store.write({ holder: 'pod-1_x', durationMs: 15_000, transitions: 0, isTaken: true }, undefined, AbortSignal.timeout(60_000));
  const first = await read();
  t.like(first.spec, { holderIdentity: 'pod-1_x', leaseDurationSeconds: 15, leaseTransitions: 0 });
  t.deepEqual(first.metadata.labels, LABELS);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await store.write({ holder: 'pod-1_x', durationMs: 15_000, transitions: 0, isTaken: false }, made, AbortSignal.timeout(60_000));
  const { spec } = await read();
  t.is(spec.acquireTime, first.spec.acquireTime, 'a renewal does not take it anew');
  t.true(Date.parse(spec.renewTime) > Date.parse(first.spec.renewTime));
});

test.serial('kubernetes: of two replicas one leads, and the other within a second of its end', async (t) => {
  const stop = new AbortController();
  const address = { namespace: 'default', name: 'led', labels: LABELS };
  const begin = (pod: string): { readonly elector: Elector; readonly watching: Promise<void> } => {
    const elector = new Elector({ store: new KubernetesLeaseStore(client, address), me: candidate(pod, 'x'), log: silent });
    elector.begin();
    const watch = new LeaseWatch(client, { namespace: 'default', labels: LABELS }, silent);
    return { elector, watching: watch.run(() => elector.saw(watch.leases.get('led')), stop.signal) };
  };
  const a = begin('a');
  await until('the first to lead', () => a.elector.isLeading);
  const b = begin('b');
  await until('the second to know', () => b.elector.leader === 'a_x');
  t.deepEqual([a.elector.isLeading, b.elector.isLeading], [true, false]);
  await until('the second to have seen it', () => b.elector.otherSeenMs > 0);
  const endedMs = performance.now();
  await a.elector[Symbol.asyncDispose]();
  await until('the second to lead', () => b.elector.isLeading);
  const tookMs = performance.now() - endedMs;
  t.true(tookMs < 1000, `${tookMs} ms`);
  t.is((await leases.readNamespacedLease({ name: 'led', namespace: 'default' })).spec?.leaseTransitions, 1);
  await b.elector[Symbol.asyncDispose]();
  stop.abort();
  await Promise.all([a.watching, b.watching]);
});

test.serial('kubernetes: who can not reach the API server any more stops to lead by itself, before anybody else may', async (t) => {
  const gated = new ApiServerClient(kubeConfigAccess(server.gatedConfig, 'test'));
  const address = { namespace: 'default', name: 'cut', labels: LABELS };
  const times = { leaseMs: 4000, renewMs: 2000, retryMs: 300 };
  await using cut = new Elector({ store: new KubernetesLeaseStore(gated, address), me: candidate('a', 'x'), log: silent, times });
  cut.begin();
  await until('the one to be cut to lead', () => cut.isLeading);
  await using other = new Elector({ store: new KubernetesLeaseStore(client, address), me: candidate('b', 'x'), log: silent, times });
  other.begin();
  let both = false;
  let [endedMs, begunMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const look = (): void => void (both ||= cut.isLeading && other.isLeading);
  using _ended = cut.onChange(() => {
    endedMs = performance.now();
    look();
  });
  using _begun = other.onChange(() => {
    begunMs = performance.now();
    look();
  });
  server.gate.close();
  await until('the other one to lead', () => other.isLeading);
  const gapMs = begunMs - endedMs;
  t.false(both);
  t.true(gapMs > 500, `${gapMs} ms`);
  server.gate.open();
  await until('it to see who leads', () => cut.leader === 'b_x');
  t.false(cut.isLeading);
});
