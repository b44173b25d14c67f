import { fields, items } from '@landbridge/core/json-fields.ts';
import { type EntryEndpoint, parseEndpoint } from './entry-endpoint.ts';
import { type EntryMetadata, entryMetadata } from './entry-metadata.ts';
import type { ReadEntry } from './service-entry.ts';

/** Set where somebody looks after the condition `Healthy` (Istio: status.WorkloadEntryHealthCheckAnnotation). */
const HEALTH_ANNOTATION = 'proxy.istio.io/health-checks-enabled';
/** Of conditions; there are a few. */
const MAX_CONDITIONS = 64;

/** A WorkloadEntry of Istio: something outside of the cluster's pods that may stand behind services. Its labels are those of the object, which win, and of the endpoint. */
export interface WorkloadEntry extends EntryMetadata {
  readonly endpoint: EntryEndpoint;
  readonly isHealthy: boolean;
}

/** Total; undefined for what has not even a name. */
export function readWorkloadEntry(object: unknown): ReadEntry<WorkloadEntry> | undefined {
  const metadata = entryMetadata(object);
  if (metadata === undefined) return undefined;
  const { spec, status } = fields(object);
  const endpoint = parseEndpoint(spec);
  if (!endpoint.ok) return { entry: undefined, faults: [`spec: ${endpoint.error}`] };
  return { entry: { ...metadata, labels: { ...endpoint.value.labels, ...metadata.labels }, endpoint: endpoint.value, isHealthy: isHealthy(metadata, status) }, faults: [] };
}

function isHealthy({ annotations }: EntryMetadata, status: unknown): boolean {
  if (annotations[HEALTH_ANNOTATION] !== 'true') return true;
  return items(fields(status)['conditions']).slice(0, MAX_CONDITIONS).some((condition) => fields(condition)['type'] === 'Healthy' && fields(condition)['status'] === 'True');
}
