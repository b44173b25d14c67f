import { KubeConfig } from '@kubernetes/client-node';
import { fatalLine } from '@landbridge/core/errors.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { startAdminServer } from './admin/admin-server.ts';
import { Authenticator } from './ca/authenticator.ts';
import { CertificateService } from './ca/certificate-service.ts';
import { loadAuthority } from './ca/root-secret.ts';
import { adminBackend } from './clusterset/admin-backend.ts';
import { Clusterset } from './clusterset/clusterset.ts';
import { readConfig } from './config.ts';
import { startGrpcServer } from './grpc-server.ts';
import { startHealthServer } from './health-server.ts';
import { makeLog } from './log.ts';
import { Membership } from './hub/membership.ts';
import { KubernetesSecretStore } from './kubernetes/kubernetes-secret-store.ts';
import type { ObjectSource, ResourceKind } from './kubernetes/object-source.ts';
import { kubeConfigAccess } from './kubernetes/kube-config-access.ts';
import { KubernetesObjectSource } from './kubernetes/kubernetes-object-source.ts';
import { SecretTokenStore } from './kubernetes/secret-token-store.ts';
import { tokenReviewer } from './kubernetes/token-review.ts';
import { Writer } from './outputs/writer.ts';
import { AdsService } from './xds/ads-service.ts';

const AGENT_PORT = 15012;
const HEALTH_PORT = 15014;
const ADMIN_PORT = 15000;
const VERSION = '0.1.0';
const SERVICE = 'landbridge-federation';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = makeLog(config);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const kubernetes = new KubeConfig();
  kubernetes.loadFromDefault();
  const secrets = new KubernetesSecretStore(kubernetes, config.namespace);

  const authority = await loadAuthority(secrets, config.trustDomain, Date.now());
  const roots = [authority.rootDer];
  const authenticator = new Authenticator(tokenReviewer(kubernetes), config.namespace, Date.now);
  const ads = new AdsService(authenticator, log.child({ scope: 'discovery' }));
  const membership = new Membership({
    cluster: config.cluster,
    trustDomain: config.trustDomain,
    network: config.network,
    roots,
    secrets,
    tokens: new SecretTokenStore(secrets),
    clock: Date.now,
    log,
    onChange: () => clusterset.notify(),
  });
  const apiServer = new ApiServerClient(kubeConfigAccess(kubernetes, `${SERVICE}/${VERSION}`));
  const sourceOf = (kind: ResourceKind): ObjectSource => new KubernetesObjectSource(apiServer, kind, log.child({ scope: 'kubernetes' }));
  const clusterset = new Clusterset({ config, sourceOf, membership, writer: new Writer(kubernetes, log.child({ scope: 'output' })), ads, roots, version: VERSION, log });
  const certificates = new CertificateService(authority, authenticator, (node) => clusterset.identitiesOn(node), log.child({ scope: 'ca' }));

  await using _health = await startHealthServer(HEALTH_PORT, () => (clusterset.synced ? undefined : 'the objects of the cluster are not listed yet'));
  const { certificatePem, keyPem } = authority.issueServer([SERVICE, `${SERVICE}.${config.namespace}`, `${SERVICE}.${config.namespace}.svc`, `${SERVICE}.${config.namespace}.svc.cluster.local`], Date.now());
  await using _agents = await startGrpcServer({ port: AGENT_PORT, certificatePem, keyPem, createCertificate: certificates.handle, deltaAggregatedResources: ads.handle });
  await using admin = startAdminServer({ port: ADMIN_PORT, host: '127.0.0.1', backend: adminBackend(config, membership, clusterset), log: log.child({ scope: 'admin' }) });
  await admin.listening;
  log.info({ trust_domain: config.trustDomain, network: config.network }, 'federation service started');
  await Promise.all([membership.run(signal), clusterset.run(signal)]);
  log.info('federation service stops');
}

main().then(
  // Watches that are still open must not keep a stopped service alive.
  () => process.exit(0),
  (thrown: unknown) => {
    process.stderr.write(fatalLine(thrown));
    process.exit(1);
  },
);
