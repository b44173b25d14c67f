import type { V1Service } from '@kubernetes/client-node';
import { isIPv6 } from 'node:net';
import type { ImportedService } from '../merge/merge.ts';

/**
 * The addresses of an import here, in the order of its IP families. Its Service has one for each family that the cluster
 * has; those of families that the import has not stay without use.
 */
export function clustersetAddresses({ type, ipFamilies }: Pick<ImportedService, 'type' | 'ipFamilies'>, service: V1Service | undefined): readonly string[] {
  if (type === 'Headless') return [];
  const addresses = (service?.spec?.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
  return ipFamilies.flatMap((family) => addresses.filter((address) => isIPv6(address) === (family === 'IPv6')));
}

export const familyOf = (address: string): 'IPv4' | 'IPv6' => (isIPv6(address) ? 'IPv6' : 'IPv4');
