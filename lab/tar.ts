import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly source: { readonly file: string } | { readonly content: Uint8Array } }
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

export interface WrittenTar {
  /** `sha256:<hex>` of the whole file. */
  readonly digest: string;
  readonly sizeBytes: number;
}

const BLOCK = 512;
const USTAR_NAME_BYTES = 100;
const USTAR_PREFIX_BYTES = 155;

/** Writes a tar (POSIX ustar, with GNU long names where needed) that depends on the entries alone: no time, no owner. */
export async function writeTar(file: string, entries: readonly TarEntry[], signal: AbortSignal): Promise<WrittenTar> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const hashing = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  const partial = `${file}.partial-${process.pid}`;
  await pipeline(Readable.from(hashing(tarBytes(entries)), { objectMode: false, highWaterMark: 1 << 20 }), createWriteStream(partial), { signal });
  await rename(partial, file);
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
}

/** The header block of an entry, with a GNU long-name entry before it where the path or the target is too long. */
export function tarHeader(entry: TarEntry, sizeBytes: number): Uint8Array {
  const name = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const target = entry.kind === 'symlink' ? entry.target : '';
  const split = splitName(name);
  const blocks: Uint8Array[] = [];
  if (split === undefined) blocks.push(longEntry('L', name));
  if (Buffer.byteLength(target) > USTAR_NAME_BYTES) blocks.push(longEntry('K', target));
  const mode = entry.kind === 'file' ? entry.mode : entry.kind === 'directory' ? (entry.mode ?? 0o755) : 0o777;
  const type = entry.kind === 'file' ? '0' : entry.kind === 'directory' ? '5' : '2';
  blocks.push(header({ ...(split ?? { name: truncated(name), prefix: '' }), mode, sizeBytes: entry.kind === 'file' ? sizeBytes : 0, type, target: truncated(target) }));
  return Buffer.concat(blocks);
}

/** All folders that the entries need and that are not among them, parents first. */
export function parentDirectories(entries: readonly TarEntry[]): TarEntry[] {
  const present = new Set(entries.filter((entry) => entry.kind === 'directory').map((entry) => entry.path));
  const needed = new Set<string>();
  for (const { path } of entries) {
    const parts = path.split('/').slice(0, -1);
    for (let i = 1; i <= parts.length; i++) {
      const parent = parts.slice(0, i).join('/');
      if (!present.has(parent)) needed.add(parent);
    }
  }
  return [...needed].sort().map((path) => ({ kind: 'directory', path }));
}

async function* tarBytes(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    if (entry.kind !== 'file') {
      yield tarHeader(entry, 0);
      continue;
    }
    if ('content' in entry.source) {
      yield tarHeader(entry, entry.source.content.length);
      yield entry.source.content;
      yield padding(entry.source.content.length);
      continue;
    }
    const { size } = await stat(entry.source.file);
    yield tarHeader(entry, size);
    let written = 0;
    for await (const chunk of createReadStream(entry.source.file, { highWaterMark: 1 << 20 })) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== size) throw new Error(`${entry.source.file} changed while it was being read`);
    yield padding(size);
  }
  yield new Uint8Array(2 * BLOCK);
}

const padding = (size: number): Uint8Array => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
const truncated = (text: string): string => Buffer.from(text).subarray(0, USTAR_NAME_BYTES).toString('latin1');

function splitName(name: string): { name: string; prefix: string } | undefined {
  if (Buffer.byteLength(name) <= USTAR_NAME_BYTES) return { name, prefix: '' };
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) {
    const prefix = name.slice(0, at);
    const rest = name.slice(at + 1);
    if (Buffer.byteLength(prefix) > USTAR_PREFIX_BYTES) return undefined;
    if (rest !== '' && Buffer.byteLength(rest) <= USTAR_NAME_BYTES) return { name: rest, prefix };
  }
  return undefined;
}

function longEntry(type: 'L' | 'K', text: string): Uint8Array {
  const body = Buffer.from(`${text}\0`);
  return Buffer.concat([header({ name: '././@LongLink', prefix: '', mode: 0o644, sizeBytes: body.length, type, target: '' }), body, padding(body.length)]);
}

function header(fields: { name: string; prefix: string; mode: number; sizeBytes: number; type: string; target: string }): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => void block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  block.write(fields.name, 0, USTAR_NAME_BYTES);
  octal(fields.mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(fields.sizeBytes, 124, 11);
  octal(0, 136, 11);
  block.write('        ', 148, 'latin1');
  block.write(fields.type, 156, 'latin1');
  block.write(fields.target, 157, USTAR_NAME_BYTES);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(fields.prefix, 345, USTAR_PREFIX_BYTES);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
