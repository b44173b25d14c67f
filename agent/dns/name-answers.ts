/** What the agent itself says about names, and what others are asked instead. Pure: from what discovery told. */
import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import { DNS_CLASS_IN, DNS_OPCODE_QUERY, DNS_TYPE, type DnsQuery, type DnsQuestion } from '@landbridge/wire/dns-message.ts';
import { bareAnswer, type DnsAnswer, type DnsRecord } from '@landbridge/wire/dns-response.ts';
import { clustersetFinding } from './clusterset-zone.ts';
import type { DnsClient } from './dns-resolver.ts';
import type { Finding, NameOptions, NameView } from './name-view.ts';
import { searchList } from './search-list.ts';
import { parseServiceName } from './service-names.ts';
import { addressRecords, serviceAddresses, serviceRecords, TTL_SECONDS } from './service-records.ts';
import { isIn, startOfAuthority, zoneOf } from './zones.ts';

type Found = Finding<DnsRecord>;
const UNTOLD: Found = { kind: 'untold' };
/** With a search list, a name of so many labels may be the beginning of a service's (ztunnel: `<service>`, `<service>.<namespace>`, `<service>.<namespace>.svc`). */
const MAX_SHORT_LABELS = 3;

/** Undefined for what is not answered here. Names of the clusterset always are. */
export function answerName({ opcode, question }: DnsQuery, client: Pick<DnsClient, 'namespace' | 'dns'>, view: NameView, options: NameOptions): DnsAnswer | undefined {
  const isClusterset = isInClusterset(question);
  if (opcode !== DNS_OPCODE_QUERY || question.class !== DNS_CLASS_IN || question.type === DNS_TYPE.AXFR || question.type === DNS_TYPE.IXFR) return isClusterset ? bareAnswer('REFUSED') : undefined;
  // A client that hears NXDOMAIN remembers it; SERVFAIL it asks again.
  if (!view.isReady) return isClusterset ? bareAnswer('SERVFAIL') : undefined;
  const { name, type } = question;
  if (name === undefined) return isClusterset ? negative('NXDOMAIN', CLUSTERSET_DOMAIN) : undefined;
  const { clusterDomain } = options;
  const { namespace } = client;
  if (isClusterset) return answerOf(clustersetFinding(name, type, name, namespace, view, options), CLUSTERSET_DOMAIN);
  const exact = findElsewhere(name, type, name, namespace, view, options);
  if (exact.kind !== 'untold') return answerOf(exact, zoneOf(name, clusterDomain));
  // The cluster's own DNS knows more of a service that is there, such as endpoints without names here.
  if (hasService(name, namespace, view, clusterDomain)) return undefined;
  return bySearchList(question, client, view, options);
}

/** Completes a short name, or takes off what the pod's resolver has put behind a name: then the answer says so by a CNAME. */
function bySearchList({ name = '', labels, type }: DnsQuestion, { namespace, dns }: Pick<DnsClient, 'namespace' | 'dns'>, view: NameView, options: NameOptions): DnsAnswer | undefined {
  const { clusterDomain } = options;
  const searches = searchList(namespace, clusterDomain, dns);
  const short = complete(name, labels.length, type, name, searches, namespace, view, options);
  if (short !== undefined) return answerOf(short.found, undefined);
  for (const [at, search] of searches.entries()) {
    if (!name.endsWith(`.${search}`)) continue;
    const stripped = name.slice(0, -search.length - 1);
    const target = isIn(stripped, CLUSTERSET_DOMAIN) ? clustersetFinding(stripped, type, stripped, namespace, view, options) : findHost(stripped, type, stripped, namespace, view, options);
    if (isPositive(target)) return answerOf(target, zoneOf(stripped, clusterDomain), { owner: name, target: stripped });
    // What the resolver would ask next, had this name not been there.
    const next = complete(stripped, stripped.split('.').length, type, undefined, searches.slice(at + 1), namespace, view, options);
    if (next !== undefined) return answerOf(next.found, zoneOf(next.host, clusterDomain), { owner: name, target: next.host });
    // A wildcard has no name of its own that a CNAME could lead to.
    const wild = findWildcard(stripped, type, name, namespace, view, options);
    if (wild.kind !== 'untold') return answerOf(wild, undefined);
  }
  return undefined;
}

