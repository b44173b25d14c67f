import { isHostname } from '@landbridge/core/hostname.ts';
import { spiffeId } from '@landbridge/core/identity.ts';
import type { Gateway, MetaRecord } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import type { ClusterView } from '../records/cluster-view.ts';

/** The gateways of another cluster, and what they lead to. */
export interface RemoteGateways {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly gateways: readonly Gateway[];
}

/** An IP that means something on other hosts too, in canonical form, or a name that can be looked up. */
export function usableAddress(text: string): string | undefined {
  return routableAddress(text) ?? (isHostname(text) ? text : undefined);
}

/**
 * Those of a record that can be used: addresses that mean something here, names that can be looked up, accounts that make
 * an identity. What a member says beyond that is left out, the rest stays.
 */
export function usableGateways(meta: Pick<MetaRecord, 'gateways'> | undefined, trustDomain: string): readonly Gateway[] {
  return (meta?.gateways ?? []).flatMap((gateway) => {
    const { address, namespace, serviceAccount } = gateway;
    const usable = usableAddress(address);
    return usable === undefined || !spiffeId({ trustDomain, namespace, serviceAccount }).ok ? [] : [{ ...gateway, address: usable }];
  });
}

/** Those of clusters in other networks than `network`, by cluster, as far as what is known of these counts; and how many of each can not be used. */
export function remoteGateways(views: Iterable<Pick<ClusterView, 'cluster' | 'counts' | 'member' | 'meta'>>, network: string): { readonly found: ReadonlyMap<string, RemoteGateways>; readonly unusable: ReadonlyMap<string, number> } {
  const found = new Map<string, RemoteGateways>();
  const unusable = new Map<string, number>();
  for (const { cluster, counts, member, meta } of views) {
    if (!counts || member.network === network) continue;
    const gateways = usableGateways(meta, member.trustDomain);
    if (gateways.length > 0) found.set(cluster, { cluster, trustDomain: member.trustDomain, network: member.network, gateways });
    const left = (meta?.gateways?.length ?? 0) - gateways.length;
    if (left > 0) unusable.set(cluster, left);
  }
  return { found, unusable };
}
