import type { OnDemandIndex } from './on-demand-index.ts';
import type { Resource } from './resource.ts';
import type { Delta } from './snapshot.ts';

/** What one agent may ask for; further names are answered as if there was nothing. */
export const MAX_ASKED = 10_000;

/** What an agent takes back beyond these was long before. */
const MAX_RELEASED = 1000;

/** What an agent comes with on a new stream. */
export interface AskingStart {
  /** Versions of what it has. */
  readonly known: ReadonlyMap<string, string>;
  /** What it asks for, besides. */
  readonly asked: readonly string[];
}

/**
 * What an agent asked for that does not follow everything, and what it was told of it. A resource that was told is
 * followed until the agent takes its name back, whether or not anything that it asks for still leads there: it would
 * keep it as it was.
 */
export class Asking {
  readonly #index: OnDemandIndex;
  readonly #resources: () => ReadonlyMap<string, Resource>;
  readonly #mayRemove: (name: string) => boolean;
  readonly #asked = new Set<string>();
  /** Of these the agent knows that there is nothing; of those beyond the limit it is told once. */
  readonly #absent = new Set<string>();
  readonly #refused = new Set<string>();
  /** Asked for since the last answer. What belongs to it then is told even if the agent has it, or it would wait for ever. */
  readonly #unanswered = new Set<string>();
  readonly #known: Map<string, string>;
  /** Of these what it came with, which may be newer than what is known here. */
  readonly #brought: Set<string>;
  readonly #mayReplace: (name: string) => boolean;
  /** Taken back, with the version that was told last: an answer may have been under way, for which the agent has found another use meanwhile. What becomes of them is told once more. */
  readonly #released = new Map<string, string>();
  #hasFollowedKnown = false;

  constructor(index: OnDemandIndex, resources: () => ReadonlyMap<string, Resource>, { known, asked }: AskingStart, mayRemove: (name: string) => boolean, mayReplace: (name: string) => boolean = () => true) {
    this.#index = index;
    this.#resources = resources;
    this.#known = new Map(known);
    this.#brought = new Set(known.keys());
    this.#mayRemove = mayRemove;
    this.#mayReplace = mayReplace;
    // It is told what differs from what it has, and no more.
    for (const name of asked) this.#follow(name);
  }

  /** ztunnel says by what it has what it has asked for before. The index may not have been there when it came. */
  #followKnown(): void {
    if (this.#hasFollowedKnown) return;
    this.#hasFollowedKnown = true;
    const names = [...this.#known.keys()];
    // Names by which it asked for other resources.
    for (const name of names) if (!this.#resources().has(name) && this.#index.resolve(name).size > 0) this.#known.delete(name);
    for (const name of names) if (!this.#index.isWorkload(name)) this.#follow(name);
    // Those that come with a service have no need of a place of their own.
    for (const name of names) if (this.#index.isWorkload(name) && !this.#index.servicesOf(name).some((service) => this.#asked.has(service))) this.#follow(name);
  }

  ask(subscribe: readonly string[], unsubscribe: readonly string[]): void {
    for (const name of unsubscribe) {
      this.#asked.delete(name);
      this.#unanswered.delete(name);
      this.#absent.delete(name);
      this.#release(name);
    }
    for (const name of subscribe) {
      if (name === '*') continue;
      this.#absent.delete(name);
      this.#follow(name);
      if (this.#asked.has(name)) this.#unanswered.add(name);
    }
  }

  #release(name: string): void {
    const version = this.#known.get(name);
    if (version === undefined) return;
    this.#known.delete(name);
    this.#released.set(name, version);
    if (this.#released.size > MAX_RELEASED) for (const oldest of this.#released.keys()) {
      this.#released.delete(oldest);
      break;
    }
  }

  #follow(name: string): void {
    if (name === '*') return;
    if (this.#asked.has(name) || this.#asked.size < MAX_ASKED) this.#asked.add(name);
    else this.#refused.add(name);
  }

  /** `unasked`: names of resources that it is told all the same. */
  missing(unasked: Iterable<string> = []): Delta & { readonly aliases: (name: string) => readonly string[] } {
    this.#followKnown();
    const resources = this.#resources();
    const had = new Map([...this.#released, ...this.#known]);
    const followed = new Set([...this.#known.keys(), ...unasked]);
    for (const [name, version] of this.#released) if (resources.get(name)?.version !== version) followed.add(name);
    const absent: string[] = [...this.#refused];
    const again = new Set<string>();
    for (const name of this.#asked) {
      const found = this.#index.resolve(name);
      for (const each of found) followed.add(each);
      if (this.#unanswered.has(name)) for (const each of found) again.add(each);
      if (found.size === 0 && !this.#absent.has(name) && this.#mayRemove(name)) absent.push(name);
    }
    const updated: (readonly [string, Resource])[] = [];
    for (const name of followed) {
      const resource = resources.get(name);
      if (resource === undefined) continue;
      const isOther = this.#known.get(name) !== resource.version && !(this.#brought.has(name) && !this.#mayReplace(name));
      if (isOther || again.has(name)) updated.push([name, resource]);
    }
    const removed = [...had.keys()].filter((name) => !resources.has(name) && this.#mayRemove(name));
    return { updated, removed: [...new Set([...removed, ...absent])], aliases: (name) => this.#index.aliasesOf(name) };
  }

  told({ updated, removed }: Delta): void {
    for (const [name, { version }] of updated) {
      this.#known.set(name, version);
      this.#brought.delete(name);
      this.#released.delete(name);
    }
    for (const name of removed) {
      this.#released.delete(name);
      this.#known.delete(name);
      this.#refused.delete(name);
      this.#unanswered.delete(name);
      if (this.#asked.has(name)) this.#absent.add(name);
    }
    const told = new Set(updated.map(([name]) => name));
    for (const name of this.#unanswered) if (!told.isDisjointFrom(this.#index.resolve(name))) this.#unanswered.delete(name);
    for (const name of this.#absent) if (this.#index.resolve(name).size > 0) this.#absent.delete(name);
  }
}
