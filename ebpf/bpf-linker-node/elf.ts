import { ByteReader, Malformed, type Parsed, parsed } from './byte-reader.ts';

export interface ElfSection {
  readonly name: string;
  /** sh_type. */
  readonly type: number;
  readonly isExecutable: boolean;
  readonly size: number;
  /** Empty where the section takes no room in the file. */
  readonly bytes: Uint8Array;
}

export interface ElfSymbol {
  readonly name: string;
  readonly kind: 'function' | 'object' | 'other';
  readonly isLocal: boolean;
  /** Index into the sections; beyond them for symbols of none. */
  readonly section: number;
  readonly offset: number;
  readonly size: number;
}

export interface Elf {
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
}

/** No object of BPF programs comes near. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;
const MAX_SECTIONS = 16_384;
const MAX_SYMBOLS = 262_144;

const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
const MAGIC = 0x464c457f;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const EM_BPF = 247;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_EXECINSTR = 4;
const KINDS: readonly ElfSymbol['kind'][] = ['other', 'object', 'function'];

/** Reads an object file of BPF programs for little-endian machines (elf(5); EM_BPF of linux/elf-em.h). */
export function parseElf(bytes: Uint8Array): Parsed<Elf> {
  return parsed(() => {
    if (bytes.length > MAX_OBJECT_BYTES) throw new Malformed(`more than ${MAX_OBJECT_BYTES} bytes`);
    const file = new ByteReader(bytes, 'the file');
    if (file.size < HEADER_BYTES || file.u32(0) !== MAGIC) throw new Malformed('no ELF file');
    if (file.u8(4) !== CLASS_64 || file.u8(5) !== LITTLE_ENDIAN) throw new Malformed('an ELF file that is not of 64 bits and little-endian');
    if (file.u16(18) !== EM_BPF) throw new Malformed(`an ELF file for machine ${file.u16(18)}, which is not BPF`);
    const sections = readSections(file);
    return { sections, symbols: readSymbols(sections) };
  });
}

interface Header extends ElfSection {
  readonly link: number;
}

function readSections(file: ByteReader): Header[] {
  const [at, entryBytes, count, namesIndex] = [file.u64(40), file.u16(58), file.u16(60), file.u16(62)];
  if (count > MAX_SECTIONS) throw new Malformed(`${count} sections`);
  if (count > 0 && entryBytes !== SECTION_BYTES) throw new Malformed(`section headers of ${entryBytes} bytes`);
  const headers = Array.from({ length: count }, (_, index) => at + index * SECTION_BYTES);
  const contentOf = (header: number): Uint8Array => (file.u32(header + 4) === SHT_NOBITS ? new Uint8Array(0) : file.slice(file.u64(header + 24), file.u64(header + 32)));
  const namesHeader = headers[namesIndex];
  if (namesHeader === undefined) throw new Malformed('no names of sections');
  const names = new ByteReader(contentOf(namesHeader), 'the names of sections');
  return headers.map((header) => ({
    name: names.text(file.u32(header)),
    type: file.u32(header + 4),
    isExecutable: (file.u64(header + 8) & SHF_EXECINSTR) !== 0,
    size: file.u64(header + 32),
    link: file.u32(header + 40),
    bytes: contentOf(header),
  }));
}

function readSymbols(sections: readonly Header[]): ElfSymbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (table === undefined) return [];
  const strings = sections[table.link];
  if (strings === undefined) throw new Malformed('symbols without names');
  const count = Math.floor(table.bytes.length / SYMBOL_BYTES);
  if (count > MAX_SYMBOLS) throw new Malformed(`${count} symbols`);
  const [symbols, names] = [new ByteReader(table.bytes, 'the symbols'), new ByteReader(strings.bytes, 'the names of symbols')];
  return Array.from({ length: count }, (_, index) => {
    const at = index * SYMBOL_BYTES;
    const info = symbols.u8(at + 4);
    return { name: names.text(symbols.u32(at)), kind: KINDS[info & 0xf] ?? 'other', isLocal: info >> 4 === 0, section: symbols.u16(at + 6), offset: symbols.u64(at + 8), size: symbols.u64(at + 16) };
  });
}
