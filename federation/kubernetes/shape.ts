import { type Fields, isObject } from '@landbridge/core/json-fields.ts';
import { SharedValues } from '@landbridge/core/shared-values.ts';

/** Takes of a foreign value what is read of it, and lets the rest go; undefined where the value is nothing of that kind. */
export type Shape<T> = (value: unknown) => T | undefined;

const known = new SharedValues();
/** Longer ones are of one object each, such as a description. */
const MAX_SHARED_TEXT = 64;
const sharedText = (text: string): string => (text.length <= MAX_SHARED_TEXT ? known.text(text) : text);

export const text: Shape<string> = (value) => (typeof value === 'string' ? sharedText(value) : undefined);
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
    // An array that grew has room for more.
    return kept.slice();
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
      if (typeof found === 'string') kept.push([name, sharedText(found)]);
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

/** The same object for all values that are alike, for what many objects have. */
export function shared<T extends object>(shape: Shape<T>): Shape<T> {
  const known = new SharedValues();
  return (value) => {
    const taken = shape(value);
    return taken === undefined ? undefined : known.made(JSON.stringify(taken), () => taken);
  };
}
