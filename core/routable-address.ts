import { type IpAddress, ipBytes, parseIp, parsePrefix, prefixContainsBytes } from './ip-address.ts';

/** Addresses that mean something else on each host, or none: "this network", loopback, link-local, multicast, broadcast and unspecified ones (RFC 6890, RFC 4291). */
const NOT_ROUTABLE = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32', '::/128', '::1/128', 'fe80::/10', 'ff00::/8'].map((text) => {
  const prefix = parsePrefix(text);
  if (!prefix.ok) throw new RangeError(prefix.error);
  return prefix.value;
});

/** The address that somebody says that he has, as one that another host could reach; undefined for any other text, IPv4-mapped forms of such addresses among them. */
export function routableAddress(text: string): IpAddress | undefined {
  const ip = parseIp(text);
  if (!ip.ok) return undefined;
  // Read once for all prefixes: it is asked of each endpoint of all clusters.
  const bytes = ipBytes(ip.value);
  return NOT_ROUTABLE.some((prefix) => prefixContainsBytes(prefix, bytes)) ? undefined : ip.value;
}
