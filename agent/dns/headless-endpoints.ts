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

/** Ready ones. Those in other networks are among them, without an address. */
export function* headlessEndpoints(service: Service, { registry }: Pick<NameView, 'registry'>, network: string): Generator<HeadlessEndpoint> {
  if (service.names === undefined) {
    // As Istio's control plane tells them: without names.
    for (const workload of registry.endpointsOf(service)) if (workload.healthy || service.loadBalancing.health === 'allow-all') yield* byAddress(workload, addressesOf(workload, network), []);
    return;
  }
  for (const workload of registry.namedEndpointsOf(service)) {
    const name = workload.names.get(service.key);
    if (name === undefined) continue;
    const addresses = addressesOf(workload, network).filter((ip) => (isIpv4(ip) ? name.ipv4 : name.ipv6));
    if (name.hostname === '') yield* byAddress(workload, addresses, name.ports);
    else yield { hostname: name.hostname, cluster: workload.cluster, addresses, ports: name.ports };
  }
}

/** As CoreDNS names endpoints without a hostname: the specification asks for any name that is unique. */
function* byAddress({ cluster }: Workload, addresses: readonly IpAddress[], ports: readonly NamedPort[]): Generator<HeadlessEndpoint> {
  for (const ip of addresses) yield { hostname: ip.replaceAll(/[.:]/g, '-'), cluster, addresses: [ip], ports };
  if (addresses.length === 0) yield { hostname: '', cluster, addresses, ports };
}

/** A workload never changes, and is asked for again and again. */
const routable = new WeakMap<Workload, readonly string[]>();

/** A name that somebody else says must not lead to what listens on the pod itself, or to a cloud's metadata. */
function addressesOf(workload: Workload, network: string): IpAddress[] {
  let addresses = routable.get(workload);
  if (addresses === undefined) routable.set(workload, (addresses = workload.addresses.filter((address) => routableAddress(ipOf(address)) !== undefined)));
  return addresses.filter((address) => networkOf(address) === network).map(ipOf);
}
