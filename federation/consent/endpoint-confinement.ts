import { type IpAddress, ipBytes, parseIp } from '@landbridge/core/ip-address.ts';
import type { Endpoint } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import type { AddressRanges } from './address-ranges.ts';

export const DROP_REASONS = ['not-an-address', 'not-routable', 'node', 'api-server', 'service-range', 'pod-range', 'other-cluster', 'not-declared', 'policy'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** What addresses mean in this cluster itself: none of them is another cluster's endpoint. */
export interface OwnPlaces {
  readonly nodes: ReadonlySet<IpAddress>;
  readonly apiServers: ReadonlySet<IpAddress>;
  readonly serviceRanges: AddressRanges;
  readonly podRanges: AddressRanges;
}

/** Where endpoints of one cluster may be. */
export interface Confinement {
  /** Undefined for a cluster in another network, where the same addresses mean something else and are not dialled from here. */
  readonly own: OwnPlaces | undefined;
  /** Ranges of clusters of the same network that have a better claim to them. */
  readonly others: AddressRanges;
  /** What the cluster itself has declared; undefined where it has not. */
  readonly declared: AddressRanges | undefined;
}

/** For each policy that says any, the ranges of each of its rules: of every policy one has to contain the address. */
export type PolicyRanges = readonly (readonly AddressRanges[])[];

export interface Confined {
  readonly kept: readonly Endpoint[];
  /** How many endpoints are left out. */
  readonly dropped: ReadonlyMap<DropReason, number>;
}

const NONE: ReadonlySet<Endpoint> = new Set();

/**
 * The endpoints that may be dialled, their addresses in the one form that is compared (core/ip-address.ts). One address that
 * is refused takes its endpoint along. Returns the very list where nothing of it changes.
 * @param known endpoints that were kept as they are under the same confinement and ranges: of a list few change at a time
 */
export function confine(endpoints: readonly Endpoint[], confinement: Confinement, policyRanges: PolicyRanges, known: ReadonlySet<Endpoint> = NONE): Confined {
  const dropped = new Map<DropReason, number>();
  const kept: Endpoint[] = [];
  let isSame = true;
  for (const endpoint of endpoints) {
    if (known.has(endpoint)) {
      kept.push(endpoint);
      continue;
    }
    const reason = endpoint.addresses.map((address) => dropReason(address, confinement, policyRanges)).find((each) => each !== undefined);
    if (reason !== undefined) dropped.set(reason, (dropped.get(reason) ?? 0) + 1);
    else kept.push(canonical(endpoint));
    if (kept.at(-1) !== endpoint) isSame = false;
  }
  return { kept: isSame ? endpoints : kept, dropped };
}

/** Why an address is no endpoint of the cluster; undefined where it may be. */
export function dropReason(text: string, { own, others, declared }: Confinement, policyRanges: PolicyRanges): DropReason | undefined {
  const ip = routableAddress(text);
  if (ip === undefined) return parseIp(text).ok ? 'not-routable' : 'not-an-address';
  const bytes = ipBytes(ip);
  const here = own === undefined ? undefined : meaningHere(ip, bytes, own);
  if (here !== undefined) return here;
  if (others.has(bytes)) return 'other-cluster';
  if (declared?.has(bytes) === false) return 'not-declared';
  return policyRanges.every((rules) => rules.some((ranges) => ranges.has(bytes))) ? undefined : 'policy';
}

/** What an address is in this cluster itself. `bytes`: its own. */
export function meaningHere(ip: IpAddress, bytes: Uint8Array, own: OwnPlaces): Extract<DropReason, 'node' | 'api-server' | 'service-range' | 'pod-range'> | undefined {
  if (own.nodes.has(ip)) return 'node';
  if (own.apiServers.has(ip)) return 'api-server';
  if (own.serviceRanges.has(bytes)) return 'service-range';
  return own.podRanges.has(bytes) ? 'pod-range' : undefined;
}

function canonical(endpoint: Endpoint): Endpoint {
  const addresses = endpoint.addresses.map((text) => routableAddress(text) ?? text);
  return addresses.every((address, i) => address === endpoint.addresses[i]) ? endpoint : { ...endpoint, addresses };
}
