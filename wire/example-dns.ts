/** Queries of DNS for tests. */
import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import { encode, type OptAnswer } from 'dns-packet';
import { DNS_TYPE, type DnsQuery, parseDnsQuery } from './dns-message.ts';

export interface ExampleEdns {
  readonly udpBytes?: number;
  readonly version?: number;
  readonly wantsSignatures?: boolean;
}

export function exampleQueryBytes(name: string, type: keyof typeof DNS_TYPE | number = 'A', edns?: ExampleEdns): Uint8Array {
  const option: OptAnswer[] = edns === undefined ? [] : [{ type: 'OPT', name: '.', udpPayloadSize: edns.udpBytes ?? 1232, extendedRcode: 0, ednsVersion: edns.version ?? 0, flags: edns.wantsSignatures === true ? 0x8000 : 0, flag_do: false, options: [] }];
  const bytes = Uint8Array.from(encode({ type: 'query', id: 0x1234, flags: 0x100, questions: [{ name, type: 'A' }], additionals: option }));
  new DataView(bytes.buffer).setUint16(12 + (name === '' ? 1 : name.length + 2), typeof type === 'number' ? type : DNS_TYPE[type]);
  return bytes;
}

export function exampleQuery(name: string, edns?: ExampleEdns): DnsQuery {
  const parsed = parseDnsQuery(exampleQueryBytes(name, 'A', edns));
  if (parsed.kind !== 'query') throw new RangeError(`${name} is no name`);
  return parsed.query;
}

export function ipAddress(text: string): IpAddress {
  const ip = parseIp(text);
  if (!ip.ok) throw new RangeError(ip.error);
  return ip.value;
}
