import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { ipOf, type Service, type Workload } from '../discovery/wds-address.ts';
import type { NamedPort } from '../discovery/wds-names.ts';
import type { NameView } from './name-view.ts';

/** An endpoint under one of its names. */
export interface HeadlessEndpoint {
  /** A label. */
  readonly hostname: string;
  readonly cluster: string;
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly NamedPort[];
}

/** Of one service; no answer has more addresses. That many of IPv6 with their records are just less than TCP carries. */
export const MAX_HEADLESS_ENDPOINTS = 2000;

export const networkOf = (address: string): string => address.slice(0, address.lastIndexOf('/'));

export function isHeadless({ names, addresses, ranges }: Service): boolean {
  return names?.headless ?? (addresses.length === 0 && ranges.length === 0);
}

/** Ready ones, or those of them that may be called `hostname`. Those in other networks are among them, without an address. */
export function* headlessEndpoints(service: Service, { registry }: Pick<NameView, 'registry'>, network: string, hostname?: string): Generator<HeadlessEndpoint> {
  if (service.names === undefined) {
    // As Istio's control plane tells them: without names.
    for (const workload of registry.endpointsOf(service)) if (workload.healthy || service.loadBalancing.health === 'allow-all') yield* byAddress(workload, addressesIn(network, workload), []);
    return;
  }
  for (const workload of registry.namedEndpointsOf(service)) {
    const name = workload.names.get(service.key);
    if (name === undefined || (hostname !== undefined && name.hostname !== '' && name.hostname !== hostname)) continue;
    const all = addressesIn(network, workload);
    const addresses = name.ipv4 && name.ipv6 ? all : all.filter((ip) => (isIpv4(ip) ? name.ipv4 : name.ipv6));
    if (name.hostname === '') yield* byAddress(workload, addresses, name.ports);
    else yield { hostname: name.hostname, cluster: workload.cluster, addresses, ports: name.ports };
  }
}

/** As CoreDNS names endpoints without a hostname: the specification asks for any name that is unique. */
function* byAddress({ cluster }: Workload, addresses: readonly IpAddress[], ports: readonly NamedPort[]): Generator<HeadlessEndpoint> {
  for (const ip of addresses) yield { hostname: ip.replaceAll(/[.:]/g, '-'), cluster, addresses: [ip], ports };
  if (addresses.length === 0) yield { hostname: '', cluster, addresses, ports };
}

/** A workload never changes, and one of many behind a service is looked at with each query for it. */
const known = new WeakMap<Workload, { readonly network: string; readonly addresses: readonly IpAddress[] }>();

/** A name that somebody else says must not lead to what listens on the pod itself, or to a cloud's metadata. */
function addressesIn(network: string, workload: Workload): readonly IpAddress[] {
  const found = known.get(workload);
  if (found?.network === network) return found.addresses;
  const addresses = workload.addresses.filter((address) => networkOf(address) === network).map(ipOf).filter((ip) => routableAddress(ip) !== undefined);
  known.set(workload, { network, addresses });
  return addresses;
}
