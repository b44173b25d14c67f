import test from 'ava';
import fc from 'fast-check';
import { Following } from './following.ts';
import type { Resource } from './resource.ts';
import { ResourceLog } from './resource-log.ts';

const NAMES = ['east/a', 'east/b', 'west/a', 'west/b', 'west/c'];
const resources = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('1', '2')).map((versions) => new Map(Object.entries(versions).map(([name, version]): [string, Resource] => [name, { version, bytes: new Uint8Array() }])));
/** A moment: what there is, whether all of `east` is known, which agents are told of it. */
const moment = fc.record({ resources, eastKnown: fc.boolean(), told: fc.subarray([0, 1, 2]), says: fc.boolean() });

class Agent {
  readonly has: Map<string, string>;
  following: Following;
  /** What it came with, and was told nothing else of since. */
  brought: Set<string>;

  constructor(log: ResourceLog, initial: ReadonlyMap<string, string>, isKnown: (name: string) => boolean) {
    this.has = new Map(initial);
    this.brought = new Set(initial.keys());
    this.following = new Following(log, initial, isKnown, isKnown);
  }

  tell(log: ResourceLog, mayRemove: (name: string) => boolean): void {
    const missing = this.following.missing();
    // It comes again with what it has.
    if (missing === undefined) {
      this.brought = new Set(this.has.keys());
      return void (this.following = new Following(log, new Map(this.has), mayRemove, mayRemove));
    }
    for (const [name, { version }] of missing.updated) {
      if (this.brought.has(name) && !mayRemove(name) && this.has.get(name) !== version) throw new Error(`${name} was replaced by what may be older`);
      this.has.set(name, version);
      this.brought.delete(name);
    }
    for (const name of missing.removed) {
      this.has.delete(name);
      this.brought.delete(name);
    }
    this.following.told();
    for (const name of this.brought) if (mayRemove(name)) this.brought.delete(name);
  }
}

test('whatever happens between two answers, an agent has in the end what there is; nothing of a cluster that is not known was taken away', (t) => {
  const initial = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('0', '1')).map((versions) => new Map(Object.entries(versions)));
  fc.assert(fc.property(fc.array(initial, { minLength: 3, maxLength: 3 }), fc.array(moment, { minLength: 1, maxLength: 30, size: 'max' }), fc.constantFrom(0, 2, 100), (agentsHave, moments, maxRemembered) => {
    const log = new ResourceLog(maxRemembered);
    let eastKnown = false;
    const mayRemove = (name: string): boolean => eastKnown || name.startsWith('west/');
    const agents = agentsHave.map((has) => new Agent(log, has, mayRemove));
    let before: ReadonlyMap<string, Resource> = new Map();
    /** Gone at a moment when all was known: whoever hears of it later is told all the same. */
    const knownGone = new Set<string>();
    for (const each of moments) {
      eastKnown = each.eastKnown;
      const changed = new Set(NAMES.filter((name) => before.get(name)?.version !== each.resources.get(name)?.version));
      log.update(each.resources, mayRemove, each.says ? changed : undefined);
      for (const name of NAMES) {
        if (each.resources.has(name)) knownGone.delete(name);
        else if (eastKnown) knownGone.add(name);
      }
      before = each.resources;
      for (const index of each.told) {
        const agent = agents[index];
        if (agent === undefined) continue;
        const had = new Set(agent.has.keys());
        agent.tell(log, mayRemove);
        for (const name of had) if (name.startsWith('east/') && !agent.has.has(name) && !knownGone.has(name)) t.fail(`${name} was taken away`);
      }
    }
    eastKnown = true;
    log.update(before, mayRemove, new Set());
    for (const agent of agents) {
      for (let answers = 0; answers < 2; answers++) agent.tell(log, mayRemove);
      t.deepEqual([...agent.has].sort(), [...before].map(([name, { version }]) => [name, version]).sort());
      t.deepEqual(agent.following.missing(), { updated: [], removed: [] });
    }
  }), { numRuns: 2000 });
});

test('what changes again and again takes no room', (t) => {
  const log = new ResourceLog();
  const all = new Map<string, Resource>([['a', { version: '0', bytes: new Uint8Array() }]]);
  const following = new Following(log, new Map(), () => true);
  for (let i = 0; i < 10_000; i++) {
    all.set('a', { version: String(i), bytes: new Uint8Array() });
    log.update(all, () => true, new Set(['a']));
  }
  t.deepEqual(following.missing()?.updated.map(([, { version }]) => version), ['9999']);
  following.told();
  t.deepEqual(log.since(log.revision - 1), ['a']);
});
