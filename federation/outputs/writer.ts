import { CustomObjectsApi, type KubeConfig, KubernetesObjectApi, type KubernetesObject, PatchStrategy, setHeaderOptions, type V1Condition } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { keyOf, MCS_GROUP } from '../kubernetes/types.ts';
import { metrics } from '../metrics.ts';
import { type Change, covers } from './changes.ts';

const FIELD_MANAGER = 'landbridge-federation';
const NOT_FOUND = 404;
const INVALID = 422;

/** Writes objects to the API server by server-side apply; what others own in them is left to them. */
export class Writer {
  readonly #objects: KubernetesObjectApi;
  readonly #custom: CustomObjectsApi;
  readonly #log: Logger;

  constructor(config: KubeConfig, log: Logger) {
    this.#objects = KubernetesObjectApi.makeApiClient(config);
    this.#custom = config.makeApiClient(CustomObjectsApi);
    this.#log = log;
  }

  /** Makes one change; false where the API server refused it, to be tried again from a new look. */
  async write({ verb, object }: Change): Promise<boolean> {
    const kind = object.kind ?? '';
    try {
      if (verb === 'apply') await this.#apply(object);
      else await this.#objects.delete(object, undefined, undefined, undefined, undefined, 'Background', { preconditions: { ...(object.metadata?.uid === undefined ? {} : { uid: object.metadata.uid }) } });
      metrics.outputWrites.inc({ kind, verb });
      this.#log.debug({ kind, object: keyOf(object), verb }, 'written');
      return true;
    } catch (thrown) {
      if (verb === 'delete' && (thrown as { code?: unknown }).code === NOT_FOUND) return true;
      this.#failed(kind, keyOf(object), thrown);
      return false;
    }
  }

  async #apply(object: KubernetesObject): Promise<void> {
    const applied = await this.#objects.patch(object, undefined, undefined, FIELD_MANAGER, true, PatchStrategy.ServerSideApply).catch((thrown: unknown) => {
      if ((thrown as { code?: unknown }).code !== INVALID) throw thrown;
      return undefined;
    });
    // An apply leaves entries of lists that others made, such as a port of a Service, and may then be invalid because of them. A merge replaces lists as a whole.
    if (!covers(applied, object)) await this.#objects.patch(object, undefined, undefined, FIELD_MANAGER, undefined, PatchStrategy.MergePatch);
  }

  /** Merges into the status of a ServiceImport or ServiceExport. */
  async writeStatus(plural: 'serviceimports' | 'serviceexports', object: KubernetesObject, status: object): Promise<boolean> {
    const { name = '', namespace = '' } = object.metadata ?? {};
    try {
      await this.#custom.patchNamespacedCustomObjectStatus({ group: MCS_GROUP, version: 'v1beta1', namespace, plural, name, body: { status } }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch));
      return true;
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === NOT_FOUND) return true;
      this.#failed(plural, `${namespace}/${name}`, thrown);
      return false;
    }
  }

  #failed(kind: string, object: string, thrown: unknown): void {
    metrics.outputFailures.inc({ kind });
    const { body } = thrown as { body?: unknown };
    this.#log.warn({ kind, object, error: typeof body === 'string' ? body.slice(0, 500) : LandbridgeError.from(thrown).message.slice(0, 500) }, 'the API server refused a write');
  }
}

/** Conditions with the transition time kept where the status stays (API conventions, "typical status properties"). */
export function withCondition(conditions: readonly V1Condition[] | undefined, condition: Omit<V1Condition, 'lastTransitionTime'>, now: Date): V1Condition[] | undefined {
  const known = conditions?.find(({ type }) => type === condition.type);
  if (known !== undefined && known.status === condition.status && known.reason === condition.reason && known.message === condition.message) return undefined;
  const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : now;
  return [...(conditions ?? []).filter(({ type }) => type !== condition.type), { ...condition, lastTransitionTime }];
}