/** The first name of a service that the search list makes of a short one. Records belong to `owner`, or to that name. */
function complete(name: string, labels: number, type: number, owner: string | undefined, searches: readonly string[], namespace: string, view: NameView, options: NameOptions): { readonly found: Found; readonly host: string } | undefined {
  if (labels > MAX_SHORT_LABELS || name === '') return undefined;
  for (const search of searches) {
    const host = `${name}.${search}`;
    const found = isIn(host, CLUSTERSET_DOMAIN) ? clustersetFinding(host, type, owner ?? host, namespace, view, options) : findService(host, type, owner ?? host, namespace, view, options);
    if (isPositive(found)) return { found, host };
    // What is there has precedence over what comes later in the list, whoever knows it.
    if (hasService(host, namespace, view, options.clusterDomain)) return undefined;
  }
  return undefined;
}

const isPositive = ({ kind }: Found): boolean => kind === 'records' || kind === 'no-data';

/** A host as it was told, in a cluster's domain or any other. */
function findElsewhere(name: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Found {
  const host = findHost(name, type, owner, namespace, view, options);
  return host.kind === 'untold' ? findWildcard(name, type, owner, namespace, view, options) : host;
}

function findHost(name: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Found {
  const service = findService(name, type, owner, namespace, view, options);
  return service.kind === 'untold' && !isIn(name, `svc.${options.clusterDomain}`) ? findEntry(name, type, owner, namespace, view, options) : service;
}

/** A name below `svc.<domain of the cluster>`. That there is none, only the cluster's own DNS can say. */
function findService(name: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Found {
  const parsed = parseServiceName(name, options.clusterDomain, false);
  const service = parsed === undefined ? undefined : view.registry.serviceByHostname(parsed.host, namespace);
  if (parsed === undefined || service === undefined) return UNTOLD;
  const found = serviceRecords(service, parsed, type, owner, view, options);
  return found.kind === 'no-name' ? UNTOLD : found;
}

const hasService = (name: string, namespace: string, view: NameView, clusterDomain: string): boolean => {
  const parsed = parseServiceName(name, clusterDomain, false);
  return parsed !== undefined && view.registry.serviceByHostname(parsed.host, namespace) !== undefined;
};

/** A host of Istio's ServiceEntry: of its types other than addresses the mesh knows nothing, and neither where it has no address here. */
function findEntry(host: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Found {
  if (type !== DNS_TYPE.A && type !== DNS_TYPE.AAAA) return UNTOLD;
  const service = view.registry.serviceByHostname(host, namespace);
  const addresses = service === undefined ? [] : serviceAddresses(service, options.network);
  return addresses.length === 0 ? UNTOLD : addressRecords(addresses, type, owner, options);
}

/** The most specific `*.<domain>` first. Names of clusters are never matched by one: it would hide what their own DNS knows. */
function findWildcard(name: string, type: number, owner: string, namespace: string, view: NameView, options: NameOptions): Found {
  if (isIn(name, options.clusterDomain) || isIn(name, CLUSTERSET_DOMAIN) || isIn(name, 'arpa')) return UNTOLD;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const found = findEntry(`*${name.slice(dot)}`, type, owner, namespace, view, options);
    if (found.kind !== 'untold') return found;
  }
  return UNTOLD;
}

/** By its labels: a name that can not be written as text may be in the zone too. */
function isInClusterset({ labels }: DnsQuestion): boolean {
  return labels.slice(-2).join('.') === CLUSTERSET_DOMAIN;
}

function answerOf(found: Found, zone: string | undefined, alias?: { readonly owner: string; readonly target: string }): DnsAnswer {
  const cname: readonly DnsRecord[] = alias === undefined ? [] : [{ type: 'CNAME', owner: alias.owner, ttlSeconds: TTL_SECONDS, target: alias.target }];
  switch (found.kind) {
    case 'records':
      return { rcode: 'NOERROR', authoritative: true, answers: [...cname, ...found.answers], authorities: [], additionals: found.additionals };
    case 'no-data':
      return { ...negative('NOERROR', zone), answers: cname };
    case 'no-name':
      return { ...negative('NXDOMAIN', zone), answers: cname };
    case 'untold':
      // Of the clusterset: whatever others know of it, they are not asked.
      return bareAnswer('SERVFAIL');
    default:
      return found satisfies never;
  }
}

const negative = (rcode: 'NOERROR' | 'NXDOMAIN', zone: string | undefined): DnsAnswer => ({ rcode, authoritative: true, answers: [], authorities: zone === undefined ? [] : [startOfAuthority(zone)], additionals: [] });
