import type { KubernetesObject } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { ApiServerClient, NEVER, statusOf } from '@landbridge/kubernetes/api-server-client.ts';
import type { Logger } from 'pino';
import { objectPath, objectsPath } from '../kubernetes/object-paths.ts';
import { keyOf } from '../kubernetes/types.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import { metrics } from '../metrics.ts';
import { type Change, covers } from './changes.ts';
import { BusyTime } from './busy-time.ts';
import { type Answer, answered, FIRST_WINDOW, MOST_WRITES, type WriteWindow, writesAtOnce } from './write-window.ts';

const FIELD_MANAGER = 'landbridge-federation';
const NOT_FOUND = 404;
const CONFLICT = 409;
const INVALID = 422;
const TOO_MANY_REQUESTS = 429;

/** Plurals of kinds of which the status is written. */
export type StatusKind = 'serviceimports' | 'serviceexports' | 'authorizationpolicies' | 'peerauthentications' | 'serviceentries' | 'workloadentries' | 'destinationrules' | 'importpolicies' | 'serviceroutes';

/** Writes objects to the API server by server-side apply; what others own in them is left to them. */
export class Writer {
  readonly #client: ApiServerClient;
  readonly #log: Logger;
  readonly #leadership: Leadership;
  readonly #busy = new BusyTime();
  #window: WriteWindow = FIRST_WINDOW;

  constructor(access: ApiServerAccess, log: Logger, leadership: Leadership = ALONE) {
    this.#client = new ApiServerClient({ ...access, userAgent: FIELD_MANAGER }, { connections: MOST_WRITES });
    this.#log = log;
    this.#leadership = leadership;
  }

  /** How many writes may be under way at this moment: more would only wait at the API server, which others ask as well, or keep agents waiting. */
  get writesAtOnce(): number {
    return writesAtOnce(this.#window);
  }

  /** Makes one change; false where the API server refused it, or another replica leads, to be tried again from a new look. */
  async write({ verb, object }: Change): Promise<boolean> {
    if (!this.#leadership.isLeading) return false;
    const kind = object.kind ?? '';
    try {
      if (verb === 'apply') await this.#apply(object);
      else if (verb === 'create') await this.#timed(this.#client.create(objectsPath(object), object, NEVER, { fieldManager: FIELD_MANAGER }));
      else await this.#timed(this.#client.remove(objectPath(object), { propagationPolicy: 'Background', preconditions: { ...(object.metadata?.uid === undefined ? {} : { uid: object.metadata.uid }) } }, NEVER));
      metrics.outputWrites.inc({ kind, verb });
      this.#log.debug({ kind, object: keyOf(object), verb }, 'written');
      return true;
    } catch (thrown) {
      if (verb === 'delete' && statusOf(thrown) === NOT_FOUND) return true;
      this.#failed(kind, keyOf(object), thrown);
      return false;
    }
  }

  async #apply(object: KubernetesObject): Promise<void> {
    const path = objectPath(object);
    const applied = await this.#timed(this.#client.apply(path, object, FIELD_MANAGER, NEVER)).catch((thrown: unknown) => {
      if (statusOf(thrown) !== INVALID) throw thrown;
      return undefined;
    });
    // An apply leaves entries of lists that others made, such as a port of a Service, and may then be invalid because of them. A merge replaces lists as a whole.
    if (!covers(applied, object)) await this.#timed(this.#client.mergePatch(path, object, NEVER, { fieldManager: FIELD_MANAGER }));
  }

  /**
   * Merges into the status of an object as it was read; false where it could not be written. With `asRead` only if nobody
   * has written the object since, as a merge takes away what others have added to a list.
   */
  async writeStatus(plural: StatusKind, object: KubernetesObject, status: object, { asRead = false } = {}): Promise<boolean> {
    if (!this.#leadership.isLeading) return false;
    const { name = '', namespace = '', resourceVersion } = object.metadata ?? {};
    const body = { ...(asRead && resourceVersion !== undefined ? { metadata: { resourceVersion } } : {}), status };
    try {
      await this.#timed(this.#client.mergePatch(`${objectPath(object, plural)}/status`, body, NEVER));
      return true;
    } catch (thrown) {
      const code = statusOf(thrown);
      if (code === NOT_FOUND) return true;
      // The next look has what is new.
      if (asRead && code === CONFLICT) return false;
      this.#failed(plural, `${namespace}/${name}`, thrown);
      return false;
    }
  }

  /** Applies the status of an object that is in no namespace, all of which is this service's own; false where it could not be written. */
  async applyStatus(plural: 'members', object: KubernetesObject): Promise<boolean> {
    if (!this.#leadership.isLeading) return false;
    const { name = '' } = object.metadata ?? {};
    try {
      await this.#timed(this.#client.apply(`${objectPath(object, plural)}/status`, object, FIELD_MANAGER, NEVER));
      return true;
    } catch (thrown) {
      this.#failed(plural, name, thrown);
      return false;
    }
  }

  /** Learns from how long an answer takes how many writes the API server bears. */
  async #timed<T>(asked: Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const learn = (answer: Answer): void => {
      this.#window = answered(this.#window, answer, performance.now() - startedMs, this.#busy.share);
    };
    try {
      const answer = await asked;
      learn('written');
      return answer;
    } catch (thrown) {
      // Any other refusal is about the object.
      if (isOverload(statusOf(thrown))) learn('refused');
      throw thrown;
    }
  }

  #failed(kind: string, object: string, thrown: unknown): void {
    metrics.outputFailures.inc({ kind });
    this.#log.warn({ kind, object, error: LandbridgeError.from(thrown).message.slice(0, 500) }, 'the API server refused a write');
  }
}

/** No answer, too many requests, or a fault of the server. */
const isOverload = (status: number | undefined): boolean => status === undefined || status === 0 || status === TOO_MANY_REQUESTS || status >= 500;
