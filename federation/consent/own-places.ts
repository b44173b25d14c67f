import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import { type IpAddress, type IpPrefix, ipBytes, parseIp, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import { type Endpoint, MAX_RANGES } from '@landbridge/core/records.ts';
import { nodeAddresses } from '../registry/placement.ts';
import { AddressRanges, aggregateTo, readPrefixes } from './address-ranges.ts';
import type { OwnPlaces } from './endpoint-confinement.ts';
import { ServiceRanges } from './service-ranges.ts';

/** Of the API server's own Service; Kubernetes names both so. */
const API_SERVER_SLICE = 'default/kubernetes';

interface NodePlaces {
  readonly addresses: readonly IpAddress[];
  readonly podRanges: readonly IpPrefix[];
}

export interface PlaceChanges {
  readonly nodes: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
  readonly slices: ReadonlySet<string>;
}

export interface PlaceObjects {
  readonly node: (key: string) => V1Node | undefined;
  readonly service: (key: string) => V1Service | undefined;
  readonly slice: (key: string) => V1EndpointSlice | undefined;
}

/** What addresses mean in this cluster, as its objects, or the configuration in their place, say. */
export class OwnPlacesIndex {
  readonly #configured: { readonly podRanges: readonly IpPrefix[]; readonly serviceRanges: readonly IpPrefix[] };
  readonly #nodes = new Map<string, NodePlaces>();
  readonly #serviceRanges = new ServiceRanges();
  #apiServers: readonly IpAddress[] = [];
  #places: OwnPlaces;

  /** Of each, what is not empty counts in the place of what objects say. */
  constructor(configured: { readonly podRanges: readonly string[]; readonly serviceRanges: readonly string[] }) {
    this.#configured = { podRanges: readPrefixes(configured.podRanges), serviceRanges: readPrefixes(configured.serviceRanges) };
    this.#places = this.#make();
  }

  get places(): OwnPlaces {
    return this.#places;
  }

  /** Whether the places are others than before. */
  apply(changes: PlaceChanges, objects: PlaceObjects): boolean {
    let isChanged = false;
    for (const key of changes.nodes) isChanged = this.#setNode(key, objects.node(key)) || isChanged;
    for (const key of changes.services) for (const ip of addressesIn(objects.service(key)?.spec?.clusterIPs ?? [])) isChanged = this.#serviceRanges.add(ip) || isChanged;
    if (changes.slices.has(API_SERVER_SLICE)) {
      const before = this.#apiServers;
      this.#apiServers = addressesIn((objects.slice(API_SERVER_SLICE)?.endpoints ?? []).flatMap(({ addresses }) => addresses));
      isChanged ||= before.join() !== this.#apiServers.join();
    }
    if (isChanged) this.#places = this.#make();
    return isChanged;
  }

  /**
   * What this cluster says that its endpoints lie in: what is configured, or where its nodes have pods, with the addresses of
   * nodes that are endpoints themselves. Undefined where some are elsewhere, as with networks that give addresses to pods by
   * rules of their own: too little would have others drop them.
   */
  toDeclare(endpoints: Iterable<Endpoint>): readonly IpPrefix[] | undefined {
    if (this.#configured.podRanges.length > 0) return aggregateTo(this.#configured.podRanges, MAX_RANGES);
    const { nodes, podRanges } = this.#places;
    const hosts = new Set<IpAddress>();
    for (const { addresses } of endpoints) {
      for (const ip of addressesIn(addresses)) {
        if (podRanges.has(ipBytes(ip))) continue;
        if (!nodes.has(ip)) return undefined;
        hosts.add(ip);
      }
    }
    const ranges = [...podRanges.prefixes, ...[...hosts].map(hostPrefix)];
    return ranges.length === 0 ? undefined : aggregateTo(ranges, MAX_RANGES);
  }

  #setNode(key: string, node: V1Node | undefined): boolean {
    const before = this.#nodes.get(key);
    const now = node === undefined ? undefined : { addresses: addressesIn(nodeAddresses(node)), podRanges: readPrefixes(node.spec?.podCIDRs ?? (node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR])) };
    // Nodes change all the time, where they are seldom.
    if (JSON.stringify(before) === JSON.stringify(now)) return false;
    if (now === undefined) this.#nodes.delete(key);
    else this.#nodes.set(key, now);
    return true;
  }

  #make(): OwnPlaces {
    const { podRanges, serviceRanges } = this.#configured;
    const nodes = [...this.#nodes.values()];
    return {
      nodes: new Set(nodes.flatMap(({ addresses }) => addresses)),
      apiServers: new Set(this.#apiServers),
      serviceRanges: new AddressRanges(serviceRanges.length > 0 ? serviceRanges : this.#serviceRanges.ranges),
      podRanges: new AddressRanges(podRanges.length > 0 ? podRanges : nodes.flatMap((node) => node.podRanges)),
    };
  }
}

/** Those of the texts that are addresses. */
function addressesIn(texts: readonly string[]): readonly IpAddress[] {
  return texts.flatMap((text) => {
    const ip = parseIp(text);
    return ip.ok ? [ip.value] : [];
  });
}

function hostPrefix(ip: IpAddress): IpPrefix {
  const bytes = ipBytes(ip);
  const prefix = prefixFromBytes(bytes, bytes.length * 8);
  if (!prefix.ok) throw new RangeError(prefix.error);
  return prefix.value;
}
