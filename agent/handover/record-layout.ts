/** How the state of a connection is written as fields, and read again: one table for both directions. */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { secretBytes } from '@landbridge/native/secret-bytes.ts';
import { parseFields } from './state-reader.ts';
import { MUST_UNDERSTAND, type StateWriter } from './state-writer.ts';

/** Sockets of a batch while it is written: places are given in the order of use. */
export class DescriptorList {
  readonly fds: number[] = [];

  placeOf(fd: number): number {
    return this.fds.push(fd) - 1;
  }
}

/** What reading a batch knows besides the bytes; the first fault is kept, and what is read after it counts for nothing. */
export class ReadContext {
  readonly #fds: readonly number[];
  readonly #used = new Set<number>();
  fault: string | undefined;

  constructor(fds: readonly number[]) {
    this.#fds = fds;
  }

  fail(reason: string): void {
    this.fault ??= reason;
  }

  /** Each socket is somebody's, and nobody else's. */
  take(place: number): number {
    const fd = this.#fds[place];
    if (fd === undefined || this.#used.has(place)) {
      this.fail(fd === undefined ? 'a socket that did not come along' : 'one socket for two connections');
      return -1;
    }
    this.#used.add(place);
    return fd;
  }

  get unused(): number {
    return this.#fds.length - this.#used.size;
  }
}

/** One field of a record. */
export interface Field<T> {
  readonly tag: number;
  write(value: T, writer: StateWriter, descriptors: DescriptorList): void;
  /** `contents`: of all fields of the tag; none where the writer left it out. */
  read(contents: readonly Buffer[], context: ReadContext): T;
}

type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

const NO_BYTES = Buffer.alloc(0);

/** Left out where it is false. */
export const flag = (tag: number): Field<boolean> => ({
  tag,
  write: (value, writer) => {
    if (value) writer.bytes(tag, NO_BYTES);
  },
  read: (contents) => contents.length > 0,
});

/** A whole number; left out where it is 0. */
export const integer = (tag: number, least: number, most: number): Field<number> => ({
  tag,
  write: (value, writer) => {
    if (value !== 0) writer.number(tag, value);
  },
  read: ([content], context) => {
    if (content === undefined) return 0;
    const value = content.length === 8 ? content.readDoubleBE(0) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    context.fail(`field ${tag} is out of range`);
    return least;
  },
});

/** In milliseconds, whole ones. */
export const duration = (tag: number): Field<number> => {
  const whole = integer(tag, 0, Number.MAX_SAFE_INTEGER);
  return { ...whole, write: (value, writer, descriptors) => whole.write(Math.max(0, Math.round(value)), writer, descriptors) };
};

/** Left out where it is empty. What is read is a copy. */
export const bytes = (tag: number, most: number): Field<Buffer> => ({
  tag,
  write: (value, writer) => {
    if (value.length > 0) writer.bytes(tag, value);
  },
  read: ([content], context) => {
    if (content === undefined) return NO_BYTES;
    if (content.length > most) context.fail(`field ${tag} is longer than ${most}`);
    const copy = secretBytes(context.fault === undefined ? content.length : 0);
    content.copy(copy);
    return copy;
  },
});

/** One field of several parts; left out where all are empty. What is read is a view, good as long as the batch is not overwritten. */
export const parts = (tag: number, most: number): Field<readonly Buffer[]> => ({
  tag,
  write: (values, writer) => {
    if (values.some(({ length }) => length > 0)) writer.parts(tag, values);
  },
  read: ([content], context) => {
    if (content === undefined || content.length === 0) return [];
    if (content.length > most) context.fail(`field ${tag} is longer than ${most}`);
    return [content];
  },
});

/** Left out where it is empty. */
export const text = (tag: number, most: number): Field<string> => ({
  tag,
  write: (value, writer) => {
    if (value !== '') writer.text(tag, value);
  },
  read: ([content], context) => {
    if (content === undefined) return '';
    if (content.length <= most) return content.toString();
    context.fail(`field ${tag} is longer than ${most}`);
    return '';
  },
});

/** One of a few words. */
export function oneOf<const T extends string>(tag: number, values: readonly T[]): Field<T> {
  return {
    tag,
    write: (value, writer) => writer.text(tag, value),
    read: ([content], context) => {
      const word = content?.toString();
      const found = values.find((value) => value === word);
      if (found === undefined) context.fail(`field ${tag} has none of the words that are known`);
      return found ?? (values[0] as T);
    },
  };
}

/** A socket, which goes along with the batch. */
export const descriptor = (tag: number): Field<number> => ({
  tag,
  write: (fd, writer, descriptors) => writer.number(tag, descriptors.placeOf(fd)),
  read: ([content], context) => context.take(content?.length === 8 ? content.readDoubleBE(0) : -1),
});

/** Undefined where it is left out. A field that leaves out a value of its own is read as that value's absence. */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({
  tag: field.tag,
  write: (value, writer, descriptors) => {
    if (value !== undefined) field.write(value, writer, descriptors);
  },
  read: (contents, context) => (contents.length === 0 ? undefined : field.read(contents, context)),
});

/** Several of them, in their order. */
export const list = <T>(field: Field<T>, most: number): Field<readonly T[]> => ({
  tag: field.tag,
  write: (values, writer, descriptors) => {
    for (const value of values) field.write(value, writer, descriptors);
  },
  read: (contents, context) => {
    if (contents.length > most) context.fail(`more than ${most} fields ${field.tag}`);
    return context.fault === undefined ? contents.map((content) => field.read([content], context)) : [];
  },
});

/** Fields of one kind of record. Those that are unknown are skipped, unless their tag has {@link MUST_UNDERSTAND}. */
export class RecordLayout<T extends object> {
  readonly #fields: readonly (readonly [keyof T, Field<T[keyof T]>])[];
  readonly #tags: ReadonlySet<number>;

  constructor(fields: Fields<T>) {
    this.#fields = Object.entries(fields) as unknown as readonly (readonly [keyof T, Field<T[keyof T]>])[];
    this.#tags = new Set(this.#fields.map(([, { tag }]) => tag));
    if (this.#tags.size < this.#fields.length) throw new RangeError('two fields have one tag');
  }

  write(value: T, writer: StateWriter, descriptors: DescriptorList): void {
    for (const [name, field] of this.#fields) field.write(value[name], writer, descriptors);
  }

  read(content: Buffer, context: ReadContext): T {
    const found = new Map<number, Buffer[]>();
    const fields = parseFields(content);
    if (!fields.ok) context.fail(fields.error);
    for (const { tag, content: inside } of fields.ok ? fields.value : []) {
      if (!this.#tags.has(tag)) {
        if ((tag & MUST_UNDERSTAND) !== 0) context.fail(`field ${tag} is unknown and may not be skipped`);
        continue;
      }
      const those = found.get(tag);
      if (those === undefined) found.set(tag, [inside]);
      else those.push(inside);
    }
    return Object.fromEntries(this.#fields.map(([name, field]) => [name, field.read(found.get(field.tag) ?? [], context)])) as T;
  }

  /** As one field of another record. */
  as(tag: number): Field<T> {
    return {
      tag,
      write: (value, writer, descriptors) => writer.nested(tag, () => this.write(value, writer, descriptors)),
      read: ([content], context) => {
        if (content === undefined) context.fail(`field ${tag} is missing`);
        return this.read(content ?? NO_BYTES, context);
      },
    };
  }

  /** The whole of one record. */
  parse(content: Buffer, context: ReadContext): Result<T> {
    const value = this.read(content, context);
    return context.fault === undefined ? ok(value) : err(context.fault);
  }
}
