/** Endpoints as ServiceEntry and WorkloadEntry (networking.istio.io) say them. */
import { isHostname } from '@landbridge/core/hostname.ts';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { isObject } from '@landbridge/core/json-fields.ts';
import { isServiceAccountName } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { type Locality, NOWHERE } from '../registry/placement.ts';

/** As in Istio's own definitions. */
export const MAX_ENDPOINT_PORTS = 128;
export const MAX_LABELS = 256;
export const MAX_TEXT = 2048;
/** Numbers of 32 bits, as agents are told. */
const MAX_WEIGHT = 0xffff_ffff;
const MAX_PORT = 65535;
const ASCII_UPPER = /[A-Z]/g;

export interface EntryEndpoint {
  /** Undefined where there is a hostname, or nothing: then a gateway of another network knows it. */
  readonly address: IpAddress | undefined;
  /** To be resolved; empty where there is none. */
  readonly hostname: string;
  /** By name of port. */
  readonly ports: ReadonlyMap<string, number>;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty for the cluster's own. */
  readonly network: string;
  readonly locality: Locality;
  readonly serviceAccount: string;
  /** Undefined where it does not say. */
  readonly weight: number | undefined;
}

/** Total. An endpoint of which something can not be read is none: another port, place or weight than what was meant is not better. */
export function parseEndpoint(value: unknown): Result<EntryEndpoint> {
  if (!isObject(value)) return err('is no endpoint');
  const { address = '', network = '', locality = '', serviceAccount = '', weight = 0 } = value;
  if (typeof network !== 'string' || network.length > MAX_TEXT) return err('network can not be read');
  if (typeof locality !== 'string' || locality.length > MAX_TEXT) return err('locality can not be read');
  if (typeof serviceAccount !== 'string' || (serviceAccount !== '' && !isServiceAccountName(serviceAccount))) return err('serviceAccount is none');
  if (!Number.isInteger(weight) || (weight as number) < 0 || (weight as number) > MAX_WEIGHT) return err('weight can not be read');
  const ports = parseEndpointPorts(value['ports']);
  if (!ports.ok) return ports;
  const labels = parseLabels(value['labels']);
  if (labels === undefined) return err('labels can not be read');
  const place = parsePlace(address, network);
  if (!place.ok) return place;
  return ok({ ...place.value, ports: ports.value, labels, network, locality: parseLocality(locality), serviceAccount, weight: weight === 0 ? undefined : (weight as number) });
}

function parsePlace(address: unknown, network: string): Result<Pick<EntryEndpoint, 'address' | 'hostname'>> {
  if (typeof address !== 'string' || address.length > MAX_TEXT) return err('address can not be read');
  if (address === '') return network === '' ? err('has neither address nor network') : ok({ address: undefined, hostname: '' });
  const ip = routableAddress(address);
  if (ip !== undefined) return ok({ address: ip, hostname: '' });
  const hostname = lowerCase(address);
  return isHostname(hostname) ? ok({ address: undefined, hostname }) : err(`address ${JSON.stringify(address.slice(0, 80))} is neither a name nor an address that another host can reach`);
}

function parseEndpointPorts(value: unknown): Result<ReadonlyMap<string, number>> {
  if (value === undefined || value === null) return ok(new Map());
  const entries = isObject(value) ? Object.entries(value) : [];
  if (!isObject(value) || entries.length > MAX_ENDPOINT_PORTS || !entries.every(([, port]) => isPort(port))) return err('ports can not be read');
  return ok(new Map(entries as [string, number][]));
}

export function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= MAX_PORT;
}

/** Undefined for what are none. */
export function parseLabels(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length <= MAX_LABELS && entries.every(([, text]) => typeof text === 'string' && text.length <= MAX_TEXT) ? Object.fromEntries(entries as [string, string][]) : undefined;
}

/** `region/zone/subzone`; what comes behind means nothing. */
function parseLocality(text: string): Locality {
  if (text === '') return NOWHERE;
  const [region = '', zone = '', subzone = ''] = text.split('/');
  return { region, zone, subzone };
}

/** Of ASCII alone (RFC 4343): other letters have lower-case forms that are ASCII. */
export const lowerCase = (text: string): string => text.replaceAll(ASCII_UPPER, (letter) => letter.toLowerCase());
