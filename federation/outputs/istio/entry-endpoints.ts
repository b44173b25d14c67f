/** The endpoints of an import in the words of Istio's WorkloadEntry. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint, ServicePort } from '@landbridge/core/records.ts';
import type { ImportedService } from '../../merge/merge.ts';
import { isSamePort } from '../../merge/merge-ports.ts';
import { isBehindGateway } from '../../networks/far-endpoint.ts';
import { type ClusterWeight, clusterWeights, withCaps } from '../../networks/shares.ts';
import { isPassedOver } from '../../peers/standing.ts';
import { usableEndpoints } from '../../registry/usable-endpoints.ts';
import type { IstioContext } from './istio-context.ts';

export interface EntryPort {
  /** Of the import. */
  readonly port: ServicePort;
  /** Istio wants one for each. */
  readonly entryName: string;
}

/** One endpoint; `spec` is a WorkloadEntry's. */
export interface EntryEndpoint {
  readonly cluster: string;
  /** With the address it tells those of one import and cluster apart. */
  readonly name: string;
  /** Whether it takes HBONE, which Istio wants to know of the object and not of the endpoint. */
  readonly tunnel: boolean;
  readonly spec: Readonly<Record<string, unknown>>;
}

const CLUSTER_LABEL = 'topology.istio.io/cluster';
const TLS_MODE_LABEL = 'security.istio.io/tlsMode';
/** At which Istio's gateways read the name of a service in a sidecar's handshake (AUTO_PASSTHROUGH). */
const SNI_PORT = 15443;

type Part = ImportedService['clusters'][number];

/**
 * Those that connections may go to, since Istio takes every endpoint of an entry for healthy. Istio gives an endpoint
 * without a network that of the endpoint before it: those without one come first.
 */
export function entryEndpoints(imported: ImportedService, ports: readonly EntryPort[], context: IstioContext): readonly EntryEndpoint[] {
  // An entry can not say of an endpoint that it comes last.
  const parts = imported.clusters.filter((part) => part.reach !== 'none' && !isPassedOver(imported, part));
  const candidates = ({ reach, endpoints }: Part): readonly Endpoint[] => (reach === 'gateway' ? endpoints.filter(isBehindGateway) : endpoints);
  const usable = new Set(usableEndpoints(parts.flatMap(candidates)));
  const usableOf = (part: Part): readonly Endpoint[] => candidates(part).filter((endpoint) => usable.has(endpoint));
  const weights = clusterWeights(new Map(parts.map((part) => [part.cluster, usableOf(part).length])), context.cluster, withCaps(context.rulesOf(`${imported.namespace}/${imported.name}`), imported.clusters));
  const made = parts.flatMap((part) => {
    const weight = weights?.get(part.cluster);
    if (weight?.all === 0) return [];
    const exposed = ports.filter(({ port }) => part.ports.some((each) => isSamePort(each, port)));
    return part.reach === 'gateway' && context.shape === 'sidecar' ? throughGateways(part, usableOf(part), exposed, context, weight) : usableOf(part).flatMap((endpoint) => directly(part, endpoint, exposed, context, weight));
  });
  const distinct = [...new Map(made.map((each) => [`${each.cluster} ${each.name} ${String(each.spec['address'])}`, each])).values()];
  return [...distinct.filter(({ spec }) => spec['network'] === undefined), ...distinct.filter(({ spec }) => spec['network'] !== undefined)];
}

function directly({ cluster, network }: Part, endpoint: Endpoint, ports: readonly EntryPort[], { shape }: IstioContext, weight: ClusterWeight | undefined): EntryEndpoint[] {
  const [address] = endpoint.addresses;
  if (address === undefined) return [];
  const tunnel = endpoint.tunnel === 'hbone';
  // Istio refuses an entry whose endpoints have ports that the entry itself has not, and takes one without any for all.
  const targets = ports.flatMap(({ port: { name }, entryName }) => endpoint.ports.filter((target) => target.name === name && target.protocol === 'TCP').map((target) => [entryName, target.port] as const));
  if (targets.length === 0) return [];
  return [{
    cluster,
    name: endpoint.workload,
    tunnel,
    spec: {
      address,
      ports: Object.fromEntries(targets),
      labels: { [CLUSTER_LABEL]: cluster, ...(shape === 'sidecar' && tunnel ? { [TLS_MODE_LABEL]: 'istio' } : {}) },
      network: network === '' ? undefined : network,
      locality: locality(endpoint),
      weight: weight?.each,
      serviceAccount: endpoint.serviceAccount,
    },
  }];
}

/** A sidecar dials the gateway itself; STATIC entries take no names. */
function throughGateways({ cluster, network }: Part, usable: readonly Endpoint[], ports: readonly EntryPort[], { gatewaysOf }: IstioContext, weight: ClusterWeight | undefined): EntryEndpoint[] {
  const gateways = gatewaysOf(cluster).filter(({ address }) => isIPv4(address) || isIPv6(address));
  if (usable.length === 0 || ports.length === 0) return [];
  return gateways.map((gateway) => ({
    cluster,
    name: gateway.address,
    tunnel: true,
    spec: {
      address: gateway.address,
      ports: Object.fromEntries(ports.map(({ entryName }) => [entryName, SNI_PORT])),
      labels: { [CLUSTER_LABEL]: cluster, [TLS_MODE_LABEL]: 'istio' },
      network: network === '' ? undefined : network,
      locality: locality(gateway),
      weight: Math.max(1, Math.round((weight?.all ?? usable.length) / gateways.length)),
    },
  }));
}

/** `region/zone`; undefined where not even the region is known. */
const locality = ({ region, zone }: Pick<Endpoint, 'region' | 'zone'>): string | undefined => (region === '' ? undefined : zone === '' ? region : `${region}/${zone}`);
