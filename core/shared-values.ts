/** More are forgotten, all at once: what is shared already stays so. */
const MAX_VALUES = 65_536;

/**
 * Finds for a value an equal one that is there already. Of a mesh's workloads and a cluster's objects many say the same,
 * each in bytes of its own: namespaces, nodes, labels, the services behind which they are.
 */
export class SharedValues {
  readonly #texts = new Map<string, string>();
  readonly #made = new Map<string, unknown>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= MAX_VALUES) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  /** `key` says all that the value is made of, its kind included. The value must never change. */
  made<T>(key: string, make: () => T): T {
    const known = this.#made.get(key);
    if (known !== undefined) return known as T;
    if (this.#made.size >= MAX_VALUES) this.#made.clear();
    const value = make();
    this.#made.set(key, value);
    return value;
  }
}
