/** Codecs of C types as BPF programs on little-endian machines have them: what generated skeletons are made of. */

/** Reads and writes one type at an offset. */
export interface Codec<T> {
  /** Bytes. */
  readonly size: number;
  /** @throws RangeError beyond the end of the view */
  read(view: DataView, at: number): T;
  /** @throws RangeError beyond the end of the view, or where the value does not fit the type */
  write(view: DataView, at: number, value: T): void;
}

/** @throws RangeError where the value does not fit the type */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.write(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** @throws RangeError where there are not exactly as many bytes as the type has */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  if (bytes.length !== codec.size) throw new RangeError(`${bytes.length} bytes for a type of ${codec.size}`);
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

function number(bytes: 1 | 2 | 4, isSigned: boolean, isLittleEndian: boolean): Codec<number> {
  const name = `${isSigned ? 'Int' : 'Uint'}${(bytes * 8) as 8 | 16 | 32}` as const;
  const [least, most] = isSigned ? [-(2 ** (bytes * 8 - 1)), 2 ** (bytes * 8 - 1) - 1] : [0, 2 ** (bytes * 8) - 1];
  return {
    size: bytes,
    read: (view, at) => view[`get${name}`](at, isLittleEndian),
    write: (view, at, value) => {
      if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`${value} is no integer from ${least} to ${most}`);
      view[`set${name}`](at, value, isLittleEndian);
    },
  };
}

function bigint(isSigned: boolean, isLittleEndian: boolean): Codec<bigint> {
  const name = isSigned ? 'BigInt64' : 'BigUint64';
  return {
    size: 8,
    read: (view, at) => view[`get${name}`](at, isLittleEndian),
    write: (view, at, value) => {
      if ((isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) throw new RangeError(`${value} does not fit 64 bits`);
      view[`set${name}`](at, value, isLittleEndian);
    },
  };
}

export const u8 = number(1, false, true);
export const u16 = number(2, false, true);
export const u32 = number(4, false, true);
export const u64 = bigint(false, true);
export const i8 = number(1, true, true);
export const i16 = number(2, true, true);
export const i32 = number(4, true, true);
export const i64 = bigint(true, true);
/** __be16 and its kin of linux/types.h, in network order; values are those that the program computes with after bpf_ntohs(). */
export const be16 = number(2, false, false);
export const be32 = number(4, false, false);
export const be64 = bigint(false, false);

export const bool: Codec<boolean> = {
  size: 1,
  read: (view, at) => view.getUint8(at) !== 0,
  write: (view, at, value) => view.setUint8(at, value ? 1 : 0),
};

/** Arrays of bytes and characters, and unions: which member of one holds is not for its type to say. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + inBounds(view, at, size), size).slice(),
    write: (view, at, value) => {
      if (value.length !== size) throw new RangeError(`${value.length} bytes for an array of ${size}`);
      new Uint8Array(view.buffer, view.byteOffset + inBounds(view, at, size), size).set(value);
    },
  };
}

function inBounds(view: DataView, at: number, size: number): number {
  if (at < 0 || at + size > view.byteLength) throw new RangeError(`${size} bytes at ${at} are beyond the end at ${view.byteLength}`);
  return at;
}

export function array<T>(element: Codec<T>, length: number): Codec<readonly T[]> {
  return {
    size: element.size * length,
    read: (view, at) => Array.from({ length }, (_, index) => element.read(view, at + index * element.size)),
    write: (view, at, value) => {
      if (value.length !== length) throw new RangeError(`${value.length} elements for an array of ${length}`);
      for (const [index, each] of value.entries()) element.write(view, at + index * element.size, each);
    },
  };
}

/** Each field with its offset. Padding is left as it is. */
export type Fields<T> = { readonly [K in keyof T]: readonly [offset: number, codec: Codec<T[K]>] };

export function struct<T extends object>(size: number, fields: Fields<T>): Codec<T> {
  const list = (Object.keys(fields) as (keyof T)[]).map((name) => {
    const [offset, codec] = fields[name];
    return { name, offset, codec };
  });
  return {
    size,
    read: (view, at) => Object.fromEntries(list.map(({ name, offset, codec }) => [name, codec.read(view, at + offset)])) as T,
    write: (view, at, value) => {
      for (const { name, offset, codec } of list) codec.write(view, at + offset, value[name]);
    },
  };
}

/** A bit-field: `width` bits from `shift` on, counted from the lowest, of an integer. */
export function bits(unit: Codec<number>, shift: number, width: number, isSigned = false): Codec<number> {
  const span = 2 ** width;
  const [least, most] = isSigned ? [-span / 2, span / 2 - 1] : [0, span - 1];
  return {
    size: unit.size,
    read: (view, at) => {
      const value = Math.floor(unit.read(view, at) / 2 ** shift) % span;
      return value > most ? value - span : value;
    },
    write: (view, at, value) => {
      if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`${value} is no integer from ${least} to ${most}`);
      const all = unit.read(view, at);
      const before = (Math.floor(all / 2 ** shift) % span) * 2 ** shift;
      unit.write(view, at, all - before + (value < 0 ? value + span : value) * 2 ** shift);
    },
  };
}
