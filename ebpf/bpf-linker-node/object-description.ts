import { type Btf, type BtfType, parseBtf, type TypeId } from './btf.ts';
import { Malformed, type Parsed, parsed } from './byte-reader.ts';
import { type Elf, parseElf } from './elf.ts';

export interface MapDescription {
  readonly name: string;
  /** enum bpf_map_type of linux/bpf.h. */
  readonly type: number;
  /** 0 where the map has no keys, such as a ring buffer. */
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  /** BPF_F_* of linux/bpf.h. */
  readonly flags: number;
  readonly isPinnedByName: boolean;
  /** Undefined where only sizes are given. */
  readonly key: TypeId | undefined;
  readonly value: TypeId | undefined;
}

export interface ProgramDescription {
  readonly name: string;
  /** As SEC() names it; libbpf takes the type of the program and of its attachment from it. */
  readonly section: string;
}

export interface VariableDescription {
  readonly name: string;
  readonly type: TypeId;
  readonly offset: number;
}

/** Global variables of one data section, which libbpf makes a map of. */
export interface GlobalsDescription {
  readonly section: string;
  readonly size: number;
  readonly variables: readonly VariableDescription[];
}

/** What an object file declares. */
export interface ObjectDescription {
  readonly btf: Btf;
  readonly maps: readonly MapDescription[];
  readonly programs: readonly ProgramDescription[];
  readonly globals: readonly GlobalsDescription[];
}

const MAPS_SECTION = '.maps';
/** Functions in it are called by programs, and are none. */
const SUBPROGRAMS_SECTION = '.text';
const DATA_SECTION = /^\.(data|rodata|bss)(\.|$)/;
const PIN_BY_NAME = 1;
const MAX_NESTING = 64;

/** Reads an object file as clang or the linker made it: needs BTF, so compile with `-g`. */
export function describeObject(bytes: Uint8Array): Parsed<ObjectDescription> {
  const elf = parseElf(bytes);
  if (!elf.ok) return elf;
  const section = elf.value.sections.find(({ name }) => name === '.BTF');
  if (section === undefined) return { ok: false, error: 'no section .BTF: compile with -g' };
  const btf = parseBtf(section.bytes);
  if (!btf.ok) return btf;
  return parsed(() => ({ btf: btf.value, maps: mapsOf(btf.value), programs: programsOf(elf.value), globals: globalsOf(elf.value, btf.value) }));
}

/** The type behind names and qualifiers. @throws Malformed where there is none */
export function resolve({ types }: Btf, id: TypeId): BtfType {
  let type = types[id];
  for (let i = 0; i < MAX_NESTING && type !== undefined; i++) {
    if (type.kind !== 'typedef' && type.kind !== 'qualifier') return type;
    type = types[type.type];
  }
  throw new Malformed(`.BTF: type ${id} leads to no type`);
}

/** @throws Malformed where a type has no size */
export function sizeOf(btf: Btf, id: TypeId, nesting = 0): number {
  const type = resolve(btf, id);
  switch (type.kind) {
    case 'int':
    case 'struct':
    case 'union':
    case 'enum':
      return type.size;
    case 'pointer':
      return 8;
    case 'array':
      if (nesting > MAX_NESTING) throw new Malformed(`.BTF: type ${id} contains itself`);
      return type.length * sizeOf(btf, type.type, nesting + 1);
    default:
      throw new Malformed(`.BTF: type ${id} has no size`);
  }
}

function programsOf({ sections, symbols }: Elf): ProgramDescription[] {
  return symbols.flatMap(({ name, kind, section }) => {
    const where = sections[section];
    return kind === 'function' && where?.isExecutable === true && where.name !== SUBPROGRAMS_SECTION ? [{ name, section: where.name }] : [];
  });
}

function globalsOf({ sections, symbols }: Elf, btf: Btf): GlobalsDescription[] {
  return btf.types.flatMap((type) => {
    if (type.kind !== 'section' || !DATA_SECTION.test(type.name)) return [];
    const index = sections.findIndex(({ name }) => name === type.name);
    const section = sections[index];
    if (section === undefined) throw new Malformed(`.BTF: section ${type.name} is not in the file`);
    const variables = type.variables.map(({ type: id }): VariableDescription => {
      const variable = variableOf(btf, id);
      // Before linking, BTF has no offsets: the symbols do.
      const symbol = symbols.find((each) => each.section === index && each.name === variable.name && each.kind === 'object');
      if (symbol === undefined) throw new Malformed(`variable ${variable.name} has no symbol`);
      return { name: variable.name, type: variable.type, offset: symbol.offset };
    });
    return [{ section: type.name, size: section.size, variables: variables.sort((a, b) => a.offset - b.offset) }];
  });
}

function variableOf(btf: Btf, id: TypeId): BtfType & { readonly kind: 'variable' } {
  const variable = btf.types[id];
  if (variable?.kind !== 'variable') throw new Malformed(`.BTF: type ${id} in a section is no variable`);
  return variable;
}

function mapsOf(btf: Btf): MapDescription[] {
  return btf.types.flatMap((type) => (type.kind === 'section' && type.name === MAPS_SECTION ? type.variables.map(({ type: id }) => mapOf(btf, variableOf(btf, id))) : []));
}

/** libbpf's way to declare maps: each member of the structure is a pointer whose type says something (bpf_helpers.h, __uint and __type). */
function mapOf(btf: Btf, { name, type }: BtfType & { readonly kind: 'variable' }): MapDescription {
  const declaration = resolve(btf, type);
  if (declaration.kind !== 'struct') throw new Malformed(`map ${name} is declared by something that is no structure`);
  const pointedTo = (member: string): TypeId | undefined => {
    const found = declaration.members.find((each) => each.name === member);
    if (found === undefined) return undefined;
    const pointer = resolve(btf, found.type);
    if (pointer.kind !== 'pointer') throw new Malformed(`map ${name}: ${member} is no pointer`);
    return pointer.type;
  };
  const number = (member: string): number => {
    const id = pointedTo(member);
    if (id === undefined) return 0;
    const array = resolve(btf, id);
    if (array.kind !== 'array') throw new Malformed(`map ${name}: ${member} is no number`);
    return array.length;
  };
  const [key, value] = [pointedTo('key'), pointedTo('value')];
  return {
    name,
    type: number('type'),
    keyBytes: key === undefined ? number('key_size') : sizeOf(btf, key),
    valueBytes: value === undefined ? number('value_size') : sizeOf(btf, value),
    maxEntries: number('max_entries'),
    flags: number('map_flags'),
    isPinnedByName: number('pinning') === PIN_BY_NAME,
    key,
    value,
  };
}
