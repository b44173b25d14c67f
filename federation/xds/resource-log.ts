import type { Resource } from './resource.ts';

/** Names of resources that are gone are remembered, so that whoever has them can be told. Who is further behind has to come again and say what he has. */
export const MAX_REMEMBERED = 100_000;
/** Entries that tell nothing any more are swept when there are as many of them as of others, and this many more. */
const SLACK = 1000;

interface Entry {
  readonly revision: number;
  readonly name: string;
}

/**
 * Resources, and in which order they changed: who was told everything up to a revision needs no more than that number for
 * the differences to be known, however many resources and agents there are.
 */
export class ResourceLog {
  #resources: ReadonlyMap<string, Resource> = new Map();
  readonly #maxRemembered: number;
  /** In the order of revisions. Of a name only the last entry counts. */
  #entries: Entry[] = [];
  readonly #last = new Map<string, number>();
  /** Gone from here, and not to be taken away from those who have it yet. */
  readonly #held = new Set<string>();
  #revision = 0;
  #forgotten = 0;

  constructor(maxRemembered: number = MAX_REMEMBERED) {
    this.#maxRemembered = maxRemembered;
  }

  get resources(): ReadonlyMap<string, Resource> {
    return this.#resources;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Takes over what there is now, which may be the same map; `changed` are the names that differ, all that may where it is left out. */
  update(resources: ReadonlyMap<string, Resource>, mayRemove: (name: string) => boolean, changed?: ReadonlySet<string>): void {
    const before = this.#resources;
    this.#resources = resources;
    const differ = changed ?? [...new Set([...before.keys(), ...resources.keys()])].filter((name) => before.get(name)?.version !== resources.get(name)?.version);
    for (const name of differ) {
      if (resources.has(name) || mayRemove(name)) this.#add(name);
      else this.#held.add(name);
    }
    for (const name of this.#held) if (resources.has(name) || mayRemove(name)) this.#add(name);
    this.#sweep();
  }

  /** Names that changed after a revision, each once; undefined where that is too long ago. Those that are not there are to be taken away. */
  since(revision: number): readonly string[] | undefined {
    if (revision < this.#forgotten) return undefined;
    const names: string[] = [];
    for (let i = this.#firstAfter(revision); i < this.#entries.length; i++) {
      const entry = this.#entries[i];
      if (entry !== undefined && this.#last.get(entry.name) === entry.revision && !this.#held.has(entry.name)) names.push(entry.name);
    }
    return names;
  }

  #add(name: string): void {
    this.#held.delete(name);
    const revision = ++this.#revision;
    this.#entries.push({ revision, name });
    this.#last.set(name, revision);
  }

  #firstAfter(revision: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sweep(): void {
    if (this.#entries.length <= 2 * this.#last.size + SLACK && this.#last.size - this.#resources.size <= this.#maxRemembered) return;
    const live = this.#entries.filter(({ name, revision }) => this.#last.get(name) === revision);
    let excess = live.filter(({ name }) => !this.#resources.has(name)).length - this.#maxRemembered;
    this.#entries = live.filter(({ name, revision }) => {
      if (excess <= 0 || this.#resources.has(name)) return true;
      excess -= 1;
      this.#last.delete(name);
      this.#forgotten = Math.max(this.#forgotten, revision);
      return false;
    });
  }
}
