import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import type { DnsRecord } from '@landbridge/wire/dns-response.ts';

/** How long it is remembered that there is nothing: a service that is exported a moment later is found soon. */
export const NEGATIVE_TTL_SECONDS = 5;
/** Nobody copies the zones: these say so much as that (RFC 1912, section 2.2, in the values that CoreDNS has). */
const SERIAL = 1;
const REFRESH_SECONDS = 7200;
const RETRY_SECONDS = 1800;
const EXPIRE_SECONDS = 86_400;

/** `name` in lower case, the domain itself included. */
export const isIn = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

/** Begins what a resolver may remember of a missing name or type (RFC 2308, section 3). */
export function startOfAuthority(zone: string): DnsRecord {
  return { type: 'SOA', owner: zone, ttlSeconds: NEGATIVE_TTL_SECONDS, primary: `ns.dns.${zone}`, mailbox: `hostmaster.${zone}`, serial: SERIAL, refreshSeconds: REFRESH_SECONDS, retrySeconds: RETRY_SECONDS, expireSeconds: EXPIRE_SECONDS, negativeTtlSeconds: NEGATIVE_TTL_SECONDS };
}

/** The zone of a name that is answered here; names of others have one that nobody here knows. */
export function zoneOf(name: string, clusterDomain: string): string | undefined {
  return [CLUSTERSET_DOMAIN, clusterDomain].find((domain) => isIn(name, domain));
}
