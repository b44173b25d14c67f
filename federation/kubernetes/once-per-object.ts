import type { KubernetesObject } from '@kubernetes/client-node';

/** Makes something of an object once for as long as the API server has it unchanged: sources give the same object until then. */
export function oncePerObject<T>(make: (object: KubernetesObject) => T): (object: KubernetesObject) => T {
  const known = new WeakMap<KubernetesObject, { readonly value: T }>();
  return (object) => {
    let entry = known.get(object);
    if (entry === undefined) known.set(object, (entry = { value: make(object) }));
    return entry.value;
  };
}
