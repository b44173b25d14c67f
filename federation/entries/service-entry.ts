import { isHostname } from '@landbridge/core/hostname.ts';
import { type IpAddress, type IpPrefix, parsePrefix, ipFromBytes } from '@landbridge/core/ip-address.ts';
import { type Fields, fields, isObject, items } from '@landbridge/core/json-fields.ts';
import type { LoadBalancing } from '@landbridge/core/load-balancing.ts';
import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { DISTRIBUTION_ANNOTATION, distributionBalancing } from '../registry/service-balancing.ts';
import type { Selector } from '../registry/label-selector.ts';
import { type EntryEndpoint, isPort, lowerCase, MAX_TEXT, parseEndpoint, parseLabels } from './entry-endpoint.ts';
import { type EntryMetadata, entryMetadata } from './entry-metadata.ts';

/** As in Istio's own definition. */
const MAX_HOSTS = 256;
const MAX_ADDRESSES = 256;
const MAX_PORTS = 256;
const MAX_ENDPOINTS = 4096;
const MAX_ALTERNATIVE_NAMES = 256;
/** Two for each host. */
const MAX_ALLOCATED = 2 * MAX_HOSTS;
/** Opts out of automatic addresses. */
const ALLOCATE_LABEL = 'networking.istio.io/enable-autoallocate-ip';

export interface EntryPort {
  readonly number: number;
  readonly name: string;
  /** As it is written; empty where it is not. */
  readonly protocol: string;
  /** Of endpoints that do not say. */
  readonly target: number;
}

/** A ServiceEntry of Istio, as far as agents have a use for it. */
export interface ServiceEntry extends EntryMetadata {
  /** Names, or `*.` before one. */
  readonly hosts: readonly string[];
  readonly addresses: readonly IpAddress[];
  readonly ranges: readonly IpPrefix[];
  readonly ports: readonly EntryPort[];
  readonly resolution: 'none' | 'static' | 'dns';
  readonly endpoints: readonly EntryEndpoint[];
  /** Whether each name among the hosts is to be resolved, and is the only endpoint of itself. */
  readonly areHostsEndpoints: boolean;
  /** Of pods and WorkloadEntries of its namespace; undefined where it selects none. */
  readonly selector: Selector | undefined;
  readonly isPublic: boolean;
  readonly subjectAltNames: readonly string[];
  readonly loadBalancing: LoadBalancing | undefined;
  /** Whether its hosts have automatic addresses: those in its status. */
  readonly isAllocated: boolean;
  /** What its status says, by host, whether it is wanted or not. */
  readonly allocated: ReadonlyMap<string, readonly IpAddress[]>;
}

/** What is left of an object, and what was left out of it; `unsupported` where that is all of it, and nothing is wrong with it. */
export interface ReadEntry<T> {
  readonly entry: T | undefined;
  readonly faults: readonly string[];
  readonly unsupported?: string;
}

const RESOLUTIONS: Readonly<Record<string, ServiceEntry['resolution']>> = { NONE: 'none', STATIC: 'static', DNS: 'dns', DNS_ROUND_ROBIN: 'dns' };

/**
 * Total; undefined for what has not even a name. What can not be read is left out: a host, an address, a port, an endpoint,
 * or the whole where it is not clear what is meant.
 */
export function readServiceEntry(object: unknown): ReadEntry<ServiceEntry> | undefined {
  const metadata = entryMetadata(object);
  if (metadata === undefined) return undefined;
  const spec = fields(fields(object)['spec']);
  const { resolution: word = 'NONE' } = spec;
  if (word === 'DYNAMIC_DNS') return { entry: undefined, faults: [], unsupported: 'Agents do not know the resolution DYNAMIC_DNS, which is for waypoints.' };
  const resolution = typeof word === 'string' && Object.hasOwn(RESOLUTIONS, word) ? RESOLUTIONS[word] : undefined;
  if (resolution === undefined) return { entry: undefined, faults: ['spec.resolution is none'] };
  const faults: string[] = [];
  const hosts = [...new Set(each(spec['hosts'], 'spec.hosts', MAX_HOSTS, faults, parseHost))];
  if (hosts.length === 0) return { entry: undefined, faults: faults.length === 0 ? ['spec.hosts is empty'] : faults };
  const selector = parseSelector(spec['workloadSelector'], faults);
  const told = each(spec['addresses'], 'spec.addresses', MAX_ADDRESSES, faults, (value) => parseAddress(value, resolution));
  const endpoints = each(spec['endpoints'], 'spec.endpoints', MAX_ENDPOINTS, faults, (value) => endpointOf(value, resolution));
  const ports = distinctPorts(each(spec['ports'], 'spec.ports', MAX_PORTS, faults, parsePort), faults);
  const isAllocated = resolution !== 'none' && items(spec['addresses']).length === 0 && metadata.labels[ALLOCATE_LABEL]?.toLowerCase() !== 'false';
  const entry: ServiceEntry = {
    ...metadata,
    hosts,
    addresses: [...new Set(told.flatMap((address) => (typeof address === 'string' ? [address] : [])))],
    ranges: told.flatMap((address) => (typeof address === 'string' ? [] : [address])),
    ports,
    resolution,
    endpoints,
    areHostsEndpoints: areHostsEndpoints(hosts, spec, resolution, faults),
    selector,
    isPublic: isExported(spec['exportTo'], metadata.namespace),
    subjectAltNames: each(spec['subjectAltNames'], 'spec.subjectAltNames', MAX_ALTERNATIVE_NAMES, faults, (value) => (typeof value === 'string' && value.length <= MAX_TEXT ? ok(value) : err('is no name'))),
    loadBalancing: resolution === 'none' ? { mode: 'passthrough', preferences: [], health: 'allow-all' } : distributionBalancing(metadata.annotations[DISTRIBUTION_ANNOTATION]),
    isAllocated,
    allocated: allocatedOf(fields(fields(object)['status'])['addresses']),
  };
  return { entry, faults };
}

