import { CustomObjectsApi, type KubeConfig, KubernetesObjectApi, type KubernetesObject, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { keyOf } from '../kubernetes/types.ts';
import { metrics } from '../metrics.ts';
import { type Change, covers } from './changes.ts';

const FIELD_MANAGER = 'landbridge-federation';
const NOT_FOUND = 404;
const CONFLICT = 409;
const INVALID = 422;

/** Plurals of kinds of which the status is written. */
export type StatusKind = 'serviceimports' | 'serviceexports' | 'authorizationpolicies' | 'peerauthentications';

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

  /**
   * Merges into the status of an object as it was read; false where it could not be written. With `asRead` only if nobody
   * has written the object since, as a merge takes away what others have added to a list.
   */
  async writeStatus(plural: StatusKind, object: KubernetesObject, status: object, { asRead = false } = {}): Promise<boolean> {
    const { name = '', namespace = '', resourceVersion } = object.metadata ?? {};
    const [group = '', version = ''] = object.apiVersion?.split('/') ?? [];
    const body = { ...(asRead && resourceVersion !== undefined ? { metadata: { resourceVersion } } : {}), status };
    try {
      await this.#custom.patchNamespacedCustomObjectStatus({ group, version, namespace, plural, name, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch));
      return true;
    } catch (thrown) {
      const { code } = thrown as { code?: unknown };
      if (code === NOT_FOUND) return true;
      // The next look has what is new.
      if (asRead && code === CONFLICT) return false;
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
