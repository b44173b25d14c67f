import { randomBytes } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { LineLimit } from '../line-limit.ts';
import type { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import type { Admission, PodGate, Sandbox } from './sandbox.ts';

/** Of one pod, whose runtime asks several times in a minute. */
const EACH_POD = { burst: 1, perSecond: 1 / 60 };
/** Of all pods of the node. */
const ALL_PODS = { burst: 20, perSecond: 1 };
const NODE = '';
/** Of an event's note (events.k8s.io/v1). */
const MAX_MESSAGE = 1024;

/** A gate that says of each pod that it refuses, in an Event of the pod, why that is. */
export class RefusalEvents implements PodGate {
  readonly #gate: PodGate;
  readonly #client: Pick<ApiServerClient, 'create'>;
  readonly #node: string;
  readonly #log: Logger;
  readonly #eachPod = new LineLimit(EACH_POD);
  readonly #allPods = new LineLimit(ALL_PODS);

  constructor(gate: PodGate, client: Pick<ApiServerClient, 'create'>, node: string, log: Logger) {
    this.#gate = gate;
    this.#client = client;
    this.#node = node;
    this.#log = log;
  }

  async admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission> {
    const admission = await this.#gate.admit(sandbox, signal);
    if (admission.kind === 'refused') this.#tell(sandbox, admission.reason);
    return admission;
  }

  async end(sandbox: Pick<Sandbox, 'uid' | 'namespacePath'>): Promise<void> {
    await this.#gate.end(sandbox);
  }

  isCaptured(uid: string): boolean {
    return this.#gate.isCaptured(uid);
  }

  #tell({ namespace, name, uid }: Sandbox, reason: string): void {
    const nowMs = performance.now();
    const suppressed = this.#eachPod.take(uid, nowMs);
    // Sweeps what is not asked for any more.
    for (const _ of this.#eachPod.quiet(nowMs));
    if (suppressed === undefined || this.#allPods.take(NODE, nowMs) === undefined) return;
    const now = new Date().toISOString();
    const event = {
      metadata: { namespace, name: `${name.slice(0, 200)}.${randomBytes(8).toString('hex')}` },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      type: 'Warning',
      reason: 'NotInMesh',
      message: `Landbridge lets the pod not start: ${reason}`.slice(0, MAX_MESSAGE),
      source: { component: 'landbridge-agent', host: this.#node },
      reportingComponent: 'landbridge.dev/agent',
      reportingInstance: this.#node,
      action: 'Admission',
      firstTimestamp: now,
      lastTimestamp: now,
      count: suppressed + 1,
    };
    // The runtime has been told already; an event is a courtesy.
    this.#client.create(`/api/v1/namespaces/${encodeURIComponent(namespace)}/events`, event, new AbortController().signal).catch((thrown: unknown) => {
      this.#log.warn({ pod: name, namespace, error: LandbridgeError.from(thrown).message }, 'an event could not be made');
    });
  }
}
