import { LandbridgeError } from '@landbridge/core/errors.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import type { Logger } from 'pino';
import type { Capture, CapturedPod } from '../capture/capture.ts';
import { metrics } from '../metrics.ts';
import type { PodTraffic } from '../proxy/pod-traffic.ts';
import type { LocalPod, PodSource } from './local-pod.ts';
import { findPodNamespaces } from './network-namespaces.ts';

/** A pod is announced by the API server before its sandbox has processes: how often to look for them. */
const NAMESPACE_RETRY_MS = 100;
const FAILURE_RETRY_MS = 2000;

interface Entry {
  readonly pod: LocalPod;
  readonly captured: CapturedPod;
}

/** Keeps exactly the wanted pods of this node captured. */
export class PodCaptures {
  readonly #capture: Capture;
  readonly #source: PodSource;
  readonly #traffic: PodTraffic;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();

  constructor(capture: Capture, source: PodSource, traffic: PodTraffic, log: Logger) {
    this.#capture = capture;
    this.#source = source;
    this.#traffic = traffic;
    this.#log = log;
  }

  /** Runs until the signal aborts; `onSettled` is called once the pods that were there at the start are captured. */
  async run(signal: AbortSignal, onSettled: () => void): Promise<void> {
    let wanted: readonly LocalPod[] = [];
    let wake = Promise.withResolvers<void>();
    let ended = false;
    const follow = (async () => {
      for await (const pods of this.#source.watch(signal)) {
        wanted = pods;
        wake.resolve();
      }
    })().finally(() => {
      ended = true;
      wake.resolve();
    });
    let settled = false;
    while (!ended && !signal.aborted) {
      await wake.promise;
      wake = Promise.withResolvers();
      const retryMs = await this.#reconcile(wanted, signal);
      if (!settled && retryMs === undefined) {
        settled = true;
        this.#capture.forgetAllBut([...this.#entries.values()].map(({ captured }) => captured));
        onSettled();
      }
      if (retryMs !== undefined) {
        const { resolve } = wake;
        setTimeout(resolve, retryMs);
      }
    }
    await follow;
  }

  /** One step towards the wanted set; returns after how many milliseconds to try again what could not be done. */
  async #reconcile(wanted: readonly LocalPod[], signal: AbortSignal): Promise<number | undefined> {
    const byUid = new Map(wanted.map((pod) => [pod.uid, pod]));
    let retryMs: number | undefined;
    for (const [uid, entry] of this.#entries) {
      if (byUid.get(uid)?.address === entry.pod.address) continue;
      await this.#release(entry, byUid.has(uid), signal);
    }
    const missing = wanted.filter((pod) => !this.#entries.has(pod.uid));
    const namespaces = missing.length === 0 ? new Map<string, string>() : findPodNamespaces(new Set(missing.map((pod) => pod.uid)));
    for (const pod of missing) {
      const namespacePath = namespaces.get(pod.uid);
      if (namespacePath === undefined) {
        retryMs = NAMESPACE_RETRY_MS;
        continue;
      }
      try {
        this.#add(pod, namespacePath);
      } catch (thrown) {
        metrics.captureFailures.inc();
        this.#log.warn({ pod: pod.name, namespace: pod.namespace, error: LandbridgeError.from(thrown).message }, 'a pod could not be captured');
        retryMs ??= FAILURE_RETRY_MS;
      }
    }
    for (const { pod } of this.#entries.values()) if (byUid.get(pod.uid)?.announced === false) retryMs = (await this.#announce(pod, true, signal)) ? retryMs : (retryMs ?? FAILURE_RETRY_MS);
    metrics.capturedPods.set(this.#entries.size);
    return retryMs;
  }

  #add(pod: LocalPod, namespacePath: string): void {
    const captured = this.#capture.capture({ uid: pod.uid, address: pod.address, namespacePath });
    try {
      this.#traffic.add(pod, captured);
    } catch (thrown) {
      // Nobody will serve its listeners.
      for (const fd of Object.values(captured.listeners).flat()) new FileDescriptor(fd)[Symbol.dispose]();
      this.#capture.release(captured);
      throw thrown;
    }
    this.#entries.set(pod.uid, { pod, captured });
    this.#log.info({ pod: pod.name, namespace: pod.namespace, address: pod.address }, 'pod captured');
  }

  async #release(entry: Entry, lives: boolean, signal: AbortSignal): Promise<void> {
    this.#entries.delete(entry.pod.uid);
    // Data threads make sockets in the pod's namespace, which release() closes.
    await this.#traffic.remove(entry.pod.uid, lives);
    try {
      this.#capture.release(entry.captured);
    } catch (thrown) {
      metrics.captureFailures.inc();
      this.#log.warn({ pod: entry.pod.name, error: LandbridgeError.from(thrown).message }, 'a pod could not be released');
    }
    if (lives) await this.#announce(entry.pod, false, signal);
    this.#log.info({ pod: entry.pod.name, namespace: entry.pod.namespace }, 'pod released');
  }

  async #announce(pod: LocalPod, captured: boolean, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#source.announce(pod, captured, signal);
      return true;
    } catch (thrown) {
      this.#log.warn({ pod: pod.name, namespace: pod.namespace, error: LandbridgeError.from(thrown).message }, 'a pod could not be annotated');
      return false;
    }
  }

  get pods(): readonly LocalPod[] {
    return [...this.#entries.values()].map(({ pod }) => pod);
  }
}
