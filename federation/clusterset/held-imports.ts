import type { ServicePort, ServiceRecord } from '@landbridge/core/records.ts';
import { isOurs, keyOf, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL, type ServiceImport } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import type { Change } from '../outputs/changes.ts';
import { writtenMetadata } from '../outputs/import-metadata.ts';

/** By `<namespace>/<name>`. */
export type HeldImports = ReadonlyMap<string, ServiceImport>;

/**
 * What an import is follows from all its clusters. While one of them is not known completely, such as after a restart
 * without the hub, the import stays as the API server has it, and only endpoints of the clusters that are known change.
 */
export function heldImports(imports: readonly ServiceImport[], isComplete: (cluster: string) => boolean): HeldImports {
  return new Map(imports.filter((object) => isOurs(object) && (object.status?.clusters ?? []).some(({ cluster }) => !isComplete(cluster))).map((object) => [keyOf(object), object]));
}

/** The import with everything as it is held that clusters decide together. */
export function asHeld(imported: ImportedService, held: HeldImports): ImportedService {
  const object = held.get(`${imported.namespace}/${imported.name}`);
  const spec = object?.spec;
  if (object === undefined || spec === undefined) return imported;
  return {
    ...imported,
    type: spec.type === 'Headless' ? 'Headless' : 'ClusterSetIP',
    ports: (spec.ports ?? []).map(({ name, protocol, port, appProtocol }): ServicePort => ({ name: name ?? '', protocol: (protocol ?? 'TCP') as ServicePort['protocol'], port, ...(appProtocol === undefined ? {} : { appProtocol }) })),
    sessionAffinity: (spec.sessionAffinity ?? 'None') as ServiceRecord['sessionAffinity'],
    sessionAffinityTimeoutSeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds,
    // One that a version before this has written says none.
    ipFamilies: spec.ipFamilies === undefined ? imported.ipFamilies : spec.ipFamilies.filter((family) => family === 'IPv4' || family === 'IPv6'),
    internalTrafficPolicy: spec.internalTrafficPolicy === 'Local' || spec.internalTrafficPolicy === 'Cluster' ? spec.internalTrafficPolicy : undefined,
    trafficDistribution: spec.trafficDistribution,
    ...writtenMetadata(object),
  };
}

/**
 * Whether a change has to wait. Slices have one source each and follow it. Of the other objects none is deleted, and a
 * ServiceEntry, which has the endpoints of all clusters in one list or selects them, stays as it is with what it selects.
 */
export function isHeld({ verb, object }: Change, held: HeldImports): boolean {
  const { namespace = '', name = '', labels } = object.metadata ?? {};
  const isEntry = object.kind === 'ServiceEntry' || object.kind === 'WorkloadEntry';
  if ((labels?.[MCS_SOURCE_LABEL] !== undefined && !isEntry) || !held.has(`${namespace}/${labels?.[MCS_SERVICE_LABEL] ?? name}`)) return false;
  return verb === 'delete' || isEntry;
}
