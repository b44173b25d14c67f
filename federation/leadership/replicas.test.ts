import { CoordinationV1Api } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { LeaseWatch } from './lease-watch.ts';
import type { ReplicaReport } from './replica-report.ts';
import { Replicas } from './replicas.ts';

const silent = pino({ level: 'silent' });
const labels = { 'app.kubernetes.io/name': 'landbridge-federation' };
const report = (changes: Partial<ReplicaReport> = {}): ReplicaReport => ({ v: 1, roots: 'a'.repeat(64), connected: 1, confirmed: 1, trusted: [], ...changes });

let server: TestApiServer;
let leases: CoordinationV1Api;
test.before(async () => {
  server = await TestApiServer.start();
  leases = server.config.makeApiClient(CoordinationV1Api);
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

interface Running extends AsyncDisposable {
  readonly replicas: Replicas;
  readonly said: () => readonly (readonly [string, number | undefined])[];
}

function run(pod: string, { gated = false, echoMs = 10_000 } = {}): Running {
  const client = new ApiServerClient(kubeConfigAccess(gated ? server.gatedConfig : server.config, 'test'));
  const watch = new LeaseWatch(client, { namespace: 'default', labels }, silent);
  const replicas = new Replicas({ client, namespace: 'default', labels, pod, podUid: `uid-of-${pod}`, electionName: 'landbridge-federation', leases: () => watch.leases, log: silent, echoMs });
  const stop = new AbortController();
  const running = Promise.all([watch.run(() => replicas.saw(), stop.signal), replicas.run(stop.signal)]);
  return {
    replicas,
    said: () => replicas.others().map((other) => [other.pod, other.report?.connected] as const),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

test.serial('replicas hear of each other what they said last, and what one that is gone said until its Lease is removed', async (t) => {
  await leases.createNamespacedLease({ namespace: 'default', body: { metadata: { name: 'landbridge-federation', labels }, spec: { holderIdentity: 'a_1' } } });
  await leases.createNamespacedLease({ namespace: 'default', body: { metadata: { name: 'of-somebody-else' } } });
  await using a = run('a');
  t.false(a.replicas.isKnown);
  {
    await using b = run('b');
    a.replicas.report(report());
    b.replicas.report(report({ connected: 3 }));
    await until('each to hear of the other', () => a.said().length === 1 && b.said().length === 1);
    t.deepEqual([a.said(), b.said()], [[['b', 3]], [['a', 1]]]);
    t.true(a.replicas.isKnown);
    for (const connected of [4, 5, 6]) b.replicas.report(report({ connected }));
    await until('the last report', () => a.said()[0]?.[1] === 6);
  }
  t.like((await leases.readNamespacedLease({ namespace: 'default', name: 'b' })).metadata?.ownerReferences?.[0], { kind: 'Pod', name: 'b', uid: 'uid-of-b' });
  t.deepEqual(a.said(), [['b', 6]]);
  await leases.deleteNamespacedLease({ namespace: 'default', name: 'b' });
  await until('it to be forgotten', () => a.said().length === 0);
});

test.serial('a Lease that somebody removed is written again, and one that could not be written later', async (t) => {
  await using c = run('c', { gated: true, echoMs: 0 });
  server.gate.close();
  c.replicas.report(report());
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.false(c.replicas.isKnown);
  server.gate.open();
  await until('it to be written', () => c.replicas.isKnown);
  await using d = run('d');
  await until('it to be heard of', () => d.said().some(([pod]) => pod === 'c'));
  const { metadata } = await leases.readNamespacedLease({ namespace: 'default', name: 'c' });
  await leases.deleteNamespacedLease({ namespace: 'default', name: 'c' });
  const again = await until('it to be written again', async () => await leases.readNamespacedLease({ namespace: 'default', name: 'c' }).catch(() => undefined));
  t.not(again.metadata?.uid, metadata?.uid);
});
