import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface Package {
  readonly folder: string;
  readonly mayImport: readonly string[];
}

const PRODUCT = ['core', 'wire', 'native', 'ebpf', 'bpf-linker-node', 'kubernetes', 'federation', 'agent'];

/** Which package may import which: arrows point down this list, and nowhere else. */
export const PACKAGES: Readonly<Record<string, Package>> = {
  test: { folder: 'test', mayImport: [...PRODUCT, 'cli', 'lab'] },
  bench: { folder: 'bench', mayImport: [...PRODUCT, 'cli', 'lab'] },
  cli: { folder: 'cli', mayImport: [...PRODUCT, 'lab'] },
  lab: { folder: 'lab', mayImport: ['core'] },
  agent: { folder: 'agent', mayImport: ['kubernetes', 'ebpf', 'native', 'wire', 'core'] },
  federation: { folder: 'federation', mayImport: ['kubernetes', 'wire', 'core'] },
  kubernetes: { folder: 'kubernetes', mayImport: ['core'] },
  ebpf: { folder: 'ebpf', mayImport: ['bpf-linker-node', 'native', 'core'] },
  'bpf-linker-node': { folder: 'ebpf/bpf-linker-node', mayImport: [] },
  native: { folder: 'native', mayImport: ['core'] },
  wire: { folder: 'wire', mayImport: ['core'] },
  core: { folder: 'core', mayImport: [] },
};

/** The package that a file is in, the innermost one; none for files at the root and in folders without code. */
export function packageOf(file: string): string | undefined {
  return Object.entries(PACKAGES)
    .filter(([, { folder }]) => file.startsWith(`${folder}/`))
    .sort(([, a], [, b]) => b.folder.length - a.folder.length)[0]?.[0];
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Reads what the package.json of each package declares; `test` and `bench` have that of the root. */
export function declaredDependencies(root: string): (name: string) => ReadonlySet<string> {
  const read = new Map<string, ReadonlySet<string>>();
  return (name) => {
    const folder = name === 'test' || name === 'bench' ? '' : (PACKAGES[name]?.folder ?? '');
    let names = read.get(folder);
    if (names === undefined) {
      const file = path.join(root, folder, 'package.json');
      const manifest: Manifest = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Manifest) : {};
      names = new Set([manifest.dependencies, manifest.optionalDependencies, folder === '' ? manifest.devDependencies : undefined].flatMap((list) => Object.keys(list ?? {})));
      read.set(folder, names);
    }
    return names;
  };
}
