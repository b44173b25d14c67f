import { randomBytes } from 'node:crypto';
import { fatalLine } from '@landbridge/core/errors.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { startAdminServer } from './admin/admin-server.ts';
import { Authenticator } from './ca/authenticator.ts';
import { CertificateService } from './ca/certificate-service.ts';
import { AuthorityKeeper } from './ca/authority-keeper.ts';
import { caSource } from './ca/ca-source.ts';
import { CertificateRequests } from './ca/csr/certificate-requests.ts';
import { LookedUpIdentities } from './ca/node-identities.ts';
import { RootRotation } from './ca/root-rotation.ts';
import { firstServerCertificate, renewServerCertificate } from './ca/server-certificate.ts';
import { adminBackend } from './clusterset/admin-backend.ts';
import { Clusterset } from './clusterset/clusterset.ts';
import { readConfig } from './config.ts';
import { startGrpcServer } from './grpc-server.ts';
import { startHealthServer } from './health-server.ts';
import { makeLog } from './log.ts';
import { Membership } from './hub/membership.ts';
import { KubernetesSecretStore } from './kubernetes/kubernetes-secret-store.ts';
import type { ObjectSource, ResourceKind } from './kubernetes/object-source.ts';
import { KubernetesObjectSource } from './kubernetes/kubernetes-object-source.ts';
import { podLookUp } from './kubernetes/pod-look-up.ts';
import { SecretTokenStore } from './kubernetes/secret-token-store.ts';
import { serviceAccess } from './kubernetes/service-access.ts';
import { tokenReviewer } from './kubernetes/token-review.ts';
import { podOf } from './leadership/election.ts';
import { Elector } from './leadership/elector.ts';
import { KubernetesLeaseStore } from './leadership/kubernetes-lease-store.ts';
import { LeaseWatch } from './leadership/lease-watch.ts';
import { Replicas } from './leadership/replicas.ts';
import { thisReplica } from './leadership/this-replica.ts';
import { Writer } from './outputs/writer.ts';
import { DialEvidence } from './peers/dial-evidence.ts';
import { MemberEvents } from './peers/member-events.ts';
import { peerTimes } from './peers/peer-times.ts';
import { readPorts } from './ports.ts';
import { podIdentities } from './registry/pod-identities.ts';
import { AdsService } from './xds/ads-service.ts';

