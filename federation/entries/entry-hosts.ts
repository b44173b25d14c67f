import type { V1Pod } from '@kubernetes/client-node';
import { selects } from '../registry/label-selector.ts';
import type { ServiceEntry } from './service-entry.ts';
import type { WorkloadEntry } from './workload-entry.ts';

/** A host of a namespace as agents are told of it. */
export interface EntryHost {
  readonly hostname: string;
  readonly entry: ServiceEntry;
  /** Whether others than the namespace's own clients prefer it to what the same host is elsewhere. */
  readonly isCanonical: boolean;
  /** Keys of the pods that it selects, sorted. */
  readonly pods: readonly string[];
  /** Of WorkloadEntries. */
  readonly workloadEntries: readonly string[];
}

/**
 * Of those that say the same host, the one of each namespace, as istiod chooses (selectWorkloadServices): the oldest. Of
 * all of them the oldest that is told to everybody is canonical.
 */
export function winners(claims: Iterable<ServiceEntry>): ReadonlyMap<string, { readonly entry: ServiceEntry; readonly isCanonical: boolean }> {
  const first = new Map<string, ServiceEntry>();
  for (const entry of claims) {
    const known = first.get(entry.namespace);
    if (known === undefined || isOlder(entry, known)) first.set(entry.namespace, entry);
  }
  let canonical: ServiceEntry | undefined;
  for (const entry of first.values()) if (entry.isPublic && (canonical === undefined || isOlder(entry, canonical))) canonical = entry;
  return new Map([...first].map(([namespace, entry]) => [namespace, { entry, isCanonical: entry === canonical }]));
}

/** Names decide between equals. */
export function isOlder(a: ServiceEntry, b: ServiceEntry): boolean {
  return a.createdAt === b.createdAt ? a.key < b.key : a.createdAt < b.createdAt;
}

/** Of the same namespace. */
export function selectsPod(entry: ServiceEntry | undefined, pod: V1Pod | undefined): boolean {
  return entry?.selector !== undefined && pod !== undefined && selects(entry.selector, pod.metadata?.labels ?? {});
}

/** Of the same namespace. */
export function selectsWorkload(entry: ServiceEntry | undefined, workload: WorkloadEntry | undefined): boolean {
  return entry?.selector !== undefined && workload !== undefined && selects(entry.selector, workload.labels);
}

/** `<namespace>/<name>` of the Service that would have a hostname; undefined for any other name. */
export function serviceOfHost(hostname: string, domain: string): string | undefined {
  const suffix = `.svc.${domain}`;
  if (!hostname.endsWith(suffix)) return undefined;
  const [name, namespace, ...rest] = hostname.slice(0, -suffix.length).split('.');
  return name === undefined || namespace === undefined || rest.length > 0 ? undefined : `${namespace}/${name}`;
}
