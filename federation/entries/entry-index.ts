import type { KubernetesObject, V1Pod } from '@kubernetes/client-node';
import { clusterHost } from '@landbridge/core/names.ts';
import { keyOf } from '../kubernetes/types.ts';
import { selects } from '../registry/label-selector.ts';
import { insert, withdraw } from '../registry/local-index.ts';
import { type EntryHost, selectsPod, selectsWorkload, serviceOfHost, winners } from './entry-hosts.ts';
import { readServiceEntry, type ServiceEntry } from './service-entry.ts';
import { readWorkloadEntry, type WorkloadEntry } from './workload-entry.ts';

/** What the API server says at the moment, by `<namespace>/<name>`. */
export interface EntryObjects {
  /** Without our own, which are written for others. */
  readonly serviceEntry: (key: string) => KubernetesObject | undefined;
  readonly workloadEntry: (key: string) => KubernetesObject | undefined;
  readonly pod: (key: string) => V1Pod | undefined;
  readonly pods: () => Iterable<V1Pod>;
  /** Whether agents are told of such a Service. */
  readonly hasService: (key: string) => boolean;
}

/** Keys of what was added, changed or removed. One too many does no harm. */
export interface EntryChanges {
  readonly serviceEntries: Iterable<string>;
  readonly workloadEntries: Iterable<string>;
  readonly pods: Iterable<string>;
  readonly services: Iterable<string>;
}

/** Of a namespace in which any entry selects pods. */
interface Selecting {
  readonly pods: Set<string>;
  /** By key of entry. */
  readonly members: Map<string, Set<string>>;
}

/**
 * ServiceEntries and WorkloadEntries by what they say: of the hosts that may differ after a change, and only of those, it
 * tells. What is in it is what {@link allEntries} computes from scratch.
 */
export class EntryIndex {
  readonly #domain: string;
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #byHost = new Map<string, Set<string>>();
  readonly #workloads = new Map<string, WorkloadEntry>();
  readonly #workloadsIn = new Map<string, Set<string>>();
  /** Keys of entries with a selector. */
  readonly #selectorsIn = new Map<string, Set<string>>();
  readonly #selecting = new Map<string, Selecting>();

  /** `domain` is under which DNS has the cluster's own Services. */
  constructor(domain: string) {
    this.#domain = domain;
  }

  workloadEntry(key: string): WorkloadEntry | undefined {
    return this.#workloads.get(key);
  }

