import { CoreV1Api, KubeConfig, KubernetesObjectApi } from '@kubernetes/client-node';
import { CertificateRequests } from '@landbridge/federation/ca/csr/certificate-requests.ts';
import { authorityElsewhere, ExampleSigningController } from '@landbridge/federation/ca/csr/example-signing-controller.ts';
import { REQUESTS_PATH } from '@landbridge/federation/ca/csr/request-object.ts';
import { exampleSigning, soon } from '@landbridge/federation/ca/signer.contract.ts';
import { KubernetesSecretStore } from '@landbridge/federation/kubernetes/kubernetes-secret-store.ts';
import { kubeConfigAccess } from '@landbridge/federation/kubernetes/kube-config-access.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import { pino } from 'pino';
import { render } from './render.ts';

const NAMESPACE = 'landbridge-system';
const SIGNER = 'example.com/mesh';

/** The same server, as the service account of the federation service. */
async function asService(server: TestApiServer): Promise<KubeConfig> {
  const { status } = await server.config.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({ name: 'landbridge-federation', namespace: NAMESPACE, body: { spec: { audiences: ['https://kubernetes.default.svc.cluster.local'] } } });
  const config = new KubeConfig();
  config.loadFromClusterAndUser(server.config.getCurrentCluster() as NonNullable<ReturnType<KubeConfig['getCurrentCluster']>>, { name: 'service', token: status?.token ?? '' });
  return config;
}

test('with the rights of its chart, and no more, the service has requests signed by its signer, and by no other one', async (t) => {
  await using server = await TestApiServer.start();
  const admin = KubernetesObjectApi.makeApiClient(server.config);
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const manifests = await render('federation', { 'cluster.name': 'west', 'ca.source': 'csr', 'ca.signerName': SIGNER, 'ca.rootsConfigMap': 'mesh-roots' });
  for (const manifest of manifests.filter(({ kind }) => kind === 'ServiceAccount' || kind.includes('Role'))) await admin.create(manifest);
  const elsewhere = authorityElsewhere();
  for (const name of ['mesh-roots', 'others']) await admin.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: NAMESPACE }, data: { 'ca.crt': elsewhere.root.pem } } as never);
  const service = await asService(server);
  const client = new ApiServerClient(kubeConfigAccess(service, 'landbridge-test/1'));
  const store = new KubernetesSecretStore(client, NAMESPACE);
  t.deepEqual(await store.readConfigMap('mesh-roots'), { 'ca.crt': elsewhere.root.pem });
  await t.throwsAsync(store.readConfigMap('others'), { message: /answered 403/ });

  const stop = new AbortController();
  const of = (signerName: string): CertificateRequests => new CertificateRequests({ watches: client, writes: client, signerName, approves: true, me: { pod: `pod-${signerName.replace('/', '-')}`, run: 'r1' }, clock: Date.now, log: pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' }) });
  const [own, other] = [of(SIGNER), of('example.com/other')];
  const running = Promise.all([own.run(stop.signal), other.run(stop.signal), ...[SIGNER, 'example.com/other'].map(async (signerName) => await new ExampleSigningController(server.config, elsewhere.signer, { signerName }).run(stop.signal))]);
  const { requestPem } = exampleSigning([{ kind: 'uri', value: 'spiffe://west.landbridge/ns/shop/sa/cart' }]);
  t.regex(await own.sign(requestPem, 3600, soon()), /BEGIN CERTIFICATE/);
  await t.throwsAsync(other.sign(requestPem, 3600, soon()), { message: /could not be approved: .*403.*/ });
  stop.abort();
  await running;
  t.is(await server.count(REQUESTS_PATH), 0);
});
