import { ByteReader, Malformed, type Parsed, parsed } from './byte-reader.ts';

/** Index of a type; 0 is void. */
export type TypeId = number;

export interface BtfMember {
  readonly name: string;
  readonly type: TypeId;
  readonly bitOffset: number;
  /** 0 where it is no bit-field. */
  readonly bits: number;
}

/** A type of Documentation/bpf/btf.rst, section 2, as far as skeletons need it. */
export type BtfType =
  | { readonly kind: 'void' }
  | { readonly kind: 'int'; readonly name: string; readonly size: number; readonly encoding: 'unsigned' | 'signed' | 'bool' }
  | { readonly kind: 'pointer'; readonly type: TypeId }
  | { readonly kind: 'array'; readonly type: TypeId; readonly length: number }
  | { readonly kind: 'struct' | 'union'; readonly name: string; readonly size: number; readonly members: readonly BtfMember[] }
  | { readonly kind: 'enum'; readonly name: string; readonly size: number; readonly isSigned: boolean; readonly values: readonly (readonly [name: string, value: bigint])[] }
  | { readonly kind: 'typedef' | 'qualifier'; readonly name: string; readonly type: TypeId }
  | { readonly kind: 'function'; readonly name: string; readonly type: TypeId }
  | { readonly kind: 'variable'; readonly name: string; readonly type: TypeId; readonly linkage: 'static' | 'global' | 'extern' }
  | { readonly kind: 'section'; readonly name: string; readonly size: number; readonly variables: readonly { readonly type: TypeId; readonly offset: number; readonly size: number }[] }
  | { readonly kind: 'other'; readonly name: string };

export interface Btf {
  /** By id. */
  readonly types: readonly BtfType[];
}

const MAGIC = 0xeb9f;
const VERSION = 1;
const HEADER_BYTES = 24;
const TYPE_BYTES = 12;
const MAX_TYPES = 1_000_000;
const LINKAGE = ['static', 'global', 'extern'] as const;

/** BTF_KIND_* of linux/btf.h. */
const KIND = { INT: 1, POINTER: 2, ARRAY: 3, STRUCT: 4, UNION: 5, ENUM: 6, FORWARD: 7, TYPEDEF: 8, VOLATILE: 9, CONST: 10, RESTRICT: 11, FUNCTION: 12, PROTOTYPE: 13, VARIABLE: 14, SECTION: 15, FLOAT: 16, DECL_TAG: 17, TYPE_TAG: 18, ENUM64: 19 } as const;
const INT_SIGNED = 1;
const INT_BOOL = 4;

/** Reads the section `.BTF` of an object. */
export function parseBtf(bytes: Uint8Array): Parsed<Btf> {
  return parsed(() => {
    const all = new ByteReader(bytes, '.BTF');
    if (all.size < HEADER_BYTES || all.u16(0) !== MAGIC) throw new Malformed('.BTF does not begin as BTF does');
    if (all.u8(2) !== VERSION) throw new Malformed(`.BTF of version ${all.u8(2)}`);
    const start = all.u32(4);
    const strings = new ByteReader(all.slice(start + all.u32(16), all.u32(20)), 'the strings of .BTF');
    const types = new ByteReader(all.slice(start + all.u32(8), all.u32(12)), 'the types of .BTF');
    return { types: [{ kind: 'void' }, ...readTypes(types, strings)] };
  });
}

function* readTypes(types: ByteReader, strings: ByteReader): Generator<BtfType> {
  for (let at = 0, count = 0; at < types.size; count++) {
    if (count >= MAX_TYPES) throw new Malformed(`more than ${MAX_TYPES} types`);
    const [type, size] = readType(types, strings, at);
    yield type;
    at += size;
  }
}

function readType(types: ByteReader, strings: ByteReader, at: number): readonly [BtfType, bytes: number] {
  const name = strings.text(types.u32(at));
  const info = types.u32(at + 4);
  const [kind, length, flag] = [(info >>> 24) & 0x1f, info & 0xffff, info >>> 31 === 1];
  /** Its size or the type that it refers to. */
  const number = types.u32(at + 8);
  const more = at + TYPE_BYTES;
  const entries = <T>(bytes: number, read: (place: number) => T): T[] => Array.from({ length }, (_, index) => read(more + index * bytes));
  const text = (place: number): string => strings.text(types.u32(place));
  switch (kind) {
    case KIND.INT: {
      const encoding = (types.u32(more) >>> 24) & 0xf;
      return [{ kind: 'int', name, size: number, encoding: (encoding & INT_BOOL) !== 0 ? 'bool' : (encoding & INT_SIGNED) !== 0 ? 'signed' : 'unsigned' }, TYPE_BYTES + 4];
    }
    case KIND.POINTER:
      return [{ kind: 'pointer', type: number }, TYPE_BYTES];
    case KIND.ARRAY:
      return [{ kind: 'array', type: types.u32(more), length: types.u32(more + 8) }, TYPE_BYTES + 12];
    case KIND.STRUCT:
    case KIND.UNION: {
      const members = entries(12, (place): BtfMember => {
        const offset = types.u32(place + 8);
        return { name: text(place), type: types.u32(place + 4), bitOffset: flag ? offset & 0xffffff : offset, bits: flag ? offset >>> 24 : 0 };
      });
      return [{ kind: kind === KIND.STRUCT ? 'struct' : 'union', name, size: number, members }, TYPE_BYTES + length * 12];
    }
    case KIND.ENUM:
      return [{ kind: 'enum', name, size: number, isSigned: flag, values: entries(8, (place) => [text(place), BigInt(flag ? types.i32(place + 4) : types.u32(place + 4))] as const) }, TYPE_BYTES + length * 8];
    case KIND.ENUM64:
      return [{ kind: 'enum', name, size: number, isSigned: flag, values: entries(12, (place) => [text(place), (BigInt(flag ? types.i32(place + 8) : types.u32(place + 8)) << 32n) | BigInt(types.u32(place + 4))] as const) }, TYPE_BYTES + length * 12];
    case KIND.TYPEDEF:
      return [{ kind: 'typedef', name, type: number }, TYPE_BYTES];
    case KIND.VOLATILE:
    case KIND.CONST:
    case KIND.RESTRICT:
    case KIND.TYPE_TAG:
      return [{ kind: 'qualifier', name, type: number }, TYPE_BYTES];
    case KIND.FUNCTION:
      return [{ kind: 'function', name, type: number }, TYPE_BYTES];
    case KIND.VARIABLE:
      return [{ kind: 'variable', name, type: number, linkage: LINKAGE[types.u32(more)] ?? 'global' }, TYPE_BYTES + 4];
    case KIND.SECTION:
      return [{ kind: 'section', name, size: number, variables: entries(12, (place) => ({ type: types.u32(place), offset: types.u32(place + 4), size: types.u32(place + 8) })) }, TYPE_BYTES + length * 12];
    case KIND.PROTOTYPE:
      return [{ kind: 'other', name }, TYPE_BYTES + length * 8];
    case KIND.DECL_TAG:
      return [{ kind: 'other', name }, TYPE_BYTES + 4];
    case KIND.FORWARD:
    case KIND.FLOAT:
      return [{ kind: 'other', name }, TYPE_BYTES];
    default:
      throw new Malformed(`.BTF has a type of kind ${kind}, which is not known`);
  }
}
