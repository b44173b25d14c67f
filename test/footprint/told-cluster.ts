/** One cluster as the federation service tells it to its agents. */
import { isIPv6 } from 'node:net';
import type { KubernetesObject, V1Pod } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import type { Authority } from '@landbridge/federation/ca/authority.ts';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { CertificateService } from '@landbridge/federation/ca/certificate-service.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import { exampleGateway } from '@landbridge/federation/networks/example-gateways.ts';
import type { RemoteGateways } from '@landbridge/federation/networks/remote-gateways.ts';
import { PolicyConverter } from '@landbridge/federation/policy/policy-view.ts';
import { localServices } from '@landbridge/federation/registry/local-endpoints.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import { addressResources } from '@landbridge/federation/xds/address-resources.ts';
import { authorizationResources } from '@landbridge/federation/xds/authorization-resources.ts';
import type { Import } from '@landbridge/federation/xds/imported-service.ts';
import type { Resource } from '@landbridge/federation/xds/resource.ts';
import { trustBundleResources } from '@landbridge/federation/xds/trust-bundles.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import { CLUSTER, type IdlePod, importAddress, NAMESPACE, namespaceObject, NODE, serviceAddress, serviceAddress6, SERVICE_PORT, TARGET_PORT } from './pod-objects.ts';

/** What the clusters of one control plane have in common. */
export interface ToldPods {
  readonly pods: readonly IdlePod[];
  /** AuthorizationPolicies and PeerAuthentications, as an API server has them. */
  readonly policies: readonly KubernetesObject[];
  /** Whether agents have said that tunnels to the pod are taken. */
  readonly takesTunnels: (pod: IdlePod) => boolean;
  readonly objectOf: (pod: IdlePod) => V1Pod;
}

/** Of its addresses: its place among all pods. */
function indexesOf(pods: readonly IdlePod[]): (pod: IdlePod) => number {
  const indexes = new Map(pods.map((pod, i) => [pod, i]));
  return (pod) => indexes.get(pod) ?? -1;
}

const isOf = (cluster: string) => (pod: IdlePod): boolean => (pod.cluster ?? CLUSTER) === cluster;

/**
 * Each pod is an endpoint of a Service of its own, whose address other pods of the cluster would call. Where there are
 * several clusters, each is in a network of its own, which has its name, and all Services are in the clusterset too.
 */
export class ToldCluster {
  readonly name: string;
  readonly authority: Authority;
  readonly #trustDomain: string;
  readonly #converter = new PolicyConverter('landbridge-system');
  readonly #authenticator = new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: NODE, pod: 'agent' }), 'landbridge-system', Date.now);
  readonly #log: Logger;
  readonly #ads: AdsService;
  #identities: ReadonlySet<SpiffeId> = new Set();

