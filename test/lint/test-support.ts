import path from 'node:path';
import { readImports } from './imports.ts';
import { PACKAGES } from './packages.ts';

export function isTestFile(file: string): boolean {
  return /^(test|bench)\/|\.(test|contract)\.ts$/.test(file);
}

/** Files that nothing but tests import, directly or through each other: they may use packages for development. */
export function testSupportFiles(texts: ReadonlyMap<string, string>): ReadonlySet<string> {
  const importers = new Map<string, Set<string>>();
  for (const [file, text] of texts) {
    for (const { specifier } of readImports(text)) {
      const target = targetOf(specifier, file);
      if (target === undefined || !texts.has(target)) continue;
      importers.set(target, (importers.get(target) ?? new Set()).add(file));
    }
  }
  const found = new Set([...texts.keys()].filter(isTestFile));
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [file, by] of importers) if ([...by].every((importer) => found.has(importer))) found.add(file);
  }
  return found;
}

function targetOf(specifier: string, file: string): string | undefined {
  if (specifier.startsWith('.')) return path.normalize(path.join(path.dirname(file), specifier));
  const [, name, rest] = /^@landbridge\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  const folder = name === undefined ? undefined : PACKAGES[name]?.folder;
  return folder === undefined || rest === undefined ? undefined : path.join(folder, rest);
}
