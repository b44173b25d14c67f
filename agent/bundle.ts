/** Makes the files of the agent, for images: `node agent/bundle.ts`. What is developed and tested runs from its sources. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const REPOSITORY = path.resolve(import.meta.dirname, '..');
/** One folder below the root, as packages are: what they find by the place of their files is found from there too. */
const OUTPUT = path.join(REPOSITORY, 'dist');

/** The agent finds the second one by the first one's place and ending. */
const ENTRIES = { 'agent.cjs': 'agent/main.ts', 'data-thread-main.cjs': 'agent/proxy/data-thread-main.ts', 'readiness-probe.cjs': 'agent/readiness-probe.ts' } as const;
/** koffi finds its library beside itself; grpc-js asks for the loader only where somebody serves its own statistics. */
const EXTERNAL = ['koffi', '@grpc/proto-loader'];
const OPTIONS = [
  '--bundle', '--platform=node', '--target=node24',
  // To import a module of Node.js' own is to read all that it exports; of node:http that loads the whole of fetch.
  '--format=cjs',
  // Names stay, for stacks; lines and columns are told by the map beside.
  '--minify-syntax', '--minify-whitespace', '--sourcemap', '--sources-content=false',
  '--banner:js=const landbridgeUrl = require("node:url").pathToFileURL(__filename).href;',
  '--define:import.meta.url=landbridgeUrl', '--define:import.meta.dirname=__dirname',
  '--log-level=warning',
];

/** Returns the folder. Whoever reads it meanwhile finds whole files of the one or the other time. */
export function bundleAgent(): string {
  mkdirSync(OUTPUT, { recursive: true });
  // At the same depth: maps tell where sources are from here.
  const fresh = mkdtempSync(`${OUTPUT}-`);
  try {
    for (const [file, entry] of Object.entries(ENTRIES)) {
      execFileSync(process.execPath, [path.join(REPOSITORY, 'node_modules/esbuild/bin/esbuild'), entry, ...OPTIONS, ...EXTERNAL.map((name) => `--external:${name}`), `--outfile=${path.join(fresh, file)}`], { cwd: REPOSITORY, stdio: ['ignore', 'inherit', 'inherit'] });
    }
    for (const file of readdirSync(fresh)) renameSync(path.join(fresh, file), path.join(OUTPUT, file));
  } finally {
    rmSync(fresh, { recursive: true });
  }
  return OUTPUT;
}

if (import.meta.main) bundleAgent();
