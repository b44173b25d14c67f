import type { V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node';
import { type LocalService, localService, podOfEndpoint, serviceOfSlice } from './local-endpoints.ts';

/** What this cluster's API server says at the moment, by `<namespace>/<name>`. */
export interface LocalObjects {
  readonly service: (key: string) => V1Service | undefined;
  readonly slice: (key: string) => V1EndpointSlice | undefined;
  readonly pod: (key: string) => V1Pod | undefined;
}

/** Keys of what was added, changed or removed. One too many does no harm. */
export interface LocalChanges {
  readonly services: Iterable<string>;
  readonly slices: Iterable<string>;
  readonly pods: Iterable<string>;
}

interface IndexedSlice {
  readonly service: string;
  readonly pods: ReadonlySet<string>;
}

/** Services with their endpoints as {@link localServices} has them, of which only those are made anew that may differ. */
export class LocalIndex {
  readonly #services = new Map<string, LocalService>();
  readonly #slices = new Map<string, IndexedSlice>();
  readonly #slicesOfService = new Map<string, Set<string>>();
  readonly #slicesOfPod = new Map<string, Set<string>>();

  get services(): ReadonlyMap<string, LocalService> {
    return this.#services;
  }

  /** Keys of Services with a selector in the namespaces of these objects. Looks at all of them, for what is rare and changes seldom. */
  *selectingBeside(objects: Iterable<string>): Generator<string, void> {
    const namespaces = new Set([...objects].map((key) => key.slice(0, key.indexOf('/'))));
    if (namespaces.size === 0) return;
    for (const [key, { service }] of this.#services) if (namespaces.has(key.slice(0, key.indexOf('/'))) && Object.keys(service.spec?.selector ?? {}).length > 0) yield key;
  }

  /** Yields between services. Returns the keys of those that may differ from before. */
  *apply(changes: LocalChanges, objects: LocalObjects): Generator<void, ReadonlySet<string>> {
    const dirty = new Set<string>(changes.services);
    for (const key of changes.pods) for (const slice of this.#slicesOfPod.get(key) ?? []) addDefined(dirty, this.#slices.get(slice)?.service);
    for (const key of changes.slices) {
      addDefined(dirty, this.#slices.get(key)?.service);
      this.#indexSlice(key, objects.slice(key));
      addDefined(dirty, this.#slices.get(key)?.service);
      yield;
    }
    for (const key of dirty) {
      const service = objects.service(key);
      if (service === undefined) this.#services.delete(key);
      else this.#services.set(key, localService(service, [...(this.#slicesOfService.get(key) ?? [])].map(objects.slice).filter((slice) => slice !== undefined), objects.pod));
      yield;
    }
    return dirty;
  }

  #indexSlice(key: string, slice: V1EndpointSlice | undefined): void {
    const before = this.#slices.get(key);
    if (before !== undefined) {
      this.#slices.delete(key);
      withdraw(this.#slicesOfService, before.service, key);
      for (const pod of before.pods) withdraw(this.#slicesOfPod, pod, key);
    }
    const service = slice === undefined ? undefined : serviceOfSlice(slice);
    if (slice === undefined || service === undefined) return;
    const pods = new Set((slice.endpoints ?? []).map((endpoint) => podOfEndpoint(endpoint, slice)).filter((pod) => pod !== undefined));
    this.#slices.set(key, { service, pods });
    insert(this.#slicesOfService, service, key);
    for (const pod of pods) insert(this.#slicesOfPod, pod, key);
  }
}

function addDefined(set: Set<string>, value: string | undefined): void {
  if (value !== undefined) set.add(value);
}

/** Adds a value to a set among sets by key. */
export function insert(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

export function withdraw(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set?.delete(value) === true && set.size === 0) sets.delete(key);
}
