import { err, ok, type Result } from '@landbridge/core/result.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import { DEFAULT_REQUEST_TIMEOUT_MS, encodeConfigured, encodeSynchronized, NRI_EMPTY, type NriEvent, type NriPod, parseNriRequest } from '@landbridge/wire/nri.ts';
import { TtrpcCode, type TtrpcStatus } from '@landbridge/wire/ttrpc.ts';
import type { Logger } from 'pino';
import { metrics } from '../metrics.ts';
import { podAddresses } from './pod-addresses.ts';
import type { Admission, PodGate, Sandbox } from './sandbox.ts';

const EVENTS: readonly NriEvent[] = ['RunPodSandbox', 'StopPodSandbox', 'RemovePodSandbox', 'CreateContainer'];
/**
 * Of the runtime's own time: who is later is cut off, and the pod starts without having been captured. What is refused
 * in time is tried again.
 */
const DEADLINE_SHARE = 0.8;
/** Pods of a runtime's list that are captured at the same time. */
const SYNCHRONIZE_AT_ONCE = 8;
/** More pods than an agent can capture. */
export const MAX_LISTED_PODS = 4096;

export interface NriPluginOptions {
  /** Whether nothing but this plugin holds pods back: what it does not answer is then to fail. */
  readonly isOnlyGate: boolean;
  /** The runtime's list has been worked through: from here on it asks before it makes a pod. */
  readonly onSynchronized?: () => void;
  readonly log: Logger;
}

/** Answers a runtime's calls through one connection: no container of a pod is made before the gate has let the pod in. */
export class NriPlugin {
  readonly #gate: PodGate;
  readonly #options: NriPluginOptions;
  #deadlineMs = DEFAULT_REQUEST_TIMEOUT_MS * DEADLINE_SHARE;
  /** Parts of the runtime's list so far. */
  #listed: NriPod[] = [];

  constructor(gate: PodGate, options: NriPluginOptions) {
    this.#gate = gate;
    this.#options = options;
  }

  readonly handle = async (method: string, payload: Uint8Array, connection: AbortSignal): Promise<Result<Uint8Array, TtrpcStatus>> => {
    const parsed = parseNriRequest(method, payload);
    if (!parsed.ok) return err({ code: TtrpcCode.INVALID_ARGUMENT, message: `landbridge: ${parsed.error}` });
    const request = parsed.value;
    const signal = AbortSignal.any([connection, AbortSignal.timeout(this.#deadlineMs)]);
    switch (request.kind) {
      case 'configure':
        this.#deadlineMs = request.requestTimeoutMs * DEADLINE_SHARE;
        this.#options.log.info({ runtime: request.runtime, version: request.version, deadline_ms: this.#deadlineMs }, 'registered with the container runtime');
        return ok(encodeConfigured(EVENTS, { failRequest: this.#options.isOnlyGate }));
      case 'synchronize':
        if (request.unusable > 0) this.#options.log.warn({ pods: request.unusable }, 'the container runtime described pods in a way that can not be used');
        this.#listed.push(...request.pods);
        if (this.#listed.length > MAX_LISTED_PODS) return err({ code: TtrpcCode.RESOURCE_EXHAUSTED, message: `landbridge: more than ${MAX_LISTED_PODS} pods` });
        if (!request.more) await this.#synchronize(signal);
        return ok(encodeSynchronized(request.more));
      case 'event':
        return await this.#event(request.event, request.pod, signal);
      case 'shutdown':
        return ok(NRI_EMPTY);
      case 'unknown':
        // The one use of this code: a runtime that hears it of RunPodSandbox sends the event another way and goes on.
        return err({ code: TtrpcCode.UNIMPLEMENTED, message: `landbridge: there is no ${request.method}` });
      default:
        return request satisfies never;
    }
  };

  /** The runtime makes no pod meanwhile. What is not captured at the deadline is found by its processes, and held at its next container. */
  async #synchronize(signal: AbortSignal): Promise<void> {
    const pods = this.#listed.values();
    this.#listed = [];
    await Promise.all(
      Array.from({ length: SYNCHRONIZE_AT_ONCE }, async () => {
        for (const pod of pods) {
          const admission = await this.#admit(pod, signal);
          if (admission?.kind === 'refused') this.#options.log.warn({ pod: pod.name, namespace: pod.namespace, reason: admission.reason }, 'a pod that the container runtime has could not be captured yet');
        }
      }),
    );
    this.#options.onSynchronized?.();
  }

  async #event(event: NriEvent, pod: NriPod, signal: AbortSignal): Promise<Result<Uint8Array, TtrpcStatus>> {
    switch (event) {
      case 'RunPodSandbox':
      case 'CreateContainer': {
        const admission = await this.#admit(pod, signal);
        if (admission?.kind !== 'refused') return ok(NRI_EMPTY);
        metrics.nriRefusals.inc({ event });
        this.#options.log.warn({ pod: pod.name, namespace: pod.namespace, event, reason: admission.reason }, 'a pod was held back');
        return err({ code: TtrpcCode.UNAVAILABLE, message: `landbridge: ${admission.reason}` });
      }
      case 'StopPodSandbox':
      case 'RemovePodSandbox':
        // By its removal a sandbox has lost its network namespace, unless nobody stopped it. No failure keeps a pod from ending.
        if (pod.uid !== '' && pod.networkNamespace !== undefined) await Promise.race([this.#gate.end({ uid: pod.uid, namespacePath: pod.networkNamespace }), whenAborted(signal)]);
        return ok(NRI_EMPTY);
      default:
        return ok(NRI_EMPTY);
    }
  }

  /** Undefined for what is no pod with a network of its own. */
  async #admit(pod: NriPod, signal: AbortSignal): Promise<Admission | undefined> {
    const sandbox = sandboxOf(pod);
    if (sandbox === undefined) return undefined;
    // The gate refuses with the signal as well, but what it waits for may not.
    return await Promise.race([this.#gate.admit(sandbox, signal), whenAborted(signal).then((): Admission => ({ kind: 'refused', reason: `there was no time left to capture pod ${pod.namespace}/${pod.name}` }))]);
  }
}

function sandboxOf({ uid, namespace, name, networkNamespace, addresses }: NriPod): Sandbox | undefined {
  // Without a uid it is none of Kubernetes'.
  if (uid === '' || networkNamespace === undefined) return undefined;
  return { uid, namespace, name, addresses: podAddresses(addresses), namespacePath: networkNamespace };
}
