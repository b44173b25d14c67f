import type { V1Namespace, V1Service } from '@kubernetes/client-node';
import { isOurs, MANAGED_BY, MANAGED_BY_LABEL, MCS_VERSION, type ServiceExport } from '../kubernetes/types.ts';
import { type Change, covers } from '../outputs/changes.ts';
import { CLOSED_NAMESPACES } from '../outputs/names.ts';

/**
 * On a Service, `true` exports it, anything else keeps it; on a Namespace, `true` exports its Services. A ServiceExport is
 * made for each, which says what becomes of it: whether a label or somebody has made it, there is one way to export.
 */
export const EXPORT_LABEL = 'landbridge.dev/export';

export interface LabelExportObjects {
  readonly service: V1Service | undefined;
  readonly namespace: V1Namespace | undefined;
  /** The ServiceExport of the Service's name. */
  readonly serviceExport: ServiceExport | undefined;
}

/** What there is to write for the ServiceExport of one Service. One that somebody else has made stays as it is, whatever labels say. */
export function labelExportChange({ service, namespace, serviceExport }: LabelExportObjects): Change | undefined {
  if (serviceExport !== undefined && (!isOurs(serviceExport) || serviceExport.metadata?.deletionTimestamp !== undefined)) return undefined;
  if (service === undefined || !isExportedByLabel(service, namespace)) return serviceExport === undefined ? undefined : { verb: 'delete', object: serviceExport };
  const object = exportOf(service);
  if (serviceExport === undefined) return { verb: 'create', object };
  return covers(serviceExport, object) ? undefined : { verb: 'apply', object };
}

export function isExportedByLabel(service: V1Service, namespace: V1Namespace | undefined): boolean {
  const { metadata, spec } = service;
  if (isOurs(service) || metadata?.deletionTimestamp !== undefined || namespace === undefined || namespace.metadata?.deletionTimestamp !== undefined) return false;
  if (CLOSED_NAMESPACES.has(namespace.metadata?.name ?? '') || isApiServer(service)) return false;
  const own = metadata?.labels?.[EXPORT_LABEL];
  if (own !== undefined) return own === 'true';
  // What can not be exported says so where somebody has asked for it by name.
  return namespace.metadata?.labels?.[EXPORT_LABEL] === 'true' && spec?.type !== 'ExternalName';
}

/** The Service of the cluster's own API server, which every cluster has under the same name. */
const isApiServer = ({ metadata }: V1Service): boolean => metadata?.namespace === 'default' && metadata.name === 'kubernetes';

/** Owned by its Service, with which Kubernetes takes it away also while this service is not there. */
function exportOf({ metadata }: V1Service): ServiceExport {
  const { namespace = '', name = '', uid = '' } = metadata ?? {};
  return {
    apiVersion: MCS_VERSION,
    kind: 'ServiceExport',
    metadata: { namespace, name, labels: { [MANAGED_BY_LABEL]: MANAGED_BY }, ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid }] },
  };
}
