import type { KubernetesObject, V1Condition } from '@kubernetes/client-node';
import { AddressPool } from '../entries/address-pool.ts';
import { entryConditions } from '../entries/entry-conditions.ts';
import { readServiceEntry } from '../entries/service-entry.ts';
import { readWorkloadEntry } from '../entries/workload-entry.ts';
import { isOurs, keyOf } from '../kubernetes/types.ts';
import type { Writer } from '../outputs/writer.ts';
import type { ObjectSources, TakenChanges } from './object-sources.ts';
import { MAX_STATUSES_PER_PASS } from './policy-statuses.ts';

type EntryKind = 'serviceEntries' | 'workloadEntries';

const PLURALS = { serviceEntries: 'serviceentries', workloadEntries: 'workloadentries' } as const;

/**
 * Says on ServiceEntries and WorkloadEntries what was left out of them, and finds automatic addresses for hosts that have
 * none: only where the definition is ours, as istiod does it where the definition is Istio's. Agents are told of an
 * address once it stands in the status, where all replicas, and those that come after, find it.
 */
export class EntryStatuses {
  readonly #objects: Pick<ObjectSources, 'at' | 'list' | 'isOurs'>;
  readonly #writer: Pick<Writer, 'writeStatus'>;
  readonly #pool = new AddressPool();
  /** Keys of the objects that may not say yet what they are to say. */
  readonly #due = { serviceEntries: new Set<string>(), workloadEntries: new Set<string>() } as const;

  constructor(objects: Pick<ObjectSources, 'at' | 'list' | 'isOurs'>, writer: Pick<Writer, 'writeStatus'>) {
    this.#objects = objects;
    this.#writer = writer;
  }

  /** Takes note of what changed. */
  see({ keys, redefined }: Pick<TakenChanges, 'keys' | 'redefined'>): void {
    for (const key of keys.serviceEntries) this.#seeServiceEntry(key);
    for (const key of keys.workloadEntries) this.#due.workloadEntries.add(key);
    // Whether addresses are found here may have changed with it.
    if (redefined.has('serviceEntries')) for (const key of [...this.#pool.keys(), ...this.#objects.list('serviceEntries').map(keyOf)]) this.#seeServiceEntry(key);
  }

  /** Looks at all of them again: whoever wrote before may not have come to some. */
  seeAll(): void {
    for (const kind of ['serviceEntries', 'workloadEntries'] as const) for (const object of this.#objects.list(kind)) this.#due[kind].add(keyOf(object));
  }

  /** Writes in one pass as much as is good; `hasMore` where the next one should follow at once. */
  async write(now: Date): Promise<{ readonly isWritten: boolean; readonly hasMore: boolean }> {
    let isWritten = true;
    let count = 0;
    for (const kind of ['serviceEntries', 'workloadEntries'] as const) {
      for (const key of this.#due[kind]) {
        const status = this.#statusOf(kind, key, now);
        if (status === undefined) {
          this.#due[kind].delete(key);
          continue;
        }
        if (count++ === MAX_STATUSES_PER_PASS) return { isWritten, hasMore: isWritten };
        if (await this.#writer.writeStatus(PLURALS[kind], status.object, status.said, { asRead: true })) this.#due[kind].delete(key);
        else isWritten = false;
      }
    }
    return { isWritten, hasMore: false };
  }

  #seeServiceEntry(key: string): void {
    const object = this.#foreign('serviceEntries', key);
    for (const touched of this.#pool.set(key, object === undefined ? undefined : readServiceEntry(object)?.entry)) this.#due.serviceEntries.add(touched);
  }

  /** What an object's status is to say besides what it says; undefined where that is all. */
  #statusOf(kind: EntryKind, key: string, now: Date): { readonly object: KubernetesObject; readonly said: object } | undefined {
    const object = this.#foreign(kind, key);
    const read = object === undefined ? undefined : kind === 'serviceEntries' ? readServiceEntry(object) : readWorkloadEntry(object);
    if (object === undefined || read === undefined) return undefined;
    const conditions: readonly V1Condition[] | undefined = entryConditions(object, read, now);
    const addresses = kind === 'serviceEntries' && this.#objects.isOurs(kind) ? this.#pool.wanted(key) : undefined;
    return conditions === undefined && addresses === undefined ? undefined : { object, said: { ...(conditions === undefined ? {} : { conditions }), ...(addresses === undefined ? {} : { addresses }) } };
  }

  /** Without ours, of which nothing is to be said. */
  #foreign(kind: EntryKind, key: string): KubernetesObject | undefined {
    const object = this.#objects.at<KubernetesObject>(kind, key);
    return object === undefined || isOurs(object) ? undefined : object;
  }
}
