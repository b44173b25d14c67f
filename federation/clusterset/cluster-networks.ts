import type { KubernetesObject, V1Node } from '@kubernetes/client-node';
import type { MetaRecord } from '@landbridge/core/records.ts';
import { confineGateways, type DroppedGateways, GATEWAY_DROP_REASONS } from '../consent/gateway-confinement.ts';
import type { OwnPlaces } from '../consent/endpoint-confinement.ts';
import type { FederationConfig } from '../config.ts';
import { isOurs } from '../kubernetes/types.ts';
import type { Leadership } from '../leadership/leadership.ts';
import { GATEWAY_NAME, ownGateways } from '../networks/own-gateways.ts';
import { metrics } from '../metrics.ts';
import { type RemoteGateways, remoteGateways } from '../networks/remote-gateways.ts';
import { changes, type Knowledge } from '../outputs/changes.ts';
import { GATEWAY_VERSION, remoteGatewayObjects } from '../outputs/istio/remote-gateways.ts';
import type { Writer } from '../outputs/writer.ts';
import type { ClusterView } from '../records/peer-table.ts';
import type { ClusterRegistry } from './cluster-registry.ts';
import type { ObjectSources } from './object-sources.ts';

export interface ClusterNetworksOptions {
  readonly config: Pick<FederationConfig, 'cluster' | 'trustDomain' | 'namespace' | 'network' | 'gateways' | 'istioShape'>;
  readonly objects: ObjectSources;
  readonly registry: Pick<ClusterRegistry, 'local' | 'gateways'>;
  readonly places: () => OwnPlaces;
  readonly writer: Pick<Writer, 'write'>;
  readonly leadership: Pick<Leadership, 'isLeading'>;
  readonly knowledge: () => Knowledge;
  readonly isIstioThere: () => boolean;
}

/** The ways between this cluster's network and others. */
export class ClusterNetworks {
  readonly #options: ClusterNetworksOptions;
  #dropped: ReadonlyMap<string, DroppedGateways> = new Map();
  /** With what ways into this one those into others were found. */
  #foundWith: string | undefined;

  constructor(options: ClusterNetworksOptions) {
    this.#options = options;
  }

  /** What others are told of ways into this one; nothing where there are none. */
  own(): Pick<MetaRecord, 'gateways'> {
    const { config, objects, registry } = this.#options;
    const { namespace, network, gateways: configured } = config;
    const found = ownGateways({ namespace, network, configured, service: registry.local.services.get(`${namespace}/${GATEWAY_NAME}`), nodeOf: (name) => objects.at<V1Node>('nodes', `/${name}`), objects: objects.list('gateways') });
    return found.length === 0 ? {} : { gateways: [...found] };
  }

  /** Ways into others, by cluster, as far as they are theirs to say. */
  remote(views: ReadonlyMap<string, ClusterView>): ReadonlyMap<string, RemoteGateways> {
    const { config: { cluster: own, network, trustDomain }, places } = this.#options;
    const others = [...views.values()].filter(({ cluster }) => cluster !== own);
    const { found, unusable } = remoteGateways(others, network);
    const members = others.map(({ cluster, member, meta }) => ({ cluster, network: member.network, joinedAt: member.joinedAt, ranges: meta?.ranges }));
    const ways = this.own();
    const { kept, dropped } = confineGateways(found, { network, trustDomain, places: places(), gateways: ways.gateways ?? [], members }, unusable);
    this.#foundWith = JSON.stringify(ways);
    this.#dropped = dropped;
    metrics.gatewaysDropped.reset();
    for (const [cluster, counts] of dropped) for (const reason of GATEWAY_DROP_REASONS) metrics.gatewaysDropped.set({ cluster, reason }, counts.get(reason) ?? 0);
    return kept;
  }

  /** Whether {@link remote} found ways while this cluster had other gateways than these, which are no other one's. */
  isBehind(ways: Pick<MetaRecord, 'gateways'>): boolean {
    return this.#foundWith !== undefined && this.#foundWith !== JSON.stringify(ways);
  }

  /** Gateways of others that {@link remote} left out the last time, by cluster. */
  get dropped(): ReadonlyMap<string, DroppedGateways> {
    return this.#dropped;
  }

  /** Writes the Gateways by which istiod knows these; false where some could not be written. */
  async write(): Promise<boolean> {
    const { config, objects, registry, writer, leadership, knowledge, isIstioThere } = this.#options;
    if (!leadership.isLeading || objects.versionOf('gateways') !== GATEWAY_VERSION) return true;
    const existing = objects.list<KubernetesObject>('gateways').filter(isOurs);
    const wanted = config.istioShape === 'ambient' && isIstioThere() ? remoteGatewayObjects(registry.gateways.values(), config.namespace) : [];
    let isWritten = true;
    for (const change of changes(wanted, existing, knowledge())) isWritten = (await writer.write(change)) && isWritten;
    return isWritten;
  }
}
