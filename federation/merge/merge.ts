import type { Endpoint, ServicePort, ServiceRecord } from '@landbridge/core/records.ts';

/** What one cluster says of the services that it exports; keys are `<namespace>/<name>`. */
export interface Constituent {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly services: ReadonlyMap<string, ServiceRecord>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
}

export interface ImportedService {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceRecord['type'];
  readonly ports: readonly ServicePort[];
  readonly sessionAffinity: ServiceRecord['sessionAffinity'];
  readonly sessionAffinityTimeoutSeconds: number | undefined;
  readonly ipFamilies: readonly ('IPv4' | 'IPv6')[];
  /** Sorted by cluster. */
  readonly clusters: readonly { readonly cluster: string; readonly trustDomain: string; readonly network: string; readonly endpoints: readonly Endpoint[] }[];
  /** What the constituents did not agree on, one sentence each. */
  readonly conflicts: readonly string[];
}

/**
 * Merges the exports of all clusters (KEP-1645, "Constraints and Conflict Resolution"): ports are united; where
 * clusters disagree, the oldest export decides, and of equally old ones the first by cluster name. The result does not
 * depend on the order of the constituents.
 */
export function merge(constituents: readonly Constituent[]): ReadonlyMap<string, ImportedService> {
  const keys = new Set(constituents.flatMap(({ services }) => [...services.keys()]));
  return new Map([...keys].sort().map((key) => [key, mergeService(key, constituents)]));
}

/** One service, which at least one of the constituents exports. */
export function mergeService(key: string, constituents: readonly Constituent[]): ImportedService {
  const parts = constituents
    .flatMap((constituent) => {
      const record = constituent.services.get(key);
      return record === undefined ? [] : [{ constituent, record }];
    })
    .sort((a, b) => a.record.exportedAt - b.record.exportedAt || (a.constituent.cluster < b.constituent.cluster ? -1 : 1));
  const [oldest] = parts;
  if (oldest === undefined) throw new RangeError(`nobody exports ${key}`);
  const conflicts: string[] = [];
  const decided = <K extends 'type' | 'sessionAffinity' | 'sessionAffinityTimeoutSeconds'>(field: K, compared = parts): ServiceRecord[K] => {
    const others = compared.filter(({ record }) => record[field] !== oldest.record[field]).map(({ constituent }) => constituent.cluster);
    if (others.length > 0) conflicts.push(`${field} is ${oldest.record[field] ?? 'not set'} as in ${oldest.constituent.cluster}, whose export is oldest; ${others.join(', ')} differ`);
    return oldest.record[field];
  };
  return {
    namespace: oldest.record.namespace,
    name: oldest.record.name,
    type: decided('type'),
    sessionAffinity: decided('sessionAffinity'),
    sessionAffinityTimeoutSeconds: decided('sessionAffinityTimeoutSeconds', parts.filter(({ record }) => record.sessionAffinity === oldest.record.sessionAffinity)),
    ipFamilies: oldest.record.ipFamilies,
    ports: mergePorts(parts.map(({ constituent, record }) => ({ cluster: constituent.cluster, ports: record.ports })), conflicts),
    clusters: parts
      .map(({ constituent: { cluster, trustDomain, network, endpoints } }) => ({ cluster, trustDomain, network, endpoints: endpoints.get(key) ?? [] }))
      .sort((a, b) => (a.cluster < b.cluster ? -1 : 1)),
    conflicts,
  };
}

/**
 * The union of all ports. A later port that has an earlier one's name or number, but is another port, is left out.
 * So is one that can not stand beside the earlier ones because only a Service's single port may be without a name.
 */
function mergePorts(parts: readonly { readonly cluster: string; readonly ports: readonly ServicePort[] }[], conflicts: string[]): ServicePort[] {
  const merged: ServicePort[] = [];
  for (const { cluster, ports } of parts) {
    for (const port of ports) {
      const same = merged.find((known) => known.name === port.name || known.name === '' || port.name === '' || (known.port === port.port && known.protocol === port.protocol));
      if (same === undefined) merged.push(port);
      else if (same.name !== port.name || same.port !== port.port || same.protocol !== port.protocol) conflicts.push(`port ${describe(port)} of ${cluster} is left out: ${describe(same)} of an older export is in its place`);
      else if (same.appProtocol !== port.appProtocol) conflicts.push(`port ${describe(port)} of ${cluster} has application protocol ${port.appProtocol ?? 'none'}, an older export ${same.appProtocol ?? 'none'}`);
    }
  }
  return merged;
}

const describe = ({ name, port, protocol }: ServicePort): string => `${name === '' ? '' : `${name} `}${port}/${protocol}`;
