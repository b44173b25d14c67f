import { KubernetesObjectApi, type CoreV1Event, type KubernetesListObject } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { keyOf } from '../kubernetes/types.ts';
import { ALONE } from '../leadership/leadership.ts';
import { Writer } from '../outputs/writer.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import { exampleView } from '../clusterset/example-cluster.ts';
import { MEMBER_VERSION, type MemberObject } from './member-object.ts';
import { MemberEvents } from './member-events.ts';
import { MemberObjects } from './member-objects.ts';
import { peerReport } from './member-report.ts';
import type { PeerPhase } from './peer-health.ts';

test('objects and events are taken by a real API server, once each', async (t) => {
  await using server = await TestApiServer.start();
  const refusals: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void refusals.push(line) });
  const client = KubernetesObjectApi.makeApiClient(server.config);
  let members = new Map<string, MemberObject>();
  const list = async (): Promise<readonly MemberObject[]> => ((await client.list(MEMBER_VERSION, 'Member')) as KubernetesListObject<MemberObject>).items;
  let phase: PeerPhase = 'ready';
  const names = ['west', 'north'];
  const report = (cluster: string) => peerReport({ member: exampleMember(cluster, exampleKeys()), view: exampleView(cluster), status: { phase, sinceMs: 1_700_000_000_000, heardMs: 1_700_000_000_000, differs: false }, standing: 'first', held: 0, ownState: 'connected', nowMs: 1_700_000_000_000 });
  const stop = new AbortController();
  using _stop = { [Symbol.dispose]: () => stop.abort() };
  const objects = new MemberObjects({
    objects: { versionOf: () => MEMBER_VERSION, at: ((_: unknown, key: string) => members.get(key)) as never, list: (() => [...members.values()]) as never },
    writer: new Writer(kubeConfigAccess(server.config, 'test'), log),
    reports: () => names.map(report),
    isWhole: () => true,
    leadership: ALONE,
    events: new MemberEvents(new ApiServerClient(kubeConfigAccess(server.config, 'test')), 'pod-a', log),
    log,
  });
  const running = objects.run(stop.signal);
  const becomes = async (holds: (found: readonly MemberObject[]) => boolean): Promise<void> => {
    await until(() => `it, and not ${JSON.stringify([...members.values()])} ${refusals.join('')}`, async () => {
      const found = await list();
      members = new Map(found.map((each) => [keyOf(each), { ...each, apiVersion: MEMBER_VERSION, kind: 'Member' }]));
      if (holds(found)) return true;
      objects.look();
      return false;
    });
  };
  await becomes((found) => found.length === 2 && found.every(({ status }) => status?.state === 'Ready'));
  t.deepEqual([...members.values()].map(({ status }) => [status?.since, status?.conditions.length]), [['2023-11-14T22:13:20Z', 4], ['2023-11-14T22:13:20Z', 4]]);
  const versions = (): (string | undefined)[] => [...members.values()].map(({ metadata }) => metadata?.resourceVersion);
  const before = versions();
  // Two looks at everything at least.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await becomes(() => true);
  t.deepEqual(versions(), before, 'what is there is not written again');

  phase = 'stale';
  await becomes((found) => found.every(({ status }) => status?.state === 'Stale'));
  // The API server has events of its own there, as of a Service whose address its repair has not seen yet.
  const events = async (): Promise<readonly CoreV1Event[]> => ((await client.list('v1', 'Event', 'default')) as KubernetesListObject<CoreV1Event>).items.filter(({ involvedObject }) => involvedObject.kind === 'Member');
  await until('events', async () => (await events()).length >= 2);
  t.deepEqual((await events()).map(({ involvedObject, reason, type }) => [involvedObject.kind, involvedObject.name, type, reason]).sort(), [['Member', 'north', 'Warning', 'Stale'], ['Member', 'west', 'Warning', 'Stale']]);

  names.pop();
  await becomes((found) => found.length === 1 && found[0]?.metadata?.name === 'west');
  t.deepEqual(refusals, []);
  stop.abort();
  await running;
});
