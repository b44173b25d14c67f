import { KubeConfig } from '@kubernetes/client-node';
import { fatalLine } from '@landbridge/core/errors.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { startAdminServer } from './admin/admin-server.ts';
import { Authenticator } from './ca/authenticator.ts';
import { CertificateService } from './ca/certificate-service.ts';
import { AuthorityKeeper } from './ca/authority-keeper.ts';
import { caSource } from './ca/ca-source.ts';
import { LookedUpIdentities } from './ca/node-identities.ts';
import { RootRotation } from './ca/root-rotation.ts';
import { renewServerCertificate } from './ca/server-certificate.ts';
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
import { podLookUp } from './kubernetes/pod-look-up.ts';
import { SecretTokenStore } from './kubernetes/secret-token-store.ts';
import { tokenReviewer } from './kubernetes/token-review.ts';
import { Writer } from './outputs/writer.ts';
import { podIdentities } from './registry/pod-identities.ts';
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

  const names = [SERVICE, `${SERVICE}.${config.namespace}`, `${SERVICE}.${config.namespace}.svc`, `${SERVICE}.${config.namespace}.svc.cluster.local`];
  const keeper = await AuthorityKeeper.open({ source: caSource(config.ca, secrets), secrets, demand: { trustDomain: config.trustDomain, dnsNames: names }, clock: Date.now, log: log.child({ scope: 'ca' }) });
  const { authority } = keeper;
  const authenticator = new Authenticator(tokenReviewer(kubernetes), config.namespace, Date.now);
  const ads = new AdsService(authenticator, log.child({ scope: 'discovery' }));
  const membership = new Membership({
    cluster: config.cluster,
    trustDomain: config.trustDomain,
    network: config.network,
    roots: () => authority.roots,
    secrets,
    tokens: new SecretTokenStore(secrets),
    clock: Date.now,
    log,
    onChange: () => clusterset.notify(),
  });
  const apiServer = new ApiServerClient(kubeConfigAccess(kubernetes, `${SERVICE}/${VERSION}`));
  const sourceOf = (kind: ResourceKind): ObjectSource => new KubernetesObjectSource(apiServer, kind, log.child({ scope: 'kubernetes' }));
  const clusterset = new Clusterset({ config, sourceOf, membership, writer: new Writer(kubernetes, log.child({ scope: 'output' })), ads, roots: () => authority.roots, version: VERSION, log });
  const lookUp = podLookUp(kubernetes);
  const identities = new LookedUpIdentities({ known: (node) => clusterset.identitiesOn(node), ask: async (node, namespace, asked) => podIdentities(await lookUp(node, namespace, asked), node, config.trustDomain) }, Date.now);
  const certificates = new CertificateService({ authority, authenticator, identities, clock: Date.now, log: log.child({ scope: 'ca' }) });

  await using _health = await startHealthServer(HEALTH_PORT, () => (clusterset.synced ? undefined : `not listed yet: ${clusterset.unlisted.join(', ')}`));
  using _follow = authority.onChange(() => clusterset.notify());
  const first = await authority.issueServer(names, Date.now(), signal);
  await using agents = await startGrpcServer({ port: AGENT_PORT, certificate: first, createCertificate: certificates.handle, deltaAggregatedResources: ads.handle });
  using _told = ads.onTrustAnswered(() => clusterset.notify());
  const rotation = new RootRotation({ isOwn: config.ca.source === 'self', secrets, trustDomain: config.trustDomain, facts: () => ({ nowMs: Date.now(), ...clusterset.rootsToldTo(), fault: keeper.fault }), takeUp: async () => await keeper.look(), log: log.child({ scope: 'ca' }) });
  await using admin = startAdminServer({ port: ADMIN_PORT, host: '127.0.0.1', backend: adminBackend(config, membership, clusterset, { status: () => keeper.status(), rotation }), log: log.child({ scope: 'admin' }) });
  await admin.listening;
  log.info({ trust_domain: config.trustDomain, network: config.network }, 'federation service started');
  await Promise.all([membership.run(signal), clusterset.run(signal), keeper.run(signal), renewServerCertificate({ authority, dnsNames: names, first, clock: Date.now, log: log.child({ scope: 'ca' }) }, (certificate) => agents.replaceCertificate(certificate), signal)]);
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
