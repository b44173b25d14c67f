import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import type { Logger } from 'pino';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { nodePod } from './enrolment.ts';
import type { AnnouncedPod, NodePod, PodSource } from './local-pod.ts';
import { type NamespaceFacts, type PodFacts, parseNamespace, parsePod } from './pod-facts.ts';
import { Reflector } from '@landbridge/kubernetes/reflector.ts';

/** Pods of one node, from the API server. */
export class KubernetesPodSource implements PodSource {
  readonly #client: ApiServerClient;
  readonly #node: string;
  readonly #log: Logger;

  constructor(access: ApiServerAccess, node: string, log: Logger) {
    this.#client = new ApiServerClient(access);
    this.#node = node;
    this.#log = log;
  }

  async *watch(outer: AbortSignal): AsyncIterable<readonly NodePod[]> {
    // Whoever stops reading ends the watch as well.
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    const pods = new Reflector<PodFacts>(this.#client, { path: '/api/v1/pods', query: { fieldSelector: `spec.nodeName=${this.#node}` }, parse: parsePod, keyOf: ({ namespace, name }) => `${namespace}/${name}` }, this.#log);
    const namespaces = new Reflector<NamespaceFacts>(this.#client, { path: '/api/v1/namespaces', query: {}, parse: parseNamespace, keyOf: ({ name }) => name }, this.#log);
    let changed = Promise.withResolvers<void>();
    const notify = (): void => changed.resolve();
    signal.addEventListener('abort', notify, { once: true });
    const running = Promise.all([pods.run(notify, signal), namespaces.run(notify, signal)]);
    try {
      while (!signal.aborted) {
        // Without its namespace it is not known whether a pod is to be captured.
        if (pods.isSynced && namespaces.isSynced) yield [...pods.objects.values()].map((pod) => nodePod(pod, namespaces.objects.get(pod.namespace))).filter((pod) => pod !== undefined);
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      stop.abort();
      await running;
    }
  }

  async announce(pod: AnnouncedPod, captured: boolean, signal: AbortSignal): Promise<void> {
    // The uid holds a namesake back: it can not be changed, so that the patch is refused.
    const patch = { metadata: { uid: pod.mirrorUid ?? pod.uid, annotations: { [REDIRECTION_ANNOTATION]: captured ? 'enabled' : null } } };
    await this.#client.mergePatch(`/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`, patch, signal);
  }
}
