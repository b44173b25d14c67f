import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layer } from './image-archive.ts';
import { CACHE } from './paths.ts';
import { parentDirectories, type TarEntry, writeTar } from './tar.ts';

const LAYERS = path.join(CACHE, 'layers');
/** Layers that nothing has used for this long are removed. */
const KEEP_UNUSED_MS = 7 * 24 * 3600 * 1000;

/** Makes a layer of the entries and their parent folders, or finds the one that was made of the same before. */
export async function makeLayer(entries: readonly TarEntry[], signal: AbortSignal): Promise<Layer> {
  const all = [...parentDirectories(entries), ...entries];
  const key = await keyOf(all);
  const file = path.join(LAYERS, `${key}.tar`);
  const description = path.join(LAYERS, `${key}.json`);
  try {
    const known = JSON.parse(await readFile(description, 'utf8')) as { digest: string; sizeBytes: number };
    if ((await stat(file)).size === known.sizeBytes) {
      const now = new Date();
      for (const used of [file, description]) utimesSync(used, now, now);
      return { ...known, file };
    }
  } catch {
    // Not made yet, or not to its end.
  }
  await mkdir(LAYERS, { recursive: true });
  const written = await writeTar(file, all, signal);
  await writeFile(description, JSON.stringify(written));
  return { ...written, file };
}

export async function removeUnusedLayers(nowMs: number): Promise<void> {
  for (const name of await readdir(LAYERS).catch(() => [])) {
    const file = path.join(LAYERS, name);
    if (nowMs - (await stat(file)).mtimeMs > KEEP_UNUSED_MS) await rm(file, { force: true });
  }
}

/** All files below a folder as entries below `at`. A link inside stays a link. Names for which `skip` holds are left out. */
export function treeEntries(folder: string, at: string, skip: (name: string, isDirectory: boolean) => boolean): TarEntry[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .filter((entry) => !skip(entry.name, entry.isDirectory()))
    .flatMap((entry): TarEntry[] => {
      const source = path.join(folder, entry.name);
      const target = `${at}/${entry.name}`;
      if (entry.isDirectory()) return treeEntries(source, target, skip);
      if (!entry.isFile()) return [];
      return [{ kind: 'file', path: target, mode: statSync(source).mode & 0o111 ? 0o755 : 0o644, source: { file: source } }];
    });
}

/** By content, so that a fresh clone finds the layers of another. */
async function keyOf(entries: readonly TarEntry[]): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(`${entry.kind}\0${entry.path}\0`);
    if (entry.kind === 'symlink') hash.update(entry.target);
    if (entry.kind === 'directory') hash.update(String(entry.mode));
    if (entry.kind !== 'file') continue;
    hash.update(String(entry.mode));
    hash.update('content' in entry.source ? entry.source.content : readFileSync(entry.source.file));
  }
  return hash.digest('hex').slice(0, 32);
}
