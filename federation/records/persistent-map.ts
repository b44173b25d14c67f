/** A map that is never changed: `with` and `without` answer another map, which shares most of its parts with this one. */
export class PersistentMap<V> {
  readonly size: number;
  readonly #buckets: readonly (ReadonlyMap<string, V> | undefined)[];

  private constructor(size: number, buckets: readonly (ReadonlyMap<string, V> | undefined)[]) {
    this.size = size;
    this.#buckets = buckets;
  }

  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>(0, []);
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]?.get(key);
  }

  with(key: string, value: V): PersistentMap<V> {
    const index = bucketOf(key);
    const bucket = new Map(this.#buckets[index]);
    const size = bucket.has(key) ? this.size : this.size + 1;
    bucket.set(key, value);
    return new PersistentMap(size, this.#replaced(index, bucket));
  }

  without(key: string): PersistentMap<V> {
    const index = bucketOf(key);
    const bucket = new Map(this.#buckets[index]);
    return bucket.delete(key) ? new PersistentMap(this.size - 1, this.#replaced(index, bucket)) : this;
  }

  filter(keep: (value: V, key: string) => boolean): PersistentMap<V> {
    let size = 0;
    const buckets = this.#buckets.map((bucket) => {
      const kept = new Map<string, V>();
      for (const [key, value] of bucket ?? []) if (keep(value, key)) kept.set(key, value);
      size += kept.size;
      return kept;
    });
    return size === this.size ? this : new PersistentMap(size, buckets);
  }

  *entries(): Generator<readonly [string, V]> {
    for (const bucket of this.#buckets) if (bucket !== undefined) yield* bucket;
  }

  /** Keys that have another value in one of the two than in the other: what both share is not looked at. */
  *differing(other: PersistentMap<V>): Generator<string> {
    for (let index = 0; index < BUCKETS; index += 1) {
      const [here, there] = [this.#buckets[index], other.#buckets[index]];
      if (here === there) continue;
      for (const [key, value] of here ?? []) if (there?.get(key) !== value) yield key;
      for (const key of there?.keys() ?? []) if (here?.has(key) !== true) yield key;
    }
  }

  #replaced(index: number, bucket: ReadonlyMap<string, V>): (ReadonlyMap<string, V> | undefined)[] {
    const buckets = this.#buckets.slice();
    while (buckets.length < BUCKETS) buckets.push(undefined);
    buckets[index] = bucket;
    return buckets;
  }
}

/** A change copies the list of buckets and one bucket: for ten thousand records some 300 slots. */
const BUCKETS = 256;

/** FNV-1a. Peers choose the keys; one that makes them collide slows only the reading of its own bounded table. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
