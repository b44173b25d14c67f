import type { V1Namespace, V1Pod } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { nodePod } from './enrolment.ts';
import type { AnnouncedPod, NodePod, PodSource } from './local-pod.ts';
import { parseNamespace, parsePod } from './pod-facts.ts';

const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

/** Pods of one node, of a cluster that is a few maps; for tests. */
export class MemoryPodSource implements PodSource {
  readonly #node: string;
  readonly #namespaces = new Map<string, V1Namespace>();
  readonly #pods = new Map<string, V1Pod>();
  #changed = Promise.withResolvers<void>();
  #isReachable = true;

  constructor(node: string) {
    this.#node = node;
  }

  setNamespace(namespace: V1Namespace): void {
    this.#namespaces.set(namespace.metadata?.name ?? '', namespace);
    this.#notify();
  }

  getPod(namespace: string, name: string): V1Pod | undefined {
    return this.#pods.get(keyOf(namespace, name));
  }

  setPod(pod: V1Pod): void {
    this.#pods.set(keyOf(pod.metadata?.namespace ?? '', pod.metadata?.name ?? ''), pod);
    this.#notify();
  }

  deletePod(namespace: string, name: string): void {
    this.#pods.delete(keyOf(namespace, name));
    this.#notify();
  }

  /** Whoever watches keeps what it has; others wait. */
  setReachable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    this.#notify();
  }

  async *watch(signal: AbortSignal): AsyncIterable<readonly NodePod[]> {
    const aborted = whenAborted(signal);
    let last: string | undefined;
    while (!signal.aborted) {
      const { promise } = this.#changed;
      const pods = this.#isReachable ? this.#known() : undefined;
      const text = pods === undefined ? last : JSON.stringify(pods);
      if (pods !== undefined && text !== last) yield pods;
      last = text;
      await Promise.race([promise, aborted]);
    }
  }

  async announce(pod: AnnouncedPod, captured: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const known = this.getPod(pod.namespace, pod.name);
    if (!this.#isReachable || known?.metadata?.uid !== (pod.mirrorUid ?? pod.uid)) throw new LandbridgeError('kubernetes', `pod ${pod.name} can not be annotated`);
    const { [REDIRECTION_ANNOTATION]: _, ...annotations } = known.metadata.annotations ?? {};
    this.setPod({ ...known, metadata: { ...known.metadata, annotations: captured ? { ...annotations, [REDIRECTION_ANNOTATION]: 'enabled' } : annotations } });
  }

  #known(): NodePod[] {
    return [...this.#pods.values()]
      .filter(({ spec }) => spec?.nodeName === this.#node)
      .flatMap((pod) => {
        const [facts, namespace] = [parsePod(pod), parseNamespace(this.#namespaces.get(pod.metadata?.namespace ?? ''))];
        const known = facts.ok ? nodePod(facts.value, namespace.ok ? namespace.value : undefined) : undefined;
        return known === undefined ? [] : [known];
      });
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
