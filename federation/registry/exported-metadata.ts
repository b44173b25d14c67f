import { ExportedAnnotationsSchema, ExportedLabelsSchema, MAX_EXPORTED_ANNOTATIONS, MAX_EXPORTED_LABELS, type ServiceRecord } from '@landbridge/core/records.ts';
import { Compile } from 'typebox/compile';
import type { ServiceExport } from '../kubernetes/types.ts';

const labelValidator = Compile(ExportedLabelsSchema);
const annotationValidator = Compile(ExportedAnnotationsSchema);

export interface ExportedMetadata {
  /** As they go into the record; nothing where there is none. */
  readonly record: Pick<ServiceRecord, 'exportedLabels' | 'exportedAnnotations'>;
  /** Names of those that a record has no room for, or that are none. */
  readonly leftOut: readonly string[];
}

/** What a ServiceExport gives to the import besides its Service. A record with more would make peers refuse it. */
export function exportedMetadata({ spec }: ServiceExport): ExportedMetadata {
  const labels = taken(spec?.exportedLabels, MAX_EXPORTED_LABELS, (value) => labelValidator.Check(value));
  const annotations = taken(spec?.exportedAnnotations, MAX_EXPORTED_ANNOTATIONS, (value) => annotationValidator.Check(value));
  return {
    record: { ...(labels.kept.length === 0 ? {} : { exportedLabels: Object.fromEntries(labels.kept) }), ...(annotations.kept.length === 0 ? {} : { exportedAnnotations: Object.fromEntries(annotations.kept) }) },
    leftOut: [...labels.leftOut, ...annotations.leftOut],
  };
}

function taken(values: Readonly<Record<string, string>> = {}, most: number, isValid: (value: object) => boolean): { readonly kept: readonly (readonly [string, string])[]; readonly leftOut: readonly string[] } {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  const kept = sorted.filter(([name, value]) => isValid(Object.fromEntries([[name, value]]))).slice(0, most);
  const names = new Set(kept.map(([name]) => name));
  return { kept, leftOut: sorted.map(([name]) => name).filter((name) => !names.has(name)) };
}
