import { type Fields, isObject } from '@landbridge/core/json-fields.ts';

/** Takes of a foreign value what is read of it, and lets the rest go; undefined where the value is nothing of that kind. */
export type Shape<T> = (value: unknown) => T | undefined;

export const text: Shape<string> = (value) => (typeof value === 'string' ? value : undefined);
export const flag: Shape<boolean> = (value) => (typeof value === 'boolean' ? value : undefined);
export const integer: Shape<number> = (value) => (Number.isSafeInteger(value) ? (value as number) : undefined);
/** As JSON.parse() made it, for what others read by total functions of their own, or nobody but the API server reads. */
export const whole: Shape<unknown> = (value) => value;

/** RFC 3339, as meta/v1 Time is written. */
export const time: Shape<Date> = (value) => {
  const date = typeof value === 'string' ? new Date(value) : undefined;
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date;
};

/** Without what has not the shape. */
export function list<T>(shape: Shape<T>): Shape<T[]> {
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const kept: T[] = [];
    for (const item of value) {
      const taken = shape(item);
      if (taken !== undefined) kept.push(taken);
    }
    return kept;
  };
}

/** Names with a text each; of all, or of these only. */
export function texts(names?: readonly string[]): Shape<Record<string, string>> {
  return (value) => {
    if (!isObject(value)) return undefined;
    // Names come from outside, `__proto__` among them.
    const kept: [string, string][] = [];
    for (const name of names ?? Object.keys(value)) {
      const found = Object.hasOwn(value, name) ? value[name] : undefined;
      if (typeof found === 'string') kept.push([name, found]);
    }
    return Object.fromEntries(kept);
  };
}

/** Members that are absent, or have not their shape, are absent. */
export function object<T extends Readonly<Record<string, Shape<unknown>>>>(members: T): Shape<{ [K in keyof T]?: Exclude<ReturnType<T[K]>, undefined> }> {
  const entries = Object.entries(members);
  return (value) => {
    if (!isObject(value)) return undefined;
    const kept: Record<string, unknown> = {};
    for (const [name, shape] of entries) {
      const taken = shape((value as Fields)[name]);
      if (taken !== undefined) kept[name] = taken;
    }
    return kept as { [K in keyof T]?: Exclude<ReturnType<T[K]>, undefined> };
  };
}
