/** What agents are told for DNS beyond Istio's workload API: names of ports and endpoints, in extensions that others pass over. */
import { create } from '@bufbuild/protobuf';
import { isIpv4, parseIp } from '@landbridge/core/ip-address.ts';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { extensionOf } from '@landbridge/wire/extensions.ts';
import { type EndpointName, EndpointNameSchema, EndpointNamesSchema, type NamedPort, NamedPort_Protocol, NamedPortSchema, ServiceNamesSchema } from '@landbridge/wire/gen/names_pb.js';
import type { Extension } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION } from '@landbridge/wire/protocol.ts';

export interface Port {
  readonly name: string;
  readonly protocol?: string;
  readonly port: number;
}

/** An endpoint as its owner tells it. */
export interface ToldEndpoint {
  readonly addresses: readonly string[];
  readonly ports: readonly Port[];
  readonly hostname?: string | undefined;
}

const PROTOCOLS: Readonly<Record<string, NamedPort_Protocol>> = { TCP: NamedPort_Protocol.TCP, UDP: NamedPort_Protocol.UDP, SCTP: NamedPort_Protocol.SCTP };

export function serviceNames(headless: boolean, ports: readonly Port[]): Extension {
  return extensionOf(NAMES_EXTENSION, ServiceNamesSchema, create(ServiceNamesSchema, { headless, ports: namedPorts(ports) }));
}

/** By key of headless service; none where there is none. */
export function endpointNames(services: ReadonlyMap<string, EndpointName>): Extension[] {
  if (services.size === 0) return [];
  const sorted = Object.fromEntries([...services].sort(([a], [b]) => (a < b ? -1 : 1)));
  return [extensionOf(NAMES_EXTENSION, EndpointNamesSchema, create(EndpointNamesSchema, { services: sorted }))];
}

/** A peer may say any text: a hostname that is no label is none, and the endpoint goes by its address. */
export function endpointName({ addresses, ports, hostname = '' }: ToldEndpoint): EndpointName {
  const ips = addresses.map((address) => parseIp(address)).filter((ip) => ip.ok).map(({ value }) => value);
  return create(EndpointNameSchema, { hostname: isDnsLabel(hostname) ? hostname : '', ipv4: ips.some(isIpv4), ipv6: ips.some((ip) => !isIpv4(ip)), ports: namedPorts(ports) });
}

function namedPorts(ports: readonly Port[]): NamedPort[] {
  return ports.flatMap(({ name, protocol = 'TCP', port }) => {
    const known = PROTOCOLS[protocol];
    return known === undefined || !isDnsLabel(name) ? [] : [create(NamedPortSchema, { name, protocol: known, port })];
  });
}
