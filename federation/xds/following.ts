import type { Delta } from './snapshot.ts';
import type { Resource } from './resource.ts';
import type { ResourceLog } from './resource-log.ts';

const NOTHING: Delta = { updated: [], removed: [] };

/** How far an agent was told the resources of a type. */
export class Following {
  readonly #log: ResourceLog;
  readonly #mayRemove: (name: string) => boolean;
  /** What the agent had when it came, until it is told the first time. */
  #initial: ReadonlyMap<string, string> | undefined;
  /** Of those what is not known here, and may be as soon as more is known. */
  readonly #held = new Set<string>();
  /** Versions of what it came with, and keeps, while what is known here may be older. */
  readonly #brought = new Map<string, string>();
  /** By what {@link missing} said last. */
  #takenAway: ReadonlySet<string> = new Set();
  readonly #mayReplace: (name: string) => boolean;
  #revision = 0;

  constructor(log: ResourceLog, initial: ReadonlyMap<string, string>, mayRemove: (name: string) => boolean, mayReplace: (name: string) => boolean = () => true) {
    this.#log = log;
    this.#mayReplace = mayReplace;
    this.#initial = initial;
    this.#mayRemove = mayRemove;
  }

  /** What the agent must be told to have all; undefined where that is not known any more, and it has to come again. */
  missing(): Delta | undefined {
    const { resources } = this.#log;
    const initial = this.#initial;
    if (initial !== undefined) {
      return {
        updated: [...resources].filter(([name, { version }]) => initial.get(name) !== version && (!initial.has(name) || this.#mayReplace(name))),
        removed: [...initial.keys()].filter((name) => !resources.has(name) && this.#mayRemove(name)),
      };
    }
    if (this.#revision === this.#log.revision && this.#held.size === 0 && this.#brought.size === 0) return NOTHING;
    const names = this.#log.since(this.#revision);
    if (names === undefined) return undefined;
    const updated: (readonly [string, Resource])[] = [];
    const removed = new Set<string>();
    for (const name of names) {
      const resource = resources.get(name);
      if (resource === undefined) removed.add(name);
      else if (!this.#brought.has(name)) updated.push([name, resource]);
    }
    for (const [name, version] of this.#brought) {
      const resource = resources.get(name);
      if (resource !== undefined && resource.version !== version && this.#mayReplace(name)) updated.push([name, resource]);
    }
    for (const name of this.#held) if (!resources.has(name) && this.#mayRemove(name)) removed.add(name);
    this.#takenAway = removed;
    return { updated, removed: [...removed] };
  }

  /** The agent is told what was missing at this moment. */
  told(): void {
    const { resources } = this.#log;
    for (const [name, version] of this.#initial ?? []) {
      if (!resources.has(name) && !this.#mayRemove(name)) this.#held.add(name);
      this.#brought.set(name, version);
    }
    for (const name of this.#brought.keys()) if (this.#mayReplace(name) || this.#takenAway.has(name)) this.#brought.delete(name);
    for (const name of this.#held) if (resources.has(name) || this.#mayRemove(name)) this.#held.delete(name);
    this.#initial = undefined;
    this.#revision = this.#log.revision;
  }
}
