/** A cluster with all of its federation service but an API server and a hub: what its peers say, a test says. */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { ServiceRecord } from '@landbridge/core/records.ts';
import type { Authority } from '@landbridge/federation/ca/authority.ts';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { CertificateService } from '@landbridge/federation/ca/certificate-service.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { ExampleCluster, exampleView } from '@landbridge/federation/clusterset/example-cluster.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import { DialEvidence } from '@landbridge/federation/peers/dial-evidence.ts';
import type { ClusterView } from '@landbridge/federation/records/cluster-view.ts';
import { endpoint } from '@landbridge/federation/records/example-records.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import type { Logger } from 'pino';
import { CLUSTER, NAMESPACE, namespaceObject, SERVICE_PORT } from './pod-objects.ts';
import type { ToldPods } from './told-cluster.ts';

/** A peer in the same network, and the one endpoint of its export. */
export interface ToldPeer {
  readonly cluster: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly tunnel: 'hbone' | 'none';
}

export class PeeredCluster {
  readonly name = CLUSTER;
  readonly authority = exampleAuthority(`${CLUSTER}.landbridge`);
  readonly #cluster = new ExampleCluster(CLUSTER);
  readonly #authenticator: Authenticator;
  readonly #ads: AdsService;
  readonly #log: Logger;

  /** `nodeOf`: by the token of its agent. It ends with its process. */
  constructor(peers: readonly ToldPeer[], nodeOf: (token: string) => string, log: Logger) {
    const views = new Map(peers.map((peer) => [peer.cluster, viewOf(peer)]));
    const evidence = new DialEvidence({ isPeer: (cluster) => views.has(cluster), onChange: () => this.#cluster.clusterset.notify(), log }, new AbortController().signal);
    this.#authenticator = new Authenticator(async (token) => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: nodeOf(token), pod: 'agent' }), 'landbridge-system', Date.now);
    this.#ads = new AdsService(this.#authenticator, log, { onDials: (node, report) => evidence.report(node, report) });
    this.#log = log;
    this.#cluster.agents = { ads: this.#ads, evidence };
    this.#cluster.roots = this.authority.roots.map((root) => Buffer.from(root));
    this.#cluster.membership.views = views;
    this.#cluster.renew().start();
    this.#cluster.put({ apiVersion: 'v1', kind: 'Namespace', ...namespaceObject });
  }

  async serve(port: number, certificate: Awaited<ReturnType<Authority['issueServer']>>): Promise<void> {
    const identities = { runsOn: async (node: string, identity: SpiffeId) => this.#cluster.clusterset.identitiesOn(node).has(identity) };
    await startGrpcServer({ port, certificate, createCertificate: new CertificateService({ authority: this.authority, authenticator: this.#authenticator, identities, clock: Date.now, log: this.#log }).handle, deltaAggregatedResources: this.#ads.handle });
  }

  publish({ pods, objectOf }: ToldPods): void {
    for (const pod of pods) this.#cluster.put({ apiVersion: 'v1', kind: 'Pod', ...objectOf(pod) } as KubernetesObject);
  }
}

function viewOf({ cluster, service, address, port, tunnel }: ToldPeer): ClusterView {
  const trustDomain = `${cluster}.landbridge`;
  const record: ServiceRecord = { kind: 'svc', namespace: NAMESPACE, name: service, exportedAt: 1, type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: SERVICE_PORT }], sessionAffinity: 'None', ipFamilies: ['IPv4'] };
  const key = `${NAMESPACE}/${service}`;
  return exampleView(cluster, {
    services: new Map([[key, record]]),
    endpoints: new Map([[key, [{ ...endpoint(`${service}-${cluster}`, address), ports: [{ name: 'http', protocol: 'TCP', port }], tunnel }]]]),
    meta: { kind: 'meta', trustDomain, network: '', version: '0.1.0', roots: exampleAuthority(trustDomain).roots.map((root) => Buffer.from(root).toString('base64')) },
  });
}
