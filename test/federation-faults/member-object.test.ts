/** A whole federation service, with the rights that its chart gives it and a hub of its own, shows in the object of its own cluster that the hub is away. */
import { CoreV1Api, KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';
import { startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { MEMBER_VERSION, type MemberObject } from '@landbridge/federation/peers/member-object.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import { render } from '../charts/render.ts';
import { Replica } from '../replicas/replica.ts';
import { until } from '@landbridge/lab/until.ts';

const NAMESPACE = 'landbridge-system';

/** The config with the token of the chart's service account, and no other right than the chart's. */
async function asService(admin: KubeConfig): Promise<KubeConfig> {
  const client = KubernetesObjectApi.makeApiClient(admin);
  for (const manifest of await render('federation', { 'cluster.name': 'east' })) if (['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'].includes(manifest.kind)) await client.create(manifest);
  const { status } = await admin.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({ namespace: NAMESPACE, name: 'landbridge-federation', body: { spec: { audiences: [], expirationSeconds: 3600 } } });
  const config = new KubeConfig();
  const cluster = admin.getCurrentCluster();
  if (cluster === null) throw new Error('no cluster');
  config.loadFromClusterAndUser(cluster, { name: 'service', token: status?.token ?? '' });
  return config;
}

test('the Member of a founder is Ready, Degraded without the hub, and Ready again', async (t) => {
  await using server = await TestApiServer.start();
  await using hub = await startExampleHub();
  const core = server.config.makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: NAMESPACE } } });
  await core.createNamespacedSecret({ namespace: NAMESPACE, body: { metadata: { name: 'landbridge-hub-authority' }, stringData: { 'hub.json': JSON.stringify(hub.authority) } } });
  await using replica = await Replica.start('federation-a', await asService(server.config));
  const client = KubernetesObjectApi.makeApiClient(server.config);
  let status: MemberObject['status'];
  const reading = new AbortController();
  const reads = (async () => {
    while (!reading.signal.aborted) {
      status = await client.read<MemberObject>({ apiVersion: MEMBER_VERSION, kind: 'Member', metadata: { name: 'east' } }).then((member) => member.status, () => undefined);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  })();
  const becomes = async (state: string): Promise<void> => void (await until(() => `${state}: ${JSON.stringify(status)}`, () => status?.state === state));
  await becomes('Ready');
  await hub.server.kill();
  await becomes('Degraded');
  t.like(status?.conditions.find(({ type }) => type === 'Degraded'), { status: 'True', reason: 'NoHub' });
  await hub.server.boot();
  await becomes('Ready');
  const events = (await core.listNamespacedEvent({ namespace: 'default' })).items.filter(({ involvedObject }) => involvedObject.kind === 'Member').map(({ reason, type }) => `${type} ${reason}`);
  t.true(events.includes('Warning Degraded'), events.join());
  t.deepEqual(replica.log.filter((line) => JSON.stringify(line).includes('orbidden')), [], 'no right is missing');
  reading.abort();
  await reads;
});