/** Whether a host stands for many. */
export const isWildcard = (host: string): boolean => host.startsWith('*.');

/** What is good of a list; what is not is a fault. */
function each<T>(value: unknown, at: string, most: number, faults: string[], parse: (item: unknown) => Result<T>): T[] {
  if (value !== undefined && value !== null && !Array.isArray(value)) faults.push(`${at} is no list`);
  const all = items(value);
  if (all.length > most) faults.push(`${at} has more than ${most}`);
  return all.slice(0, most).flatMap((item, i) => {
    const parsed = parse(item);
    if (!parsed.ok) faults.push(`${at}[${i}] ${parsed.error}`);
    return parsed.ok ? [parsed.value] : [];
  });
}

function parseHost(value: unknown): Result<string> {
  if (typeof value !== 'string' || value.length > MAX_TEXT) return err('is no name');
  const host = lowerCase(value);
  const domain = isWildcard(host) ? host.slice(2) : host;
  if (!isHostname(domain)) return err(`${JSON.stringify(value.slice(0, 80))} is neither a name nor *. before one`);
  return domain === CLUSTERSET_DOMAIN || domain.endsWith(`.${CLUSTERSET_DOMAIN}`) ? err('is in the clusterset, whose names come from exports alone') : ok(host);
}

function parseAddress(value: unknown, resolution: ServiceEntry['resolution']): Result<IpAddress | IpPrefix> {
  const text = typeof value === 'string' ? value : '';
  const unusable = err(`${JSON.stringify(text.slice(0, 80))} is no address that another host can have`);
  if (!text.includes('/')) {
    const ip = routableAddress(text);
    return ip === undefined ? unusable : ok(ip);
  }
  const prefix = parsePrefix(text);
  if (!prefix.ok) return err(prefix.error);
  if (resolution === 'dns') return err('is a range, which names can not have');
  const first = ipFromBytes(prefix.value.bytes);
  const ip = first.ok ? routableAddress(first.value) : undefined;
  if (prefix.value.bits === prefix.value.bytes.length * 8) return ip === undefined ? unusable : ok(ip);
  // All of a family is none of the special ranges.
  return ip === undefined && prefix.value.bits > 0 ? unusable : ok(prefix.value);
}

function parsePort(value: unknown): Result<EntryPort> {
  const { number, name = '', protocol = '', targetPort } = fields(value);
  if (!isPort(number)) return err('has no number');
  if (typeof name !== 'string' || name.length > MAX_TEXT || typeof protocol !== 'string' || protocol.length > MAX_TEXT) return err('can not be read');
  if (targetPort !== undefined && targetPort !== null && targetPort !== 0 && !isPort(targetPort)) return err('has a targetPort that is none');
  return ok({ number, name, protocol: protocol.toUpperCase(), target: isPort(targetPort) ? targetPort : number });
}

function distinctPorts(ports: readonly EntryPort[], faults: string[]): EntryPort[] {
  const numbers = new Set<number>();
  return ports.filter(({ number }) => {
    if (numbers.has(number)) faults.push(`spec.ports has ${number} twice`);
    return numbers.size !== numbers.add(number).size;
  });
}

function endpointOf(value: unknown, resolution: ServiceEntry['resolution']): Result<EntryEndpoint> {
  if (resolution === 'none') return err('is not used: with the resolution NONE connections go where they are for');
  const endpoint = parseEndpoint(value);
  return endpoint.ok && endpoint.value.hostname !== '' && resolution === 'static' ? err('has a name for its address, which the resolution STATIC does not look up') : endpoint;
}

/** Whether each host is its own endpoint, as nobody says another one. A wildcard can be none. */
function areHostsEndpoints(hosts: readonly string[], spec: Fields, resolution: ServiceEntry['resolution'], faults: string[]): boolean {
  if (resolution !== 'dns' || items(spec['endpoints']).length > 0 || isObject(spec['workloadSelector'])) return false;
  for (const host of hosts) if (isWildcard(host)) faults.push(`spec.hosts: ${host} stands for many names, and needs endpoints`);
  return true;
}

/** Undefined also for an empty one, which Istio has select nothing. */
function parseSelector(value: unknown, faults: string[]): ServiceEntry['selector'] {
  if (value === undefined || value === null) return undefined;
  const labels = isObject(value) ? parseLabels(value['labels']) : undefined;
  if (labels === undefined) faults.push('spec.workloadSelector can not be read');
  const pairs = Object.entries(labels ?? {});
  return pairs.length === 0 ? undefined : pairs;
}

/** Agents can keep a service to its own namespace, or tell it to all; lists of namespaces have no form. */
function isExported(value: unknown, namespace: string): boolean {
  const targets = items(value);
  return targets.length === 0 || !targets.every((target) => target === '.' || target === '~' || target === namespace);
}

function allocatedOf(value: unknown): ReadonlyMap<string, readonly IpAddress[]> {
  const found = new Map<string, IpAddress[]>();
  for (const item of items(value).slice(0, MAX_ALLOCATED)) {
    const { value: text, host } = fields(item);
    const ip = typeof text === 'string' ? routableAddress(text) : undefined;
    if (ip === undefined || typeof host !== 'string') continue;
    const known = found.get(lowerCase(host));
    if (known === undefined) found.set(lowerCase(host), [ip]);
    else if (!known.includes(ip)) known.push(ip);
  }
  return found;
}
