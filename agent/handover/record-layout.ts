/** How the state of a connection is written as fields, and read again: one table for both directions. */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { secretBytes } from '@landbridge/native/secret-bytes.ts';
import { cutFields, MAX_FIELDS } from './state-reader.ts';
import { MUST_UNDERSTAND, NUMBER_BYTES, type StateWriter } from './state-writer.ts';

const NO_BYTES = Buffer.alloc(0);
const NO_SPANS: Spans = [];
const MAX_WORD_BYTES = 64;

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
  /** Of the record that is read. */
  bytes: Buffer = NO_BYTES;
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

/**
 * Where the contents of all fields of one tag are in the record: begin and end of each. Places, as thousands of views would
 * take longer to make than all else, while connections stand still.
 */
export type Spans = readonly number[];

/** One field of a record. */
export interface Field<T> {
  readonly tag: number;
  write(value: T, writer: StateWriter, descriptors: DescriptorList): void;
  /** `spans`: none where the writer left it out. */
  read(spans: Spans, context: ReadContext): T;
}

type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** Left out where it is false. */
export const flag = (tag: number): Field<boolean> => ({
  tag,
  write: (value, writer) => {
    if (value) writer.bytes(tag, NO_BYTES);
  },
  read: (spans) => spans.length > 0,
});

/** A whole number; left out where it is 0. */
export const integer = (tag: number, least: number, most: number): Field<number> => ({
  tag,
  write: (value, writer) => {
    if (value !== 0) writer.number(tag, value);
  },
  read: (spans, context) => {
    if (spans.length === 0) return 0;
    const value = numberAt(spans, context);
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    context.fail(`field ${tag} is out of range`);
    return least;
  },
});

/** NaN where it is none. */
function numberAt(spans: Spans, { bytes }: ReadContext): number {
  const [from = 0, to = 0] = spans;
  return to - from === NUMBER_BYTES ? bytes.readDoubleBE(from) : Number.NaN;
}

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
  read: ([from, to], context) => {
    if (from === undefined || to === undefined) return NO_BYTES;
    if (to - from > most) context.fail(`field ${tag} is longer than ${most}`);
    const copy = secretBytes(context.fault === undefined ? to - from : 0);
    context.bytes.copy(copy, 0, from, from + copy.length);
    return copy;
  },
});

/** One field of several parts; left out where all are empty. What is read is a view, good as long as the batch is not overwritten. */
export const parts = (tag: number, most: number): Field<readonly Buffer[]> => ({
  tag,
  write: (values, writer) => {
    if (values.some(({ length }) => length > 0)) writer.parts(tag, values);
  },
  read: ([from, to], context) => {
    if (from === undefined || to === undefined || from === to) return [];
    if (to - from > most) context.fail(`field ${tag} is longer than ${most}`);
    return [context.bytes.subarray(from, to)];
  },
});

/** Left out where it is empty. */
export const text = (tag: number, most: number): Field<string> => ({
  tag,
  write: (value, writer) => {
    if (value !== '') writer.text(tag, value);
  },
  read: ([from, to], context) => {
    if (from === undefined || to === undefined) return '';
    if (to - from <= most) return context.bytes.toString('utf8', from, to);
    context.fail(`field ${tag} is longer than ${most}`);
    return '';
  },
});

/** One of a few words. */
export function oneOf<const T extends string>(tag: number, values: readonly T[]): Field<T> {
  const words = text(tag, MAX_WORD_BYTES);
  return {
    tag,
    write: (value, writer) => writer.text(tag, value),
    read: (spans, context) => {
      const word = words.read(spans, context);
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
  read: (spans, context) => context.take(numberAt(spans, context)),
});

/** Undefined where it is left out. A field that leaves out a value of its own is read as that value's absence. */
export const optional = <T>(field: Field<T>): Field<T | undefined> => ({
  tag: field.tag,
  write: (value, writer, descriptors) => {
    if (value !== undefined) field.write(value, writer, descriptors);
  },
  read: (spans, context) => (spans.length === 0 ? undefined : field.read(spans, context)),
});

/** Several of them, in their order. */
export const list = <T>(field: Field<T>, most: number): Field<readonly T[]> => ({
  tag: field.tag,
  write: (values, writer, descriptors) => {
    for (const value of values) field.write(value, writer, descriptors);
  },
  read: (spans, context) => {
    const values: T[] = [];
    if (spans.length > 2 * most) context.fail(`more than ${most} fields ${field.tag}`);
    for (let i = 0; i < spans.length && context.fault === undefined; i += 2) values.push(field.read(spans.slice(i, i + 2), context));
    return values;
  },
});

/** Fields of one kind of record. Those that are unknown are skipped, unless their tag has {@link MUST_UNDERSTAND}. */
export class RecordLayout<T extends object> {
  readonly #fields: readonly (readonly [keyof T, Field<T[keyof T]>])[];
  /** By tag: which of the fields it is. */
  readonly #places: (number | undefined)[] = [];

  constructor(fields: Fields<T>) {
    this.#fields = Object.entries(fields) as unknown as readonly (readonly [keyof T, Field<T[keyof T]>])[];
    for (const [place, [, { tag }]] of this.#fields.entries()) {
      if (this.#places[tag] !== undefined) throw new RangeError('two fields have one tag');
      this.#places[tag] = place;
    }
  }

  write(value: T, writer: StateWriter, descriptors: DescriptorList): void {
    for (const [name, field] of this.#fields) field.write(value[name], writer, descriptors);
  }

  read(from: number, to: number, context: ReadContext): T {
    const spans = this.#cut(from, to, context);
    const value: Partial<T> = {};
    let place = 0;
    for (const [name, field] of this.#fields) value[name] = field.read(spans[place++] ?? NO_SPANS, context);
    return value as T;
  }

  /** Where each of the fields is. */
  #cut(from: number, to: number, context: ReadContext): readonly (Spans | undefined)[] {
    const spans: (number[] | undefined)[] = new Array(this.#fields.length).fill(undefined);
    const fault = cutFields(context.bytes, from, to, MAX_FIELDS, (tag, begin, end) => this.#place(tag, begin, end, spans, context));
    if (fault !== undefined) context.fail(fault);
    return spans;
  }

  #place(tag: number, begin: number, end: number, spans: (number[] | undefined)[], context: ReadContext): void {
    const place = this.#places[tag];
    if (place === undefined) {
      if ((tag & MUST_UNDERSTAND) !== 0) context.fail(`field ${tag} is unknown and may not be skipped`);
      return;
    }
    const those = spans[place];
    if (those === undefined) spans[place] = [begin, end];
    else those.push(begin, end);
  }

  /** As one field of another record. */
  as(tag: number): Field<T> {
    return {
      tag,
      write: (value, writer, descriptors) => writer.nested(tag, () => this.write(value, writer, descriptors)),
      read: ([from = 0, to], context) => {
        if (to === undefined) context.fail(`field ${tag} is missing`);
        return this.read(from, to ?? from, context);
      },
    };
  }

  /** The whole of one record. */
  parse(content: Buffer, context: ReadContext): Result<T> {
    context.bytes = content;
    const value = this.read(0, content.length, context);
    return context.fault === undefined ? ok(value) : err(context.fault);
  }
}
