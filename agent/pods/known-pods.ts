import type { NodePod } from './local-pod.ts';

type Names = Pick<NodePod, 'uid' | 'namespace' | 'name'>;

/** A set of pods, each known by all its names: a uid alone is what a runtime was told, or what a mirror says, which whoever may make pods can write. */
export class KnownPods {
  readonly #pods: ReadonlyMap<string, NodePod>;

  constructor(pods: readonly NodePod[] = []) {
    this.#pods = new Map(pods.map((pod) => [keyOf(pod), pod]));
  }

  get(names: Names): NodePod | undefined {
    return this.#pods.get(keyOf(names));
  }

  /** More than one where a mirror claims the uid of another pod. */
  ofUid(uid: string): readonly NodePod[] {
    return this.all.filter((pod) => pod.uid === uid);
  }

  get all(): readonly NodePod[] {
    return [...this.#pods.values()];
  }
}

/** None of the names has a slash. */
const keyOf = ({ uid, namespace, name }: Names): string => `${namespace}/${name}/${uid}`;
