import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import { DNS_TYPE } from '@landbridge/wire/dns-message.ts';
import type { DnsRecord } from '@landbridge/wire/dns-response.ts';
import type { Finding, NameOptions, NameView } from './name-view.ts';
import { parseServiceName } from './service-names.ts';
import { serviceRecords } from './service-records.ts';
import { startOfAuthority } from './zones.ts';

const SCHEMA_NAME = `dns-version.${CLUSTERSET_DOMAIN}`;
/** MCS DNS specification, section 1 and 2.2. */
const SCHEMA_VERSION = '1.0.0';
const SCHEMA_TTL_SECONDS = 28_800;

/** What `clusterset.local` says: all there is to say, as nobody else is asked. `name` is in the zone. */
export function clustersetFinding(name: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Finding<DnsRecord> {
  if (name === CLUSTERSET_DOMAIN) return type === DNS_TYPE.SOA ? { kind: 'records', answers: [startOfAuthority(CLUSTERSET_DOMAIN)], additionals: [] } : { kind: 'no-data' };
  if (name === SCHEMA_NAME) return type === DNS_TYPE.TXT ? { kind: 'records', answers: [{ type: 'TXT', owner, ttlSeconds: SCHEMA_TTL_SECONDS, text: SCHEMA_VERSION }], additionals: [] } : { kind: 'no-data' };
  const parsed = parseServiceName(name, CLUSTERSET_DOMAIN, true);
  const service = parsed === undefined ? undefined : view.registry.serviceByHostname(parsed.host, namespace);
  if (parsed !== undefined && service !== undefined) return serviceRecords(service, parsed, type, owner, view, options);
  // `svc`, and a namespace with imports: names that are only the end of others are there all the same (RFC 8020).
  return name === `svc.${CLUSTERSET_DOMAIN}` || view.registry.hasHostBelow(name) ? { kind: 'no-data' } : { kind: 'no-name' };
}
