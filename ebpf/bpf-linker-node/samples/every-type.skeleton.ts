// Made by bpf-linker-node from every-type.o: changes are lost.
import { type Codec, array, be16, be32, be64, bits, bool, bytes, i16, i64, struct, u16, u32, u64, u8 } from 'bpf-linker-node/codec';

/** enum color */
export const Color = { RED: 0, GREEN: 5, BLUE: 4294967295 } as const;
export type Color = (typeof Color)[keyof typeof Color];

/** enum sign */
export const Sign = { BELOW: 4294967295, ABOVE: 1 } as const;
export type Sign = (typeof Sign)[keyof typeof Sign];

/** struct inner */
export interface Inner {
  readonly port: number;
  readonly mac: Uint8Array;
}
export const Inner: Codec<Inner> = struct(8, {
  port: [0, be16],
  mac: [2, bytes(6)],
});

/** The structure of everything nested */
export interface EverythingNested {
  readonly count: bigint;
}
export const EverythingNested: Codec<EverythingNested> = struct(8, {
  count: [0, u64],
});

/** struct everything */
export interface Everything {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: bigint;
  readonly e: number;
  readonly f: bigint;
  readonly g: boolean;
  readonly h: number;
  readonly i: number;
  readonly j: readonly Inner[];
  readonly k: readonly (readonly number[])[];
  readonly name: Uint8Array;
  readonly either: Uint8Array;
  readonly x: number;
  readonly y: number;
  readonly union_at_92: Uint8Array;
  readonly flags: number;
  readonly level: number;
  readonly rest: number;
  readonly nested: EverythingNested;
  readonly last: number;
}
export const Everything: Codec<Everything> = struct(120, {
  a: [0, u8],
  b: [2, i16],
  c: [4, u32],
  d: [8, i64],
  e: [16, be32],
  f: [24, be64],
  g: [32, bool],
  h: [36, u32],
  i: [40, u32],
  j: [44, array(Inner, 2)],
  k: [60, array(array(u16, 3), 2)],
  name: [72, bytes(5)],
  either: [80, bytes(4)],
  x: [84, u32],
  y: [88, u32],
  union_at_92: [92, bytes(4)],
  flags: [96, bits(u32, 0, 3)],
  level: [96, bits(u32, 3, 5, true)],
  rest: [96, bits(u32, 8, 24)],
  nested: [104, EverythingNested],
  last: [112, u32],
});

/** Sizes are bytes; types and flags are those of linux/bpf.h. */
export const maps = {
  things: { name: 'things', type: 1, keyBytes: 8, valueBytes: 120, maxEntries: 77, flags: 1, isPinnedByName: true, key: Inner, value: Everything },
  events: { name: 'events', type: 27, keyBytes: 0, valueBytes: 0, maxEntries: 4096, flags: 0, isPinnedByName: false, key: undefined, value: undefined },
  sized: { name: 'sized', type: 2, keyBytes: 4, valueBytes: 12, maxEntries: 1, flags: 0, isPinnedByName: false, key: undefined, value: undefined },
} as const;

export const programs = {
  first: { name: 'first', section: 'cgroup/connect4' },
  second: { name: 'second', section: 'cgroup/connect4' },
  third: { name: 'third', section: 'tc' },
} as const;

/** By section, which libbpf makes a map of. */
export const globals = {
  '.bss': {
    size: 16,
    variables: {
      seen: { offset: 0, codec: array(u32, 4) },
    },
  },
  '.data': {
    size: 8,
    variables: {
      counter: { offset: 0, codec: u64 },
    },
  },
  '.rodata': {
    size: 8,
    variables: {
      port: { offset: 0, codec: be16 },
      favourite: { offset: 4, codec: u32 },
    },
  },
} as const;
