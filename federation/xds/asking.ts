import type { OnDemandIndex } from './on-demand-index.ts';
import type { Resource } from './resource.ts';
import type { Delta } from './snapshot.ts';

/** What one agent may ask for; further names are answered as if there was nothing. */
export const MAX_ASKED = 10_000;

/** What an agent asked for that does not follow everything, and what it was told of it. */
export class Asking {
  readonly #index: OnDemandIndex;
  readonly #resources: () => ReadonlyMap<string, Resource>;
  readonly #mayRemove: (name: string) => boolean;
  readonly #asked = new Set<string>();
  /** Of these the agent knows that there is nothing; of those beyond the limit it is told once. */
  readonly #absent = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #known: Map<string, string>;

  constructor(index: OnDemandIndex, resources: () => ReadonlyMap<string, Resource>, initial: ReadonlyMap<string, string>, mayRemove: (name: string) => boolean) {
    this.#index = index;
    this.#resources = resources;
    this.#known = new Map(initial);
    this.#mayRemove = mayRemove;
    // What it comes with it has asked for before.
    this.ask([...initial.keys()], []);
  }

  ask(subscribe: readonly string[], unsubscribe: readonly string[]): void {
    for (const name of unsubscribe) {
      this.#asked.delete(name);
      this.#absent.delete(name);
    }
    for (const name of subscribe) {
      if (name === '*') continue;
      // Who asks again has to be answered again, or waits for ever.
      this.#absent.delete(name);
      this.#known.delete(name);
      for (const found of this.#index.resolve(name)) if (found !== name) this.#known.delete(found);
      if (this.#asked.has(name) || this.#asked.size < MAX_ASKED) this.#asked.add(name);
      else this.#refused.add(name);
    }
  }

  missing(): Delta & { readonly aliases: (name: string) => readonly string[] } {
    const resources = this.#resources();
    const wanted = new Set<string>();
    const absent: string[] = [...this.#refused];
    for (const name of this.#asked) {
      const found = this.#index.resolve(name);
      for (const each of found) wanted.add(each);
      if (found.size === 0 && !this.#absent.has(name) && this.#mayRemove(name)) absent.push(name);
    }
    const updated: (readonly [string, Resource])[] = [];
    for (const name of wanted) {
      const resource = resources.get(name);
      if (resource !== undefined && this.#known.get(name) !== resource.version) updated.push([name, resource]);
    }
    const removed = [...this.#known.keys()].filter((name) => !resources.has(name) && this.#mayRemove(name));
    return { updated, removed: [...new Set([...removed, ...absent])], aliases: (name) => this.#index.aliasesOf(name) };
  }

  told({ updated, removed }: Delta): void {
    for (const [name, { version }] of updated) this.#known.set(name, version);
    for (const name of removed) {
      this.#known.delete(name);
      this.#refused.delete(name);
      if (this.#asked.has(name)) this.#absent.add(name);
    }
    for (const name of this.#absent) if (this.#index.resolve(name).size > 0) this.#absent.delete(name);
  }
}
