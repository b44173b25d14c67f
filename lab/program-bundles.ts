/** Makes one file of each program that images start: `node lab/program-bundles.ts`. What is developed and tested runs from its sources. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY } from './paths.ts';

/** One folder below the root, as packages are: what they find by the place of their files is found from there too. */
const OUTPUT = path.join(REPOSITORY, 'dist');

/** Paths of sources, by the names of the files that are made of them. */
type Entries = Readonly<Record<string, string>>;

/** The agent finds the second one by the first one's place and ending. */
const AGENT: Entries = { 'agent.cjs': 'agent/main.ts', 'data-thread-main.cjs': 'agent/proxy/data-thread-main.ts', 'readiness-probe.cjs': 'agent/readiness-probe.ts' };
const FEDERATION: Entries = { 'federation.cjs': 'federation/main.ts' };
/** Each has a map beside it. */
export const BUNDLED_FILES: readonly string[] = Object.keys({ ...AGENT, ...FEDERATION });
/**
 * koffi finds its library beside itself; grpc-js asks for the loader only where somebody serves its own statistics; clients of
 * all APIs are loaded only where somebody names a kubeconfig, and would be in memory with the rest of the file.
 */
const EXTERNAL = ['koffi', '@grpc/proto-loader', '@kubernetes/client-node'];
const OPTIONS = [
  '--bundle', '--platform=node', '--target=node24',
  // To import a module of Node.js' own is to read all that it exports; of node:http that loads the whole of fetch.
  '--format=cjs',
  // Names stay, for stacks; lines and columns are told by the map beside.
  '--minify-syntax', '--minify-whitespace', '--sourcemap', '--sources-content=false',
  '--banner:js=const landbridgeUrl = require("node:url").pathToFileURL(__filename).href;',
  '--define:import.meta.url=landbridgeUrl', '--define:import.meta.dirname=__dirname', '--define:import.meta.main=false',
  '--log-level=warning',
];

/** Each returns the folder. Whoever reads it meanwhile finds whole files of the one or the other time. */
export const bundleAgent = (): string => bundle(AGENT);
export const bundleFederation = (): string => bundle(FEDERATION);

/** Of other programs, made as those of images are. */
export function bundle(entries: Entries): string {
  mkdirSync(OUTPUT, { recursive: true });
  // At the same depth: maps tell where sources are from here.
  const fresh = mkdtempSync(`${OUTPUT}-`);
  try {
    for (const [file, entry] of Object.entries(entries)) {
      execFileSync(process.execPath, [path.join(REPOSITORY, 'node_modules/esbuild/bin/esbuild'), entry, ...OPTIONS, ...EXTERNAL.map((name) => `--external:${name}`), `--outfile=${path.join(fresh, file)}`], { cwd: REPOSITORY, stdio: ['ignore', 'inherit', 'inherit'] });
    }
    for (const file of readdirSync(fresh)) renameSync(path.join(fresh, file), path.join(OUTPUT, file));
  } finally {
    rmSync(fresh, { recursive: true });
  }
  return OUTPUT;
}

if (import.meta.main) {
  bundleAgent();
  bundleFederation();
}
