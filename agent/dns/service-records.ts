/** The records of one service: its addresses, its endpoints' addresses and names, its ports. */
import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import { DNS_TYPE } from '@landbridge/wire/dns-message.ts';
import type { DnsRecord } from '@landbridge/wire/dns-response.ts';
import { ipOf, type Service } from '../discovery/wds-address.ts';
import { type HeadlessEndpoint, headlessEndpoints, isHeadless, MAX_HEADLESS_ENDPOINTS, networkOf } from './headless-endpoints.ts';
import type { Finding, NameOptions, NameView } from './name-view.ts';
import type { ServiceName } from './service-names.ts';

/** Of answers, as ztunnel and CoreDNS have it. */
export const TTL_SECONDS = 30;
/** Additional records are a courtesy, which must not be what makes an answer large. */
const MAX_ADDITIONAL_TARGETS = 16;
/** All endpoints are equally good (RFC 2782), as CoreDNS says it. */
const SRV_PRIORITY = 0;
const SRV_WEIGHT_SUM = 100;

type Found = Finding<DnsRecord>;
const NO_DATA: Found = { kind: 'no-data' };
const NO_NAME: Found = { kind: 'no-name' };
const UNTOLD: Found = { kind: 'untold' };

/** What a name of the service says of a type; `owner` is how it was asked for. */
export function serviceRecords(service: Service, name: ServiceName, type: number, owner: string, view: NameView, options: NameOptions): Found {
  switch (name.kind) {
    case 'service':
      return isHeadless(service) ? ofEndpoints([...bounded(headlessEndpoints(service, view, options.network))], type, owner, options) : addressRecords(serviceAddresses(service, options.network), type, owner, options);
    case 'port':
      return portRecords(service, name, type, owner, view, options);
    case 'protocol':
      if (service.names === undefined) return UNTOLD;
      return service.names.ports.some(({ protocol }) => protocol === name.protocol) ? noData(type, owner) : NO_NAME;
    case 'endpoint': {
      if (!isHeadless(service)) return NO_NAME;
      if (service.names === undefined) return UNTOLD;
      const called: HeadlessEndpoint[] = [];
      for (const endpoint of headlessEndpoints(service, view, options.network, name.hostname)) if (endpoint.hostname === name.hostname && (name.cluster === undefined || endpoint.cluster === name.cluster)) called.push(endpoint);
      return ofEndpoints(called, type, owner, options);
    }
    default:
      return name satisfies never;
  }
}

/** Addresses of a service in the network, of the families that it has. */
export function serviceAddresses({ addresses, ipFamilies }: Service, network: string): IpAddress[] {
  return addresses.filter((address) => networkOf(address) === network).map(ipOf).filter((ip) => ipFamilies !== (isIpv4(ip) ? 'ipv6' : 'ipv4'));
}

/** In random order, so that clients that take the first do not all take the same. */
export function addressRecords(addresses: readonly IpAddress[], type: number, owner: string, { random }: Pick<NameOptions, 'random'>): Found {
  if (type !== DNS_TYPE.A && type !== DNS_TYPE.AAAA) return noData(type, owner);
  const matching = addresses.filter((ip) => isIpv4(ip) === (type === DNS_TYPE.A));
  return matching.length === 0 ? NO_DATA : { kind: 'records', answers: shuffled(matching, random).map((address) => addressRecord(address, owner)), additionals: [] };
}

/** RFC 8482: somebody who asks for everything gets one small thing. */
function noData(type: number, owner: string): Found {
  return type === DNS_TYPE.ANY ? { kind: 'records', answers: [{ type: 'HINFO', owner, ttlSeconds: TTL_SECONDS, cpu: 'RFC8482', os: '' }], additionals: [] } : NO_DATA;
}

/** MCS DNS specification, 2.4.1: without a ready endpoint there is no name. */
function ofEndpoints(endpoints: readonly HeadlessEndpoint[], type: number, owner: string, options: NameOptions): Found {
  return endpoints.length === 0 ? NO_NAME : addressRecords(endpoints.flatMap(({ addresses }) => addresses), type, owner, options);
}

function portRecords(service: Service, { port, protocol }: Extract<ServiceName, { kind: 'port' }>, type: number, owner: string, view: NameView, options: NameOptions): Found {
  if (service.names === undefined) return UNTOLD;
  const isAsked = (candidate: { readonly name: string; readonly protocol: string }): boolean => candidate.name === port && candidate.protocol === protocol;
  const targets: { readonly target: string; readonly port: number; readonly addresses: readonly IpAddress[] }[] = [];
  if (isHeadless(service)) {
    for (const { hostname, cluster, addresses, ports } of bounded(headlessEndpoints(service, view, options.network))) {
      const found = ports.find(isAsked);
      if (found !== undefined && addresses.length > 0) targets.push({ target: endpointHost(service, hostname, cluster), port: found.port, addresses });
    }
  } else {
    const found = service.names.ports.find(isAsked);
    if (found !== undefined) targets.push({ target: service.hostname, port: found.port, addresses: serviceAddresses(service, options.network) });
  }
  if (targets.length === 0) return NO_NAME;
  if (type !== DNS_TYPE.SRV) return noData(type, owner);
  const order = shuffled(targets, options.random);
  const weight = Math.max(1, Math.floor(SRV_WEIGHT_SUM / order.length));
  return {
    kind: 'records',
    answers: order.map(({ target, port: number }) => ({ type: 'SRV', owner, ttlSeconds: TTL_SECONDS, priority: SRV_PRIORITY, weight, port: number, target })),
    additionals: order.slice(0, MAX_ADDITIONAL_TARGETS).flatMap(({ target, addresses }) => addresses.map((address) => addressRecord(address, target))),
  };
}

function endpointHost({ hostname }: Service, endpoint: string, cluster: string): string {
  return hostname.endsWith(`.svc.${CLUSTERSET_DOMAIN}`) ? `${endpoint}.${cluster}.${hostname}` : `${endpoint}.${hostname}`;
}

const addressRecord = (address: IpAddress, owner: string): DnsRecord => ({ type: isIpv4(address) ? 'A' : 'AAAA', owner, ttlSeconds: TTL_SECONDS, address });

function* bounded<T>(all: Iterable<T>): Generator<T> {
  let count = 0;
  for (const each of all) {
    if (count++ === MAX_HEADLESS_ENDPOINTS) return;
    yield each;
  }
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const result = [...list];
  for (let last = result.length - 1; last > 0; last--) {
    const at = Math.floor(random() * (last + 1));
    [result[last], result[at]] = [result[at] as T, result[last] as T];
  }
  return result;
}
