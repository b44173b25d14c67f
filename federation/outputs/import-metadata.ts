import type { KubernetesObject } from '@kubernetes/client-node';
import { fields, items } from '@landbridge/core/json-fields.ts';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { DERIVED_SERVICE_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';

type Exported = Pick<ImportedService, 'labels' | 'annotations'>;

/** The order in which clusters decide (ADR 0031), kept with the import: names of clusters, joined by commas. */
export const PRECEDENCE_ANNOTATION = 'landbridge.dev/precedence';
/** Names of the labels and annotations that came from the clusters that export the service: `{"labels": [], "annotations": []}`. */
export const EXPORTED_ANNOTATION = 'landbridge.dev/exported';
/** As many clusters as a clusterset may have. */
const MAX_CLUSTERS = 1000;
/** What an object is to others, and what they keep of it, is this cluster's to say: whoever exports a service can not take an import over. */
const RESERVED_PREFIXES = ['landbridge.dev/', 'multicluster.kubernetes.io/', 'multicluster.x-k8s.io/', 'kubectl.kubernetes.io/', 'meta.helm.sh/', MANAGED_BY_LABEL];

/** Labels and annotations of a ServiceImport. What is undefined is taken away from an object that still has it. */
export function importMetadata(imported: ImportedService, derived: string): { readonly labels: Record<string, string>; readonly annotations: Record<string, string | undefined> } {
  const [labels, annotations] = [withoutReserved(imported.labels), withoutReserved(imported.annotations)];
  const [labelNames, annotationNames] = [Object.keys(labels).sort(), Object.keys(annotations).sort()];
  return {
    labels: { ...labels, [MANAGED_BY_LABEL]: MANAGED_BY },
    annotations: {
      ...annotations,
      [DERIVED_SERVICE_ANNOTATION]: derived,
      [PRECEDENCE_ANNOTATION]: imported.precedence.length === 0 ? undefined : imported.precedence.join(),
      // With other names the object differs, and what is applied no longer has the old ones.
      [EXPORTED_ANNOTATION]: labelNames.length + annotationNames.length === 0 ? undefined : JSON.stringify({ labels: labelNames, annotations: annotationNames }),
    },
  };
}

/** The order that stands in an import; of anything that is none, nothing. */
export function writtenPrecedence({ metadata }: KubernetesObject): readonly string[] {
  return [...new Set((metadata?.annotations?.[PRECEDENCE_ANNOTATION] ?? '').split(',', MAX_CLUSTERS).filter(isDnsLabel))];
}

/** What an import has of the clusters that export the service, as it was written. */
export function writtenMetadata({ metadata }: KubernetesObject): Exported {
  const names = exportedNames(metadata?.annotations?.[EXPORTED_ANNOTATION] ?? '');
  return { labels: only(metadata?.labels, names.labels), annotations: only(metadata?.annotations, names.annotations) };
}

function exportedNames(text: string): { readonly labels: readonly unknown[]; readonly annotations: readonly unknown[] } {
  try {
    const { labels, annotations } = fields(JSON.parse(text));
    return { labels: items(labels), annotations: items(annotations) };
  } catch {
    // Somebody else's text, or none.
    return { labels: [], annotations: [] };
  }
}

const only = (values: Readonly<Record<string, string>> = {}, names: readonly unknown[]): Record<string, string> => Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));

const withoutReserved = (values: Readonly<Record<string, string>>): Record<string, string> => Object.fromEntries(Object.entries(values).filter(([name]) => !RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix))));
