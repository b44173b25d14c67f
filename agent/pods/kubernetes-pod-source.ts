import { CoreV1Api, type KubeConfig, type KubernetesObject, ListWatch, PatchStrategy, setHeaderOptions, type V1Namespace, type V1Pod, Watch } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { retryDelay } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { localPod } from './enrolment.ts';
import type { LocalPod, PodSource } from './local-pod.ts';

const RETRY = { firstMs: 100, mostMs: 5000 };

/** Pods of one node, from the API server. */
export class KubernetesPodSource implements PodSource {
  readonly #config: KubeConfig;
  readonly #node: string;
  readonly #log: Logger;
  readonly #core: CoreV1Api;

  constructor(config: KubeConfig, node: string, log: Logger) {
    this.#config = config;
    this.#node = node;
    this.#log = log;
    this.#core = config.makeApiClient(CoreV1Api);
  }

  async *watch(outer: AbortSignal): AsyncIterable<readonly LocalPod[]> {
    // Whoever stops reading ends the watch as well.
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    const fieldSelector = `spec.nodeName=${this.#node}`;
    const pods = new ListWatch<V1Pod>('/api/v1/pods', new Watch(this.#config), async () => await this.#core.listPodForAllNamespaces({ fieldSelector }), false, undefined, fieldSelector);
    const namespaces = new ListWatch<V1Namespace>('/api/v1/namespaces', new Watch(this.#config), async () => await this.#core.listNamespace(), false);
    let changed = Promise.withResolvers<void>();
    const notify = (): void => changed.resolve();
    signal.addEventListener('abort', notify, { once: true });
    pods.on('change', notify);
    namespaces.on('change', notify);
    try {
      await Promise.all([this.#start(pods, signal), this.#start(namespaces, signal)]);
      while (!signal.aborted) {
        yield pods.list().map((pod) => localPod(pod, namespaces.get(pod.metadata?.namespace ?? ''))).filter((pod) => pod !== undefined);
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      stop.abort();
      await Promise.all([pods.stop(), namespaces.stop()]);
    }
  }

  async announce(pod: LocalPod, captured: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const body = { metadata: { uid: pod.uid, annotations: { [REDIRECTION_ANNOTATION]: captured ? 'enabled' : null } } };
    await this.#core.patchNamespacedPod({ name: pod.name, namespace: pod.namespace, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch));
  }

  /** Starts an informer, again after each failure; returns when it has its first list, or the signal aborts. */
  async #start(informer: Pick<ListWatch<KubernetesObject>, 'latestResourceVersion' | 'start' | 'stop'> & { on(verb: 'error', callback: (error: unknown) => void): void }, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let failures = 0;
    const first = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => first.resolve(), { once: true });
    const onError = (error: unknown): void => {
      if (signal.aborted) return;
      const waitMs = retryDelay(failures++, RETRY);
      this.#log.warn({ error: String(error), retry_ms: Math.round(waitMs) }, 'watching the API server failed');
      // Aborting ends the wait, and with it the attempts.
      delay(waitMs, undefined, { signal }).then(attempt, () => {});
    };
    const attempt = async (): Promise<void> => {
      const before = failures;
      // Failures of the API server are told as errors; this is a kubeconfig that can not be used.
      await informer.start().catch(onError);
      // Stopping does not end a start that is under way.
      if (signal.aborted) await informer.stop();
      // There is a version once there was a list, also where the watch after it failed.
      if (informer.latestResourceVersion() !== '') first.resolve();
      if (failures === before) failures = 0;
    };
    informer.on('error', onError);
    void attempt();
    await first.promise;
  }
}
