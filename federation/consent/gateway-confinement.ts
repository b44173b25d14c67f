import { type IpAddress, ipBytes, parseIp } from '@landbridge/core/ip-address.ts';
import type { Gateway } from '@landbridge/core/records.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import { AddressRanges } from './address-ranges.ts';
import { bySeniority, type Declaration, readRanges } from './declared-ranges.ts';
import { meaningHere, type OwnPlaces } from './endpoint-confinement.ts';

export const GATEWAY_DROP_REASONS = ['not-usable', 'node', 'api-server', 'service-range', 'pod-range', 'other-cluster', 'gateway'] as const;
export type GatewayDropReason = (typeof GATEWAY_DROP_REASONS)[number];
/** How many gateways of a cluster are left out. */
export type DroppedGateways = ReadonlyMap<GatewayDropReason, number>;

/** What addresses mean to clients of this cluster, who dial gateways of other networks from its own. */
export interface GatewaySurroundings {
  readonly network: string;
  readonly trustDomain: string;
  readonly places: OwnPlaces;
  readonly gateways: readonly Gateway[];
  /** What all other members have said of themselves, whether they are known completely or not. */
  readonly members: readonly Declaration[];
}

export interface ConfinedGateways {
  /** Only clusters of which any is left. */
  readonly kept: ReadonlyMap<string, RemoteGateways>;
  readonly dropped: ReadonlyMap<string, DroppedGateways>;
}

const NOWHERE = new AddressRanges([]);

/**
 * Those gateways that may be dialled: none is an address that means something else here, or lies where a member of this network
 * that joined before has its endpoints, or is the gateway of one that joined before. Who joined later takes nothing away, or
 * the newest member could cut off all others by what it says. Names are looked up by agents: of them only the last is asked.
 *
 * @param unusable How many of each cluster were left out before.
 */
export function confineGateways(remotes: ReadonlyMap<string, RemoteGateways>, { network, trustDomain, places, gateways, members }: GatewaySurroundings, unusable: ReadonlyMap<string, number>): ConfinedGateways {
  const kept = new Map<string, RemoteGateways>();
  const dropped = new Map<string, Map<GatewayDropReason, number>>([...unusable].map(([cluster, count]) => [cluster, new Map([['not-usable', count]])]));
  const holders = new Map(gateways.map((gateway) => [placeOf(gateway), identityOf(gateway, trustDomain)]));
  /** Of members of this network that joined before the one that is looked at. */
  const elders: AddressRanges[] = [];
  for (const member of [...members].sort(bySeniority)) {
    const remote = remotes.get(member.cluster);
    const usable = (remote?.gateways ?? []).filter((gateway) => {
      const ip = parseIp(gateway.address);
      const holder = holders.get(placeOf(gateway));
      const reason = (ip.ok ? meaning(ip.value, places, elders) : undefined) ?? (holder === undefined || holder === identityOf(gateway, remote?.trustDomain ?? '') ? undefined : 'gateway');
      if (reason === undefined) return true;
      const counts = dropped.get(member.cluster) ?? new Map<GatewayDropReason, number>();
      dropped.set(member.cluster, counts.set(reason, (counts.get(reason) ?? 0) + 1));
      return false;
    });
    if (remote !== undefined && usable.length > 0) kept.set(member.cluster, usable.length === remote.gateways.length ? remote : { ...remote, gateways: usable });
    for (const gateway of usable) holders.set(placeOf(gateway), identityOf(gateway, remote?.trustDomain ?? ''));
    if (member.network === network) elders.push(readRanges(member).declared ?? NOWHERE);
  }
  return { kept, dropped };
}

function meaning(ip: IpAddress, places: OwnPlaces, elders: readonly AddressRanges[]): GatewayDropReason | undefined {
  const bytes = ipBytes(ip);
  return meaningHere(ip, bytes, places) ?? (elders.some((ranges) => ranges.has(bytes)) ? 'other-cluster' : undefined);
}

/** Several clusters may be behind one address, each at a port of its own. */
const placeOf = ({ address, port }: Gateway): string => `${address} ${port}`;

const identityOf = ({ namespace, serviceAccount }: Gateway, trustDomain: string): string => `${trustDomain}/${namespace}/${serviceAccount}`;
