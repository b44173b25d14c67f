import { type IpAddress, isIpv4, parseIp } from '@landbridge/core/ip-address.ts';

/** The most that Kubernetes gives a pod (PodStatus, podIPs). */
const FAMILIES = 2;

/** The first address of each family, in the order in which they come; what is no address is left out. */
export function podAddresses(texts: readonly string[]): readonly IpAddress[] {
  const found: IpAddress[] = [];
  for (const text of texts) {
    const ip = parseIp(text);
    if (ip.ok && !found.some((other) => isIpv4(other) === isIpv4(ip.value))) found.push(ip.value);
    if (found.length === FAMILIES) break;
  }
  return found;
}

/** Whatever order they are told in. */
export const areSameAddresses = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((address) => b.includes(address));

export const shareAnAddress = (a: readonly string[], b: readonly string[]): boolean => a.some((address) => b.includes(address));
