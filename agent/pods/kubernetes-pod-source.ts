import { CoreV1Api, type KubeConfig, type KubernetesObject, ListWatch, PatchStrategy, setHeaderOptions, type V1Namespace, type V1Pod, Watch } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { localPod, REDIRECTION_ANNOTATION } from './enrolment.ts';
import type { LocalPod, PodSource } from './local-pod.ts';

const RETRY_CAP_MS = 5000;

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

  async *watch(signal: AbortSignal): AsyncIterable<readonly LocalPod[]> {
    const fieldSelector = `spec.nodeName=${this.#node}`;
    const pods = new ListWatch<V1Pod>('/api/v1/pods', new Watch(this.#config), async () => await this.#core.listPodForAllNamespaces({ fieldSelector }), false, undefined, fieldSelector);
    const namespaces = new ListWatch<V1Namespace>('/api/v1/namespaces', new Watch(this.#config), async () => await this.#core.listNamespace(), false);
    let changed = Promise.withResolvers<void>();
    const notify = (): void => changed.resolve();
    signal.addEventListener('abort', notify, { once: true });
    pods.on('change', notify);
    namespaces.on('change', notify);
    await Promise.all([this.#start(pods, signal), this.#start(namespaces, signal)]);
    try {
      while (!signal.aborted) {
        yield pods.list().map((pod) => localPod(pod, namespaces.get(pod.metadata?.namespace ?? ''))).filter((pod) => pod !== undefined);
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      await Promise.all([pods.stop(), namespaces.stop()]);
    }
  }

  async announce(pod: LocalPod, captured: boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const body = { metadata: { uid: pod.uid, annotations: { [REDIRECTION_ANNOTATION]: captured ? 'enabled' : null } } };
    await this.#core.patchNamespacedPod({ name: pod.name, namespace: pod.namespace, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch));
  }

  /** Starts an informer, again after each failure, until it has its first list. */
  async #start(informer: ListWatch<KubernetesObject> | ListWatch<V1Pod> | ListWatch<V1Namespace>, signal: AbortSignal): Promise<void> {
    let failures = 0;
    let listed = false;
    const first = Promise.withResolvers<void>();
    informer.on('error', (error: unknown) => {
      if (signal.aborted) return;
      const waitMs = Math.random() * Math.min(RETRY_CAP_MS, 100 * 2 ** Math.min(failures++, 10));
      this.#log.warn({ error: String(error), retry_ms: Math.round(waitMs) }, 'watching the API server failed');
      void delay(waitMs, undefined, { signal }).then(attempt, () => first.resolve());
    });
    const attempt = async (): Promise<void> => {
      await informer.start();
      // A start that fails reports it as an error and has no version.
      if (informer.latestResourceVersion() === '') return;
      failures = 0;
      if (!listed) {
        listed = true;
        first.resolve();
      }
    };
    await attempt();
    await first.promise;
  }
}
