/** Header fields of an HBONE tunnel: who is asking, and on whose behalf. What peers say here are claims; what they are is in their certificate. */
import { Buffer } from 'node:buffer';
import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { formatSocketAddress, parseAuthority, parseHostname } from './authority.ts';

export type WorkloadKind = 'deployment' | 'cronjob' | 'pod' | 'job';

/** Empty: not said. */
export interface BaggageLabels {
  readonly cluster: string;
  readonly namespace: string;
  readonly workloadKind: WorkloadKind;
  readonly workload: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly region: string;
  readonly zone: string;
}

export interface Forwarded {
  /** The connection that is carried. Undefined: not said, or not as an address with a port. */
  readonly source: { readonly ip: IpAddress; readonly port: number } | undefined;
  /** The service's hostname, in lower case. */
  readonly host: string | undefined;
}

export interface Traceparent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly parentId: string;
}

/** What receivers must take at least (W3C Baggage, section 3.3.2); no peer needs more. */
const MAX_BAGGAGE_LENGTH = 8192;
const MAX_BAGGAGE_MEMBERS = 64;
/** The longest of all that Kubernetes calls a name. Of a longer value nothing is believed. */
const MAX_LABEL_LENGTH = 253;
const MAX_FORWARDED_LENGTH = 1024;
/** Seen in logs and metrics, so printable; ',' and ';' would be another member, or a property of this one (W3C Baggage, section 3.3.1). */
const LABEL_VALUE = /^[!-+\--:<-~]([ !-+\--:<-~]*[!-+\--:<-~])?$/;
const WORKLOAD_KEY = /^k8s\.(deployment|cronjob|pod|job)\.name$/;
/** One `name=value` of RFC 7239, section 4, up to where the next begins. No value here needs an escape in quotes. */
const FORWARDED_PAIR = /[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"([^"\\]*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))[ \t]*(;|,|$)/y;
/** W3C Trace Context, section 3.2: a later version may have more behind, and no identifier is all zeroes. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-|$)/;
const MAX_TRACEPARENT_LENGTH = 256;
const TRACE_ID_BYTES = 16;
/** Random bytes that {@link formatTraceparent} needs. */
export const TRACEPARENT_BYTES = TRACE_ID_BYTES + 8;

/** `baggage`: labels of the workload that speaks, in the order that peers of Istio write. Values stand as they are; one that can not is left out. Empty: the field is left out. */
export function formatBaggage(labels: BaggageLabels): string {
  return (
    member('k8s.cluster.name', labels.cluster) +
    member('k8s.namespace.name', labels.namespace) +
    member(`k8s.${labels.workloadKind}.name`, labels.workload) +
    member('service.name', labels.canonicalName) +
    member('service.version', labels.canonicalRevision) +
    member('cloud.region', labels.region) +
    member('cloud.availability_zone', labels.zone)
  ).slice(1);
}

function member(key: string, value: string): string {
  return isLabelValue(value) ? `,${key}=${value}` : '';
}

function isLabelValue(value: string): boolean {
  return value.length <= MAX_LABEL_LENGTH && LABEL_VALUE.test(value);
}

/** Unknown members are ignored, and of equal ones the last counts. A value that {@link formatBaggage} would leave out is not said. */
export function parseBaggage(text: string): Result<BaggageLabels> {
  if (text.length > MAX_BAGGAGE_LENGTH) return err(`baggage is longer than ${MAX_BAGGAGE_LENGTH} characters`);
  const members = text.split(',', MAX_BAGGAGE_MEMBERS + 1);
  if (members.length > MAX_BAGGAGE_MEMBERS) return err(`baggage has more than ${MAX_BAGGAGE_MEMBERS} members`);
  const labels: { -readonly [name in keyof BaggageLabels]: BaggageLabels[name] } = { cluster: '', namespace: '', workloadKind: 'pod', workload: '', canonicalName: '', canonicalRevision: '', region: '', zone: '' };
  for (const each of members) {
    const [pair = ''] = each.split(';', 1);
    const equals = pair.indexOf('=');
    const key = pair.slice(0, Math.max(0, equals)).trim();
    const said = pair.slice(equals + 1).trim();
    const value = isLabelValue(said) ? said : '';
    const kind = WORKLOAD_KEY.exec(key)?.[1];
    if (kind !== undefined) {
      labels.workloadKind = kind as WorkloadKind;
      labels.workload = value;
    } else if (key === 'k8s.cluster.name') labels.cluster = value;
    else if (key === 'k8s.namespace.name') labels.namespace = value;
    else if (key === 'service.name') labels.canonicalName = value;
    else if (key === 'service.version') labels.canonicalRevision = value;
    else if (key === 'cloud.region') labels.region = value;
    else if (key === 'cloud.availability_zone') labels.zone = value;
  }
  return ok(labels);
}

/** `forwarded` (RFC 7239): the connection that is carried, and the service it was made to where that is known. */
export function formatForwarded(source: { readonly ip: string; readonly port: number }, host?: string): string {
  const node = `for="${formatSocketAddress(source)}"`;
  return host === undefined ? node : `${node};host=${host}`;
}

/** The first element, which is the nearest to the client. Parameters that are not read may be anything. */
export function parseForwarded(text: string): Result<Forwarded> {
  if (text.length > MAX_FORWARDED_LENGTH) return err(`forwarded is longer than ${MAX_FORWARDED_LENGTH} characters`);
  let source: Forwarded['source'];
  let host: string | undefined;
  const seen = new Set<string>();
  FORWARDED_PAIR.lastIndex = 0;
  for (let end = ';'; end === ';'; ) {
    const pair = FORWARDED_PAIR.exec(text);
    if (pair === null) return err('forwarded is not a list of NAME=VALUE');
    const name = (pair[1] as string).toLowerCase();
    const value = pair[2] ?? pair[3] ?? '';
    end = pair[4] as string;
    // RFC 7239, section 4: none may come twice in an element.
    if (seen.has(name)) return err(`forwarded has ${JSON.stringify(name.slice(0, 64))} twice`);
    seen.add(name);
    if (name === 'for') {
      const authority = parseAuthority(value);
      if (authority.ok && authority.value.kind === 'ip') source = { ip: authority.value.ip, port: authority.value.port };
    } else if (name === 'host') {
      host = serviceHost(value);
    }
  }
  return ok({ source, host });
}

/** A service's hostname may have a wildcard as its first label. */
function serviceHost(text: string): string | undefined {
  const parsed = parseHostname(text.startsWith('*.') ? text.slice(2) : text);
  if (!parsed.ok || text.length > MAX_LABEL_LENGTH) return undefined;
  return text.startsWith('*.') ? `*.${parsed.value}` : parsed.value;
}

/** `traceparent` (W3C Trace Context) that no trace has yet, not sampled: an id by which the logs of both ends can be matched. */
export function formatTraceparent(random: Uint8Array): string {
  const hex = Buffer.from(random.buffer, random.byteOffset, random.byteLength).toString('hex', 0, TRACEPARENT_BYTES);
  return `00-${hex.slice(0, TRACE_ID_BYTES * 2)}-${hex.slice(TRACE_ID_BYTES * 2)}-00`;
}

export function parseTraceparent(text: string): Result<Traceparent> {
  const parts = text.length > MAX_TRACEPARENT_LENGTH ? null : TRACEPARENT.exec(text);
  // Version 0 ends here.
  if (parts === null || (parts[1] === '00' && parts[4] === '-')) return err('traceparent is not VERSION-TRACE-PARENT-FLAGS');
  return ok({ traceId: parts[2] as string, parentId: parts[3] as string });
}