/** The leader looks at the roots within five seconds, where nobody tells it before. */
const TOLD_MS = 10_000;
/** To the API server, for Secrets, and for tokens and pods that agents name. */
const ASKING_CONNECTIONS = 8;
/** Of requests for certificates, to the API server. */
const SIGNING_CONNECTIONS = 8;
const VERSION = '0.1.0';
const SERVICE = 'landbridge-federation';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const ports = readPorts(process.env);
  const log = makeLog(config);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const access = await serviceAccess(process.env, `${SERVICE}/${VERSION}`);
  const apiServer = new ApiServerClient(access);
  const asking = new ApiServerClient(access, { connections: ASKING_CONNECTIONS });
  const secrets = new KubernetesSecretStore(asking, config.namespace);

  const leases = { namespace: config.namespace, labels: { 'app.kubernetes.io/name': SERVICE, 'app.kubernetes.io/managed-by': 'landbridge' } };
  const leaseWatch = new LeaseWatch(apiServer, leases, log.child({ scope: 'leadership' }));
  const me = thisReplica(process.env);
  const replicas = new Replicas({ ...leases, client: apiServer, pod: me.pod, podUid: process.env['POD_UID'] || undefined, electionName: SERVICE, leases: () => leaseWatch.leases, log: log.child({ scope: 'leadership' }) });
  // Disposed of last, when nobody writes any more.
  await using elector = new Elector({ store: new KubernetesLeaseStore(apiServer, { ...leases, name: SERVICE }), me, log: log.child({ scope: 'leadership' }) });

  const names = [SERVICE, `${SERVICE}.${config.namespace}`, `${SERVICE}.${config.namespace}.svc`, `${SERVICE}.${config.namespace}.svc.cluster.local`];
  const requests = new CertificateRequests({ watches: apiServer, writes: new ApiServerClient(access, { connections: SIGNING_CONNECTIONS }), signerName: config.ca.signerName, approves: config.ca.approves, me: { pod: me.pod, run: randomBytes(4).toString('hex') }, clock: Date.now, log: log.child({ scope: 'ca' }) });
  const signing = config.ca.source === 'csr' ? requests.run(signal) : undefined;
  const keeper = await AuthorityKeeper.open({ source: caSource(config.ca, secrets, requests, Date.now), secrets, leadership: elector, demand: { trustDomain: config.trustDomain, dnsNames: names }, clock: Date.now, log: log.child({ scope: 'ca' }) });
  const { authority } = keeper;
  const authenticator = new Authenticator(tokenReviewer(asking), config.namespace, () => performance.now());
  const evidence = new DialEvidence({ isPeer: (cluster) => cluster !== config.cluster && config.peers.stalePolicy !== 'keep' && membership.views().has(cluster), onChange: () => clusterset.notify(), log: log.child({ scope: 'peers' }) }, signal);
  const ads = new AdsService(authenticator, log.child({ scope: 'discovery' }), { clusterDomain: config.domain, onDials: (node, report) => evidence.report(node, report) });
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
    leadership: elector,
    ...(config.tokenSecret === undefined ? {} : { tokenSecret: config.tokenSecret }),
    ...(config.leaf === undefined ? {} : { leaf: config.leaf }),
    peers: { times: peerTimes(config.peers), stalePolicy: config.peers.stalePolicy },
  });
  const sourceOf = (kind: ResourceKind): ObjectSource => new KubernetesObjectSource(apiServer, kind, log.child({ scope: 'kubernetes' }));
  const clusterset = new Clusterset({ config, sourceOf, membership, writer: new Writer(access, log.child({ scope: 'output' }), elector), leadership: elector, replicas, evidence, ads, roots: () => authority.roots, version: VERSION, events: new MemberEvents(apiServer, me.pod, log.child({ scope: 'peers' })), log });
  const lookUp = podLookUp(asking);
  const identities = new LookedUpIdentities({ known: (node) => clusterset.identitiesOn(node), ask: async (node, namespace, asked) => podIdentities(await lookUp(node, namespace, asked), node, config.trustDomain) }, Date.now);
  const certificates = new CertificateService({ authority, authenticator, identities, clock: Date.now, log: log.child({ scope: 'ca' }) });

  await using _health = await startHealthServer(ports.monitoring, () => (!clusterset.synced ? `not listed yet: ${clusterset.unlisted.join(', ')}` : replicas.isKnown ? undefined : 'not known to other replicas yet'));
  using _follow = authority.onChange(() => clusterset.notify());
  const first = await firstServerCertificate({ authority, dnsNames: names, clock: Date.now, log: log.child({ scope: 'ca' }) }, signal);
  if (first === undefined) return;
  await using agents = await startGrpcServer({ port: ports.agents, certificate: first, createCertificate: certificates.handle, deltaAggregatedResources: ads.handle });
  using _told = ads.onTrustAnswered(() => clusterset.lookAtTrust());
  const takeUp = async (): Promise<void> => {
    await keeper.look();
    await keeper.untilTold(AbortSignal.any([signal, AbortSignal.timeout(TOLD_MS)]));
  };
  const rotation = new RootRotation({ isOwn: config.ca.source === 'self', secrets, trustDomain: config.trustDomain, facts: () => ({ nowMs: Date.now(), ...clusterset.rootsToldTo(), fault: keeper.fault }), takeUp, log: log.child({ scope: 'ca' }) });
  await using admin = startAdminServer({ port: ports.admin, host: '127.0.0.1', backend: adminBackend(config, membership, clusterset, { status: () => keeper.status(), rotation }, () => ({ pod: me.pod, leader: podOf(elector.leader) })), log: log.child({ scope: 'admin' }) });
  await admin.listening;
  // Who has not listed everything could hold the lead, and write nothing.
  void clusterset.listed.then(() => elector.begin());
  log.info({ trust_domain: config.trustDomain, network: config.network }, 'federation service started');
  const sawLeases = (names: ReadonlySet<string>): void => {
    elector.saw(leaseWatch.leases.get(SERVICE));
    replicas.saw();
    // The leader's is written every other second.
    if ([...names].every((name) => name === SERVICE || name === me.pod)) return;
    clusterset.lookAtTrust();
    // Another one has taken up roots that this one has not seen.
    if (clusterset.rootsToldTo().agents.replicasBehind.length > 0) void keeper.look();
  };
  await Promise.all([signing, leaseWatch.run(sawLeases, signal), replicas.run(signal), membership.run(signal), clusterset.run(signal), keeper.run(signal), renewServerCertificate({ authority, dnsNames: names, first, clock: Date.now, log: log.child({ scope: 'ca' }) }, (certificate) => agents.replaceCertificate(certificate), signal)]);
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