  constructor(name: string, log: Logger) {
    this.name = name;
    this.#trustDomain = `${name}.landbridge`;
    this.authority = exampleAuthority(this.#trustDomain);
    this.#log = log;
    this.#ads = new AdsService(this.#authenticator, log);
  }

  async serve(port: number, certificate: Awaited<ReturnType<Authority['issueServer']>>): Promise<void> {
    const identities = { runsOn: async (_: unknown, identity: SpiffeId) => this.#identities.has(identity) };
    await startGrpcServer({ port, certificate, createCertificate: new CertificateService({ authority: this.authority, authenticator: this.#authenticator, identities, clock: Date.now, log: this.#log }).handle, deltaAggregatedResources: this.#ads.handle });
  }

  publish(told: ToldPods, clusters: readonly ToldCluster[]): void {
    const { pods, policies, objectOf } = told;
    const own = pods.filter(isOf(this.name));
    const served = own.filter(({ isGateway }) => isGateway !== true);
    this.#identities = new Set(own.map(accountOf).flatMap((account) => {
      const id = spiffeId({ trustDomain: this.#trustDomain, ...account });
      return id.ok ? [id.value] : [];
    }));
    const objects = served.map(objectOf);
    const indexes = indexesOf(pods);
    const services = served.map((pod) => ({ metadata: { namespace: NAMESPACE, name: pod.name, uid: pod.name }, spec: { clusterIPs: [serviceAddress(indexes(pod)), serviceAddress6(indexes(pod))], ports: [{ name: 'http', port: SERVICE_PORT, protocol: 'TCP' }] } }));
    const slices = served.flatMap(({ name, address, addresses = [address], node = NODE }) => addresses.map((each, i) => ({ addressType: isIPv6(each) ? 'IPv6' : 'IPv4', metadata: { namespace: NAMESPACE, name: `${name}-${i}`, labels: { 'kubernetes.io/service-name': name } }, ports: [{ name: 'http', port: TARGET_PORT, protocol: 'TCP' }], endpoints: [{ addresses: [each], conditions: { ready: true }, nodeName: node, targetRef: { kind: 'Pod', namespace: NAMESPACE, name } }] })));
    const view = this.#converter.view({ authorizationPolicies: policies.filter(({ kind }) => kind === 'AuthorizationPolicy'), peerAuthentications: policies.filter(({ kind }) => kind === 'PeerAuthentication') });
    const inputs = { cluster: this.name, trustDomain: this.#trustDomain, network: networkOf(this, clusters), domain: 'cluster.local', policiesOf: view.namesFor, trafficOf: () => NO_TRAFFIC_POLICY, pods: objects, nodes: [], services: localServices({ services, slices, pods: objects, nodes: [], namespaces: [namespaceObject], exports: [], imports: [] }), imports: this.#imports(told, clusters), gateways: this.#gateways(told, clusters) };
    const bundles = clusters.map(({ authority, name }) => ({ trustDomain: `${name}.landbridge`, roots: authority.roots }));
    const types = new Map<string, ReadonlyMap<string, Resource>>([[ADDRESS_TYPE, addressResources(inputs)], [AUTHORIZATION_TYPE, authorizationResources(view.policies)], [TRUST_BUNDLE_TYPE, trustBundleResources(bundles)]]);
    this.#ads.publish({ types, isComplete: () => true, allComplete: true, allListed: true });
  }

  #imports({ pods, takesTunnels }: ToldPods, clusters: readonly ToldCluster[]): readonly Import[] {
    if (clusters.length === 1) return [];
    const indexes = indexesOf(pods);
    const ports = [{ name: 'http', protocol: 'TCP', port: SERVICE_PORT }] as const;
    const importOf = (pod: IdlePod, cluster: ToldCluster): Import['imported'] => {
      const endpoint: Endpoint = { workload: pod.name, addresses: [pod.address], ports: [{ name: 'http', protocol: 'TCP', port: TARGET_PORT }], ready: true, serving: true, terminating: false, serviceAccount: pod.name, tunnel: takesTunnels(pod) ? 'hbone' : 'none', node: pod.node ?? NODE, region: '', zone: '' };
      const part = { cluster: cluster.name, trustDomain: cluster.#trustDomain, network: networkOf(cluster, clusters), reach: cluster === this ? 'direct' : 'gateway', ports, endpoints: [endpoint] } as const;
      return { namespace: NAMESPACE, name: pod.name, type: 'ClusterSetIP', ports, sessionAffinity: 'None', sessionAffinityTimeoutSeconds: undefined, ipFamilies: ['IPv4'], internalTrafficPolicy: 'Cluster', trafficDistribution: undefined, labels: {}, annotations: {}, clusters: [part], precedence: [cluster.name], conflicts: [] };
    };
    return clusters.flatMap((cluster) => pods.filter(isOf(cluster.name)).filter(({ isGateway }) => isGateway !== true).map((pod) => ({ imported: importOf(pod, cluster), addresses: [importAddress(indexes(pod))] })));
  }

  #gateways({ pods }: ToldPods, clusters: readonly ToldCluster[]): readonly RemoteGateways[] {
    return clusters.filter((cluster) => cluster !== this).map((cluster) => ({
      cluster: cluster.name,
      trustDomain: cluster.#trustDomain,
      network: networkOf(cluster, clusters),
      gateways: pods.filter(isOf(cluster.name)).filter(({ isGateway }) => isGateway === true).map(({ address }) => exampleGateway(address)),
    }));
  }
}

/** Networks are told apart only where there are several. */
const networkOf = ({ name }: ToldCluster, clusters: readonly ToldCluster[]): string => (clusters.length === 1 ? '' : name);
const accountOf = ({ name, isGateway }: IdlePod): { readonly namespace: string; readonly serviceAccount: string } => (isGateway === true ? { namespace: 'landbridge-system', serviceAccount: 'landbridge-gateway' } : { namespace: NAMESPACE, serviceAccount: name });