  /** Of a namespace, with all of the labels, sorted by name. */
  workloadEntriesWith(namespace: string, labels: Readonly<Record<string, string>>): readonly WorkloadEntry[] {
    const all = [...(this.#workloadsIn.get(namespace) ?? [])].sort().map((key) => this.#workloads.get(key));
    return all.filter((entry) => entry !== undefined && selects(Object.entries(labels), entry.labels)) as WorkloadEntry[];
  }

  /** Keys of all that is known of a kind. */
  keys(kind: 'serviceEntries' | 'workloadEntries'): Iterable<string> {
    return (kind === 'serviceEntries' ? this.#entries : this.#workloads).keys();
  }

  /** By `<namespace>/<hostname>`. */
  host(key: string, hasService: EntryObjects['hasService']): EntryHost | undefined {
    const slash = key.indexOf('/');
    const [namespace, hostname] = [key.slice(0, slash), key.slice(slash + 1)];
    const claims = [...(this.#byHost.get(hostname) ?? [])].map((claim) => this.#entries.get(claim)).filter((entry) => entry !== undefined);
    const won = winners(claims).get(namespace);
    if (won === undefined) return undefined;
    const service = serviceOfHost(hostname, this.#domain);
    const isServices = service !== undefined && hasService(service);
    if (isServices && service.startsWith(`${namespace}/`)) return undefined;
    const { entry } = won;
    return {
      hostname,
      entry,
      isCanonical: won.isCanonical && !isServices,
      pods: [...(this.#selecting.get(namespace)?.members.get(entry.key) ?? [])].sort(),
      workloadEntries: entry.selector === undefined ? [] : [...(this.#workloadsIn.get(namespace) ?? [])].filter((workload) => selectsWorkload(entry, this.#workloads.get(workload))).sort(),
    };
  }

  /** Yields between objects. Returns the keys of hosts that may differ, `<namespace>/<hostname>`. */
  *apply(changes: EntryChanges, objects: EntryObjects): Generator<void, ReadonlySet<string>> {
    const dirty = new Set<string>();
    for (const key of changes.serviceEntries) {
      yield* this.#changeEntry(key, readServiceEntry(objects.serviceEntry(key))?.entry, objects, dirty);
      yield;
    }
    for (const key of changes.workloadEntries) {
      this.#changeWorkload(key, readWorkloadEntry(objects.workloadEntry(key))?.entry, dirty);
      yield;
    }
    for (const key of changes.pods) {
      this.#changePod(key, objects.pod(key), dirty);
      yield;
    }
    for (const key of changes.services) {
      const [namespace = '', name = ''] = key.split('/');
      this.#dirtyHost(clusterHost(namespace, name, this.#domain), dirty);
    }
    return dirty;
  }

  *#changeEntry(key: string, after: ServiceEntry | undefined, objects: EntryObjects, dirty: Set<string>): Generator<void, void> {
    const before = this.#entries.get(key);
    // Who is first elsewhere may be another one, too.
    for (const host of before?.hosts ?? []) {
      this.#dirtyHost(host, dirty);
      withdraw(this.#byHost, host, key);
    }
    this.#entries.delete(key);
    if (before?.selector !== undefined) this.#unselect(before);
    if (after === undefined) return;
    this.#entries.set(key, after);
    for (const host of after.hosts) {
      insert(this.#byHost, host, key);
      this.#dirtyHost(host, dirty);
    }
    if (after.selector !== undefined) yield* this.#select(after, objects);
  }

  #dirtyHost(host: string, dirty: Set<string>): void {
    for (const key of this.#byHost.get(host) ?? []) {
      const namespace = this.#entries.get(key)?.namespace;
      if (namespace !== undefined) dirty.add(`${namespace}/${host}`);
    }
  }

  *#select(entry: ServiceEntry, objects: EntryObjects): Generator<void, void> {
    const { namespace, key } = entry;
    insert(this.#selectorsIn, namespace, key);
    let selecting = this.#selecting.get(namespace);
    if (selecting === undefined) {
      this.#selecting.set(namespace, (selecting = { pods: new Set(), members: new Map() }));
      for (const pod of objects.pods()) {
        if (pod.metadata?.namespace === namespace) selecting.pods.add(keyOf(pod));
        yield;
      }
    }
    const members = new Set<string>();
    for (const pod of selecting.pods) if (selectsPod(entry, objects.pod(pod))) members.add(pod);
    selecting.members.set(key, members);
  }

  #unselect({ namespace, key }: ServiceEntry): void {
    withdraw(this.#selectorsIn, namespace, key);
    this.#selecting.get(namespace)?.members.delete(key);
    if (!this.#selectorsIn.has(namespace)) this.#selecting.delete(namespace);
  }

  #changePod(key: string, pod: V1Pod | undefined, dirty: Set<string>): void {
    const selecting = this.#selecting.get(namespaceOf(key));
    if (selecting === undefined) return;
    if (pod === undefined) selecting.pods.delete(key);
    else selecting.pods.add(key);
    for (const [entry, members] of selecting.members) {
      const isMember = selectsPod(this.#entries.get(entry), pod);
      if (members.has(key) || isMember) this.#dirtyEntry(entry, dirty);
      if (isMember) members.add(key);
      else members.delete(key);
    }
  }

  #changeWorkload(key: string, after: WorkloadEntry | undefined, dirty: Set<string>): void {
    const before = this.#workloads.get(key);
    if (after === undefined) this.#workloads.delete(key);
    else this.#workloads.set(key, after);
    if (after === undefined) withdraw(this.#workloadsIn, namespaceOf(key), key);
    else insert(this.#workloadsIn, namespaceOf(key), key);
    for (const entry of this.#selectorsIn.get(namespaceOf(key)) ?? []) {
      const selecting = this.#entries.get(entry);
      if (selectsWorkload(selecting, before) || selectsWorkload(selecting, after)) this.#dirtyEntry(entry, dirty);
    }
  }

  #dirtyEntry(key: string, dirty: Set<string>): void {
    const entry = this.#entries.get(key);
    for (const host of entry?.hosts ?? []) dirty.add(`${namespaceOf(key)}/${host}`);
  }
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));
