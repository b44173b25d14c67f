import type { Btf, BtfMember, BtfType, TypeId } from './btf.ts';
import { Malformed } from './byte-reader.ts';
import { BpfLinkerError } from './error.ts';
import { type MapDescription, type ObjectDescription, resolve, sizeOf } from './object-description.ts';

const BIG_ENDIAN = /^__be(16|32|64)$/;
const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const MAX_NESTING = 32;
/** Of all structures together: anonymous ones that hold each other twice would else become more than there is memory for. */
const MAX_FIELDS = 100_000;
/** What a generated file has names for already. */
const TAKEN = ['Codec', 'Uint8Array', 'maps', 'programs', 'globals'];

/** A type in TypeScript, and the expression of its codec. */
interface Rendered {
  readonly type: string;
  readonly codec: string;
}

/** Where the generated file finds the codecs; `codecs` for {@link generateSkeleton} unless said otherwise. */
export const CODECS = 'bpf-linker-node/codec';

/**
 * Makes a TypeScript module of what an object declares: an interface and a codec for each structure that maps and
 * globals use, constants for enumerations, and tables of maps, programs and globals. The same object gives the same text.
 *
 * @throws BpfLinkerError `unsupported-type` naming the type
 */
export function generateSkeleton(object: ObjectDescription, { of, codecs = CODECS }: { readonly of: string; readonly codecs?: string }): string {
  try {
    return new Skeleton(object).render(of, codecs);
  } catch (thrown) {
    // Types of a well-formed file may still lead nowhere.
    if (thrown instanceof Malformed) throw new BpfLinkerError('bad-object', `${of}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

class Skeleton {
  readonly #object: ObjectDescription;
  readonly #used = new Set<string>();
  readonly #names = new Map<BtfType, string>();
  readonly #taken = new Set(TAKEN);
  readonly #structures: string[] = [];
  #fieldCount = 0;

  constructor(object: ObjectDescription) {
    this.#object = object;
  }

  get #btf(): Btf {
    return this.#object.btf;
  }

  render(of: string, codecs: string): string {
    const enumerations = this.#enumerations();
    const maps = this.#object.maps.map((map) => this.#map(map));
    const globals = this.#object.globals.map(({ section, size, variables }) => {
      const entries = variables.map(({ name, type, offset }) => `      ${key(name)}: { offset: ${offset}, codec: ${this.#render(type, `variable ${name}`).codec} },\n`);
      return `  ${key(section)}: {\n    size: ${size},\n    variables: {\n${entries.join('')}    },\n  },\n`;
    });
    const programs = this.#object.programs.map(({ name, section }) => `  ${key(name)}: { name: ${quote(name)}, section: ${quote(section)} },\n`);
    const used = [...this.#used].sort();
    const imports = this.#structures.length > 0 ? ['type Codec', ...used] : used;
    return [
      `// Made by bpf-linker-node from ${inComment(of)}: changes are lost.\n`,
      imports.length === 0 ? '' : `import { ${imports.join(', ')} } from ${quote(codecs)};\n\n`,
      ...enumerations,
      ...this.#structures,
      `/** Sizes are bytes; types and flags are those of linux/bpf.h. */\nexport const maps = {\n${maps.join('')}} as const;\n\n`,
      `export const programs = {\n${programs.join('')}} as const;\n\n`,
      `/** By section, which libbpf makes a map of. */\nexport const globals = {\n${globals.join('')}} as const;\n`,
    ].join('');
  }

  #map({ name, type, keyBytes, valueBytes, maxEntries, flags, isPinnedByName, key: keyType, value: valueType }: MapDescription): string {
    const codec = (id: TypeId | undefined, what: string): string => (id === undefined ? 'undefined' : this.#render(id, `${what} of map ${name}`).codec);
    return `  ${key(name)}: { name: ${quote(name)}, type: ${type}, keyBytes: ${keyBytes}, valueBytes: ${valueBytes}, maxEntries: ${maxEntries}, flags: ${flags}, isPinnedByName: ${isPinnedByName}, key: ${codec(keyType, 'the key')}, value: ${codec(valueType, 'the value')} },\n`;
  }

  #enumerations(): string[] {
    return this.#btf.types.flatMap((type) => {
      if (type.kind !== 'enum' || type.name === '' || type.values.length === 0) return [];
      const name = this.#nameOf(type, type.name);
      return [`/** enum ${inComment(type.name)} */\nexport const ${name} = { ${type.values.map(([each, value]) => `${key(each)}: ${value}${type.size > 4 ? 'n' : ''}`).join(', ')} } as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];\n\n`];
    });
  }

  #use(codec: string): string {
    this.#used.add(codec);
    return codec;
  }

  #render(id: TypeId, where: string, nesting = 0): Rendered {
    if (nesting > MAX_NESTING) throw new Malformed(`${where}: types nested deeper than ${MAX_NESTING}`);
    const bigEndian = this.#bigEndianOf(id);
    if (bigEndian !== undefined) return { type: bigEndian === 64 ? 'bigint' : 'number', codec: this.#use(`be${bigEndian}`) };
    const type = resolve(this.#btf, id);
    switch (type.kind) {
      case 'int':
        if (type.encoding === 'bool' && type.size === 1) return { type: 'boolean', codec: this.#use('bool') };
        return this.#integer(type.size, type.encoding === 'signed', where);
      case 'enum':
        return this.#integer(type.size, type.isSigned, where);
      case 'pointer':
        return this.#integer(8, false, where);
      case 'array': {
        const element = resolve(this.#btf, type.type);
        if (element.kind === 'int' && element.size === 1 && element.encoding !== 'bool') return { type: 'Uint8Array', codec: `${this.#use('bytes')}(${type.length})` };
        const { type: of, codec } = this.#render(type.type, where, nesting + 1);
        return { type: `readonly ${of.startsWith('readonly ') ? `(${of})` : of}[]`, codec: `${this.#use('array')}(${codec}, ${type.length})` };
      }
      case 'union':
        return { type: 'Uint8Array', codec: `${this.#use('bytes')}(${type.size})` };
      case 'struct': {
        const name = this.#structure(type, where, nesting);
        return { type: name, codec: name };
      }
      default:
        throw new BpfLinkerError('unsupported-type', `${where} has a type that is not data (${type.kind})`);
    }
  }

  /** Bits of the type where it is big-endian, by its name, behind whatever other names. */
  #bigEndianOf(id: TypeId): 16 | 32 | 64 | undefined {
    let type = this.#btf.types[id];
    for (let i = 0; i < MAX_NESTING && (type?.kind === 'typedef' || type?.kind === 'qualifier'); i++) {
      const bits = type.kind === 'typedef' ? BIG_ENDIAN.exec(type.name)?.[1] : undefined;
      if (bits !== undefined) return Number(bits) as 16 | 32 | 64;
      type = this.#btf.types[type.type];
    }
    return undefined;
  }

  #integer(size: number, isSigned: boolean, where: string): Rendered {
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8) throw new BpfLinkerError('unsupported-type', `${where} has an integer of ${size} bytes`);
    return { type: size === 8 ? 'bigint' : 'number', codec: this.#use(`${isSigned ? 'i' : 'u'}${size * 8}`) };
  }

  /** Adds the structure before whatever uses it; returns its name. */
  #structure(type: BtfType & { readonly kind: 'struct' | 'union' }, where: string, nesting: number): string {
    const known = this.#names.get(type);
    if (known !== undefined) return known;
    const fields = this.#fields(type, where, nesting, 0);
    const name = this.#nameOf(type, type.name === '' ? where : type.name);
    const declared = fields.map(({ name: field, type: of }) => `  readonly ${key(field)}: ${of};\n`);
    const placed = fields.map(({ name: field, offset, codec }) => `  ${key(field)}: [${offset}, ${codec}],\n`);
    this.#structures.push(`/** ${inComment(type.name === '' ? `The structure of ${where}` : `struct ${type.name}`)} */\nexport interface ${name} {\n${declared.join('')}}\nexport const ${name}: Codec<${name}> = ${this.#use('struct')}(${type.size}, {\n${placed.join('')}});\n\n`);
    return name;
  }

  #fields(type: BtfType & { readonly kind: 'struct' | 'union' }, where: string, nesting: number, base: number): (Rendered & { readonly name: string; readonly offset: number })[] {
    return type.members.flatMap((member) => {
      if (++this.#fieldCount > MAX_FIELDS) throw new Malformed(`more than ${MAX_FIELDS} fields`);
      const offset = base + Math.floor(member.bitOffset / 8);
      const place = `${type.name === '' ? where : type.name} ${member.name}`;
      if (member.bits > 0) return [this.#bitField(member, base, place)];
      const inner = resolve(this.#btf, member.type);
      // Members of an anonymous structure are their parent's own.
      if (member.name === '' && inner.kind === 'struct') return nesting > MAX_NESTING ? [] : this.#fields(inner, where, nesting + 1, offset);
      return [{ name: member.name === '' ? `union_at_${offset}` : member.name, offset, ...this.#render(member.type, place, nesting + 1) }];
    });
  }

  #bitField(member: BtfMember, base: number, where: string): Rendered & { readonly name: string; readonly offset: number } {
    const size = sizeOf(this.#btf, member.type);
    const type = resolve(this.#btf, member.type);
    const isSigned = (type.kind === 'int' && type.encoding === 'signed') || (type.kind === 'enum' && type.isSigned);
    const unit = Math.floor(member.bitOffset / (8 * size)) * size;
    const shift = member.bitOffset - unit * 8;
    if (size > 4 || shift + member.bits > size * 8) throw new BpfLinkerError('unsupported-type', `${where} is a bit-field that is wider than 32 bits or crosses the border of its type`);
    return { name: member.name, offset: base + unit, type: 'number', codec: `${this.#use('bits')}(${this.#use(`u${size * 8}`)}, ${shift}, ${member.bits}${isSigned ? ', true' : ''})` };
  }

  /** In the manner of TypeScript, and of its own. */
  #nameOf(type: BtfType, name: string): string {
    const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
    const first = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('').replace(/^(?=[0-9])/, '_') || 'Unnamed';
    let unique = first;
    for (let i = 2; this.#taken.has(unique); i++) unique = `${first}${i}`;
    this.#taken.add(unique);
    this.#names.set(type, unique);
    return unique;
  }
}

const quote = (text: string): string => `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;
/** Names are those of a file that anybody may have made. `__proto__` is no key of a literal, unless it is computed. */
const key = (name: string): string => (name === '__proto__' ? "['__proto__']" : IDENTIFIER.test(name) ? name : quote(name));
const inComment = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').replaceAll('*/', '* /');
