import type { V1Pod } from '@kubernetes/client-node';
import { keyOf } from '../kubernetes/types.ts';
import { type EntryHost, selectsPod, selectsWorkload, serviceOfHost, winners } from './entry-hosts.ts';
import type { EntryObjects } from './entry-index.ts';
import { type ReadEntry, readServiceEntry } from './service-entry.ts';
import { readWorkloadEntry, type WorkloadEntry } from './workload-entry.ts';

/** What there is of ServiceEntries and WorkloadEntries: hosts by `<namespace>/<hostname>`, WorkloadEntries by `<namespace>/<name>`. */
export interface AllEntries {
  readonly hosts: ReadonlyMap<string, EntryHost>;
  readonly workloadEntries: ReadonlyMap<string, WorkloadEntry>;
}

export const NO_ENTRIES: AllEntries = { hosts: new Map(), workloadEntries: new Map() };

const entriesOf = <T>(read: readonly (ReadEntry<T> | undefined)[]): T[] => read.flatMap((each) => (each?.entry === undefined ? [] : [each.entry]));

/** From scratch. What {@link EntryIndex} keeps up to date is this. */
export function allEntries(objects: { readonly serviceEntries: Iterable<unknown>; readonly workloadEntries: Iterable<unknown>; readonly pods: readonly V1Pod[] } & Pick<EntryObjects, 'hasService'>, domain: string): AllEntries {
  const entries = entriesOf([...objects.serviceEntries].map(readServiceEntry));
  const workloadEntries = entriesOf([...objects.workloadEntries].map(readWorkloadEntry));
  const hosts = new Map<string, EntryHost>();
  for (const hostname of new Set(entries.flatMap((entry) => entry.hosts))) {
    const service = serviceOfHost(hostname, domain);
    const isServices = service !== undefined && objects.hasService(service);
    for (const [namespace, { entry, isCanonical }] of winners(entries.filter(({ hosts: all }) => all.includes(hostname)))) {
      if (isServices && service.startsWith(`${namespace}/`)) continue;
      const pods = objects.pods.filter((pod) => pod.metadata?.namespace === namespace && selectsPod(entry, pod)).map(keyOf).sort();
      const selected = workloadEntries.filter((each) => each.namespace === namespace && selectsWorkload(entry, each)).map(({ key }) => key).sort();
      hosts.set(`${namespace}/${hostname}`, { hostname, entry, isCanonical: isCanonical && !isServices, pods, workloadEntries: selected });
    }
  }
  return { hosts, workloadEntries: new Map(workloadEntries.map((entry) => [entry.key, entry])) };
}
