/**
 * What was read from a mirror counts, and may be old: what is not in it may only be late. Of a cluster it is the truth once the
 * hub itself has shown the `sync` record that is known, and all that this names is known.
 */
import { compareVersions, decodeEnvelope, type Version } from '@landbridge/wire/record.ts';
import { type BusEvent, splitBusKey } from '../bus/bus.ts';
import { matchesSync } from './cluster-table.ts';
import type { ClusterView } from './cluster-view.ts';
import type { PeerState } from './peer-table.ts';

type Views = ReadonlyMap<string, ClusterView>;

export class HubConfirmations {
  /** The newest `sync` that the hub has shown, by cluster. Who signed it the peer table knows. */
  readonly #shown = new Map<string, Version>();
  /** Whatever is newer than that, from wherever, is signed by its owner. */
  readonly #confirmed = new Set<string>();
  #isMirrorRead = false;
  /** What {@link mark} said last, since it is asked for again and again between two events. */
  #last: { readonly views: Views; readonly marked: Views } | undefined;
  readonly #provisional = new WeakMap<ClusterView, ClusterView>();

  /** From now on what is known may be the mirror's. */
  mirrorRead(): void {
    if (!this.#isMirrorRead) this.#last = undefined;
    this.#isMirrorRead = true;
  }

  /** Of the hub, never of a mirror. Whether a cluster may be known by the hub now that was not before. */
  shown(event: BusEvent): boolean {
    if (event.kind !== 'entry' || !event.key.endsWith('.sync')) return false;
    const key = splitBusKey(event.key);
    const envelope = decodeEnvelope(event.value);
    if (key?.recordKey !== 'sync' || !envelope.ok) return false;
    this.#shown.set(key.cluster, envelope.value);
    this.#last = undefined;
    return this.#isMirrorRead;
  }

  /** The views of a state, in which those that the hub has not shown say so. */
  mark(views: Views, state: PeerState): Views {
    if (!this.#isMirrorRead) return views;
    if (this.#last?.views !== views) this.#last = { views, marked: new Map([...views].map(([cluster, view]) => [cluster, this.#isConfirmed(cluster, state) ? view : this.#asProvisional(view)])) };
    return this.#last.marked;
  }

  /** Entries of the hub overtake each other on their way here: its newest `sync` may come before a record that it names. */
  #isConfirmed(cluster: string, { tables }: PeerState): boolean {
    if (this.#confirmed.has(cluster)) return true;
    const shown = this.#shown.get(cluster);
    const table = tables.get(cluster);
    if (shown === undefined || table?.sync === undefined || compareVersions(shown, table.sync) !== 0 || matchesSync(table) !== true) return false;
    this.#confirmed.add(cluster);
    return true;
  }

  /** The same for the same view: who compares them sees that nothing changed. */
  #asProvisional(view: ClusterView): ClusterView {
    let marked = this.#provisional.get(view);
    if (marked === undefined) this.#provisional.set(view, (marked = { ...view, isProvisional: true }));
    return marked;
  }
}
