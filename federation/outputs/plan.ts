/** What would be written, said without writing anything. Pure. */
import type { KubernetesObject, V1Service } from '@kubernetes/client-node';
import { MANAGED_BY, MANAGED_BY_LABEL, type ServiceImport } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { changes, identity } from './changes.ts';
import { desiredObjects, type ExistingObjects } from './desired.ts';
import { derivedServiceName } from './names.ts';

export interface PlannedChange {
  readonly verb: 'create' | 'change' | 'delete';
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const ALL_KNOWN = { isComplete: (): boolean => true, all: true };

/** Every object that the imports would have created, changed or deleted once all that depends on another is there too. */
export function plannedChanges(imports: ReadonlyMap<string, ImportedService>, existing: ExistingObjects, own: readonly KubernetesObject[]): PlannedChange[] {
  const present = new Set(own.map(identity));
  const planned = changes(desiredObjects(imports.values(), asWritten(imports, existing)).objects, own, ALL_KNOWN);
  return planned.map(({ verb, object }): PlannedChange => ({
    verb: verb === 'delete' ? 'delete' : present.has(identity(object)) ? 'change' : 'create',
    apiVersion: object.apiVersion ?? '',
    kind: object.kind ?? '',
    namespace: object.metadata?.namespace ?? '',
    name: object.metadata?.name ?? '',
  })).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

const sortKey = ({ namespace, name, kind }: PlannedChange): string => `${namespace}/${name}/${kind}`;

/** As if owners and clusterset addresses were there already, on which the other objects wait. */
function asWritten(imports: ReadonlyMap<string, ImportedService>, existing: ExistingObjects): ExistingObjects {
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY };
  const services = new Map<string, V1Service>();
  for (const { namespace, name, type } of imports.values()) {
    const clusterIP = type === 'Headless' ? 'None' : '0.0.0.0';
    services.set(`${namespace}/${derivedServiceName(namespace, name)}`, { metadata: { namespace, labels }, spec: { clusterIP, clusterIPs: [clusterIP] } });
  }
  return {
    ...existing,
    imports: { get: (key) => existing.imports.get(key) ?? (imports.has(key) ? ({ metadata: { uid: 'planned', labels } } as unknown as ServiceImport) : undefined) },
    services: { get: (key) => existing.services.get(key) ?? services.get(key) },
  };
}
