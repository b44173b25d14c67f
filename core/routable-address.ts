import { type IpAddress, parseIp, parsePrefix, prefixContains } from './ip-address.ts';

/** Addresses that mean something else on each host, or none: "this network", loopback, link-local, multicast, broadcast and unspecified ones (RFC 6890, RFC 4291). */
const NOT_ROUTABLE = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32', '::/128', '::1/128', 'fe80::/10', 'ff00::/8'].map((text) => {
  const prefix = parsePrefix(text);
  if (!prefix.ok) throw new RangeError(prefix.error);
  return prefix.value;
});

/** The address that somebody says that he has, as one that another host could reach; undefined for any other text, IPv4-mapped forms of such addresses among them. */
export function routableAddress(text: string): IpAddress | undefined {
  const ip = parseIp(text);
  return ip.ok && !NOT_ROUTABLE.some((prefix) => prefixContains(prefix, ip.value)) ? ip.value : undefined;
}
