import { POD_UID } from '@landbridge/core/names.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import type { Logger } from 'pino';
import * as Type from 'typebox';
import { Check, Errors } from 'typebox/value';
import type { NodePod, PodSource } from './local-pod.ts';
import { podAddresses } from './pod-addresses.ts';
import type { PodGate } from './sandbox.ts';

/** How often a pod that could not be captured is tried again. */
const RETRY_MS = 5000;
/** More than an agent can capture. */
export const MAX_STATIC_PODS = 4096;
const MAX_REASON_CHARACTERS = 300;

const Name = Type.String({ minLength: 1, maxLength: 253 });
const StaticPodsSchema = Type.Array(
  Type.Object(
    {
      uid: Type.String({ pattern: POD_UID.source }),
      namespace: Name,
      name: Name,
      serviceAccount: Name,
      /** One of each family that it has. */
      addresses: Type.Array(Type.String({ maxLength: 45 }), { minItems: 1, maxItems: 2 }),
      /** A file of the network namespace, such as /run/netns/NAME. */
      networkNamespace: Type.String({ pattern: '^/', maxLength: 4096 }),
    },
    { additionalProperties: false },
  ),
  { maxItems: MAX_STATIC_PODS },
);

export type StaticPod = Type.Static<typeof StaticPodsSchema>[number];

/** A JSON list of pods. */
export function parseStaticPods(text: string): Result<readonly StaticPod[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What is wrong with it would quote it.
    return err('not JSON');
  }
  if (!Check(StaticPodsSchema, value)) {
    const [first] = Errors(StaticPodsSchema, value);
    // The path has keys of the file in it.
    return err(`${first?.instancePath || 'the list'}: ${first?.message ?? 'wrong'}`.slice(0, MAX_REASON_CHARACTERS));
  }
  const pods = value.map((pod) => ({ ...pod, addresses: [...podAddresses(pod.addresses)] }));
  const wrong = value.find(({ addresses }, at) => pods[at]?.addresses.length !== addresses.length);
  if (wrong !== undefined) return err(`${wrong.name} must have an address, and at most one of each family`);
  for (const [what, all] of [['uid', pods.map(({ uid }) => uid)], ['address', pods.flatMap(({ addresses }) => addresses)]] as const) if (new Set(all).size < all.length) return err(`two pods have the same ${what}`);
  return ok(pods);
}

/** Pods that somebody wrote down, all of them in the mesh: for machines without Kubernetes. */
export class StaticPods implements PodSource {
  readonly #pods: readonly StaticPod[];
  readonly #log: Logger;

  constructor(pods: readonly StaticPod[], log: Logger) {
    this.#pods = pods;
    this.#log = log;
  }

  async *watch(signal: AbortSignal): AsyncIterable<readonly NodePod[]> {
    if (signal.aborted) return;
    yield this.#pods.map(({ networkNamespace: _, ...pod }) => ({ ...pod, announced: true, wantsAcceleration: false, probePorts: [], isInMesh: true, hasEnded: false }));
    await whenAborted(signal);
  }

  /** There is nobody to tell. */
  async announce(): Promise<void> {}

  /** Has each pod captured, whose network namespace may come later. */
  async run(gate: PodGate, signal: AbortSignal): Promise<void> {
    for (let missing = this.#pods; missing.length > 0 && !signal.aborted; ) {
      const left: StaticPod[] = [];
      for (const pod of missing) {
        const admission = await gate.admit({ ...pod, namespacePath: pod.networkNamespace }, signal);
        if (admission.kind !== 'refused' || signal.aborted) continue;
        this.#log.warn({ pod: pod.name, namespace: pod.namespace, reason: admission.reason }, 'a pod of the file could not be captured');
        left.push(pod);
      }
      missing = left;
      if (missing.length > 0) await waitFor(RETRY_MS, signal);
    }
  }
}
