/** What our control plane tells of DNS names in the extensions of a service or workload; others tell nothing. */
import { fromBinary } from '@bufbuild/protobuf';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { extensionBytes } from '@landbridge/wire/extensions.ts';
import { EndpointNamesSchema, NamedPort_Protocol, ServiceNamesSchema, type NamedPort as WirePort } from '@landbridge/wire/gen/names_pb.js';
import type { Extension } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION } from '@landbridge/wire/protocol.ts';

export interface NamedPort {
  /** A label. */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

export interface ServiceNames {
  /** Its names are those of its endpoints. */
  readonly headless: boolean;
  readonly ports: readonly NamedPort[];
}

/** How a ready endpoint of a headless service is named. */
export interface EndpointName {
  /** A label; empty where its address is its name. */
  readonly hostname: string;
  /** Families of its addresses that the service has. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly ports: readonly NamedPort[];
}

const PROTOCOLS: Readonly<Record<number, NamedPort['protocol']>> = { [NamedPort_Protocol.TCP]: 'tcp', [NamedPort_Protocol.UDP]: 'udp', [NamedPort_Protocol.SCTP]: 'sctp' };
const NONE: ReadonlyMap<string, EndpointName> = new Map();

/** Undefined where nothing is told. An extension that is none of ours costs the resource nothing: it has no such names. */
export function serviceNames(extensions: readonly Extension[]): ServiceNames | undefined {
  const bytes = extensionBytes(extensions, NAMES_EXTENSION);
  if (bytes === undefined) return undefined;
  try {
    const { headless, ports } = fromBinary(ServiceNamesSchema, bytes, { readUnknownFields: false });
    return { headless, ports: namedPorts(ports) };
  } catch {
    return undefined;
  }
}

/** By key of headless service. */
export function endpointNames(extensions: readonly Extension[]): ReadonlyMap<string, EndpointName> {
  const bytes = extensionBytes(extensions, NAMES_EXTENSION);
  if (bytes === undefined) return NONE;
  try {
    const { services } = fromBinary(EndpointNamesSchema, bytes, { readUnknownFields: false });
    return new Map(Object.entries(services).map(([key, { hostname, ipv4, ipv6, ports }]) => [key, { hostname: isDnsLabel(hostname) ? hostname : '', ipv4, ipv6, ports: namedPorts(ports) }]));
  } catch {
    return NONE;
  }
}

function namedPorts(ports: readonly WirePort[]): NamedPort[] {
  return ports.flatMap(({ name, protocol, port }) => {
    const known = PROTOCOLS[protocol];
    return known === undefined || port > 65_535 || !isDnsLabel(name) ? [] : [{ name, protocol: known, port }];
  });
}
