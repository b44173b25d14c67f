/** Looks into what JSON.parse() made of others' bytes. */

export type Fields = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object's fields; none of anything else. */
export const fields = (value: unknown): Fields => (isObject(value) ? value : {});

/** What is in a list; nothing of anything else. */
export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
