import { CertificatesV1Api, CoreV1Api } from '@kubernetes/client-node';
import { GrpcCertificateAuthority } from '@landbridge/agent/identity/ca-client.ts';
import { makeRequest } from '@landbridge/agent/identity/csr.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { authorityElsewhere, ExampleSigningController, SIGNER_NAME } from '@landbridge/federation/ca/csr/example-signing-controller.ts';
import { openssl } from '@landbridge/federation/ca/example-requests.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { agentToken } from './agent-token.ts';
import { Replica } from './replica.ts';

const NAMESPACE = 'landbridge-system';
const CART = 'spiffe://east.landbridge/ns/shop/sa/cart' as SpiffeId;

test('a service that starts before its signer waits for it, leaves nothing where it is killed, and then has what agents ask for signed', async (t) => {
  t.timeout(180_000);
  await using server = await TestApiServer.start();
  const [core, requests] = [server.config.makeApiClient(CoreV1Api), server.config.makeApiClient(CertificatesV1Api)];
  const elsewhere = authorityElsewhere();
  for (const name of [NAMESPACE, 'shop']) await core.createNamespace({ body: { metadata: { name } } });
  await core.createNamespacedConfigMap({ namespace: NAMESPACE, body: { metadata: { name: 'mesh-roots' }, data: { 'ca.crt': elsewhere.root.pem } } });
  const token = await agentToken(server.config, 'node-1');
  await core.createNamespacedServiceAccount({ namespace: 'shop', body: { metadata: { name: 'cart' } } });
  await core.createNamespacedPod({ namespace: 'shop', body: { metadata: { name: 'cart-1' }, spec: { nodeName: 'node-1', serviceAccountName: 'cart', containers: [{ name: 'cart', image: 'cart' }] } } });
  const names = async (): Promise<string[]> => (await requests.listCertificateSigningRequest()).items.map(({ metadata }) => metadata?.name ?? '');
  const configuration = { ca: { source: 'csr', signerName: SIGNER_NAME, rootsConfigMap: 'mesh-roots' } };

  const killed = await Replica.start('federation-a', server.config, 'east', configuration);
  const [left = ''] = await until('a request for the service’s own certificate', async () => (await names()).length === 1 && (await names()));
  await killed.end('SIGKILL');
  await killed[Symbol.asyncDispose]();
  await using replica = await Replica.start('federation-a', server.config, 'east', configuration);
  await until('the next one to delete what was left', async () => !(await names()).includes(left) && (await names()).length === 1);
  t.false(await replica.isReady());

  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const controlling = new ExampleSigningController(server.config, elsewhere.signer).run(stop.signal);
  await until('the service to be ready', async () => await replica.isReady());
  // The leader's to write, and the lead comes after the readiness.
  const told = await until('the roots to be told', async () => await core.readNamespacedConfigMap({ namespace: NAMESPACE, name: 'landbridge-ca-root' }).then(({ data }) => data?.['root-cert.pem'], () => undefined));
  t.is(told, elsewhere.root.pem);
  const authority = new GrpcCertificateAuthority({ address: `https://localhost:${replica.agentsPort}`, rootPem: () => Buffer.from(told), serverName: 'landbridge-federation', token: () => token }, 'east');
  const { requestPem } = await makeRequest(CART);
  const { chainPem, rootsPem } = await authority.issue(CART, requestPem, 86_400, AbortSignal.timeout(30_000));
  t.is(rootsPem, elsewhere.root.pem);
  t.regex(openssl(['verify', '-CAfile', '@root.pem', '-untrusted', '@chain.pem', '@chain.pem'], { 'root.pem': told, 'chain.pem': chainPem }), /: OK/);
  const other = await makeRequest('spiffe://east.landbridge/ns/kube-system/sa/default' as SpiffeId);
  await t.throwsAsync(authority.issue(CART, other.requestPem, 86_400, AbortSignal.timeout(30_000)), { message: /the certificate request is for "spiffe:\/\/east\.landbridge\/ns\/kube-system\/sa\/default", not for/ });
  await until('all requests to be deleted', async () => (await names()).length === 0);
  await replica.end('SIGTERM');
  stop.abort();
  await controlling;
});
