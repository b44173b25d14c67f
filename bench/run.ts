/** What a pair of agents costs, beside others and beside nothing: `npm run bench`. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { REPOSITORY } from '@landbridge/lab/paths.ts';
import { print, say } from '@landbridge/lab/progress.ts';
import { buildLoad, buildRust, prepareMachine } from './build.ts';
import { CASES, describe } from './cases.ts';
import { makeCertificates } from './certificates.ts';
import { drawChart } from './chart.ts';
import { type Options, parseOptions, usage } from './command-line.ts';
import { Load } from './load.ts';
import { PATHS, QUICK_PATHS, USUAL_PATHS, YARDSTICK } from './paths/mod.ts';
import { chartFile, chartOf, percent, report } from './report.ts';
import { replaceSection } from './results-file.ts';
import { type Cell, runCase } from './rounds.ts';
import { foreignShare, Rows, rowsOf } from './rows.ts';
import { type Outline, ratioTable, valueTable } from './table.ts';
import { makeTopology, type Pinning, removeStaleNamespaces } from './topology.ts';

const RESULTS = path.join(REPOSITORY, 'bench/RESULTS.md');
/** Share of the machine that others may take in the median for results to be kept. */
const QUIET = 0.15;
/** In memory: keys stay off the disk, and counters cost no writes. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const PINNED: Readonly<Record<Pinning, string>> = {
  sides: 'callers and their proxy have one half of the processors, the application and its proxy the other',
  proxies: 'the proxies have one half of the processors, callers and application the other',
  none: 'all share all processors',
};

const names = { cases: CASES.map(({ name }) => name), paths: PATHS.map(({ name }) => name), usualPaths: USUAL_PATHS, quickPaths: QUICK_PATHS };
const argv = process.argv.slice(2);
const parsed = parseOptions(argv, names);
if (!parsed.ok) {
  process.stderr.write(`${parsed.error}\n\n${usage(names)}`);
  process.exitCode = 64;
} else if (parsed.value.kind === 'help') print(usage(names));
else {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupted.abort(new LandbridgeError('interrupted', `ended by ${name}`)));
  try {
    process.exitCode = await bench(parsed.value, interrupted.signal);
  } catch (thrown) {
    const error = LandbridgeError.from(interrupted.signal.aborted ? interrupted.signal.reason : thrown);
    process.stderr.write(`${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    if (error.code === 'internal' && error.cause instanceof Error) process.stderr.write(`${error.cause.stack ?? ''}\n`);
    process.exitCode = error.code === 'machine-unfit' ? 69 : 1;
  }
}

async function bench(options: Options, signal: AbortSignal): Promise<number> {
  const paths = PATHS.filter(({ name }) => options.paths.includes(name));
  const cases = CASES.filter(({ name }) => options.cases.includes(name));
  await removeStaleNamespaces();
  await prepareMachine(signal);
  const loadProgram = await buildLoad(signal);
  const handshakes = cases.some(({ kind }) => kind === 'handshakes' || kind === 'first-byte') ? await buildRust('rust-pair', signal) : '';
  const legend: string[] = [];
  for (const one of paths) {
    const version = await one.prepare(signal);
    legend.push(`**${one.name}**: ${one.description}${version === '' ? '' : ` (${version})`}`);
  }
  const directory = await mkdtemp(path.join(SCRATCH, 'landbridge-bench-'));
  const cells: Cell[] = [];
  try {
    const certificates = makeCertificates(directory);
    for (const name of options.topologies) {
      await using topology = await makeTopology(name, options.pinning, signal);
      await using load = await Load.start(loadProgram, topology, directory, signal);
      for (const [index, one] of cases.entries()) {
        say(`${name}: ${describe(one)} (${index + 1} of ${cases.length})`);
        const run = { load, topology, handshakes: () => [handshakes, '--role', 'handshakes'], certificatesOf: certificates, certificates: directory, processors: availableParallelism(), directory, pace: options, signal };
        // Case by case: a run that is interrupted keeps what it has found.
        if (options.json !== undefined) await writeRows(options.json, new Rows(rowsOf(cells)));
        cells.push(...(await runCase(one, paths.filter(({ topologies }) => topologies?.includes(name) ?? true), run)));
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const rows = new Rows(rowsOf(cells));
  const outlines = options.topologies.map((topology): Outline => ({ topology, cases, paths: paths.map(({ name }) => name), ours: paths.filter(({ isOurs }) => isOurs).map(({ name }) => name) }));
  for (const outline of outlines) print(`\n${outline.topology}\n\n${valueTable(rows, outline)}\n\n${ratioTable(rows, outline) ?? ''}`);
  if (options.json !== undefined) await writeRows(options.json, rows);
  const foreign = foreignShare(rows.all);
  if (options.writes === 'always' || (options.writes === 'if-quiet' && foreign <= QUIET)) await writeResults(rows, outlines, legend, options);
  else if (options.writes === 'if-quiet') print(`Other programs took ${percent(foreign)} of the machine: ${path.relative(REPOSITORY, RESULTS)} stays as it is. Measure again on a quiet machine, or say --write.`);
  const failed = new Set(cells.filter(({ failure }) => failure !== undefined).map((cell) => `${cell.path}, ${cell.one.name}, ${cell.topology}: ${cell.failure}`));
  for (const line of failed) process.stderr.write(`failed: ${line}\n`);
  return failed.size === 0 ? 0 : 1;
}

async function writeRows(file: string, rows: Rows): Promise<void> {
  await writeFile(file, `${JSON.stringify(rows.all, undefined, 1)}\n`);
}

async function writeResults(rows: Rows, outlines: readonly Outline[], legend: readonly string[], options: Options): Promise<void> {
  const pace = `Medians of ${options.rounds} interleaved rounds of ${options.seconds} s, in parentheses the least and the greatest; ${PINNED[options.pinning]}.`;
  const section = report(rows, { outlines, yardstick: YARDSTICK, command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '), pace, legend, dateMs: Date.now() });
  const replaced = replaceSection(await readFile(RESULTS, 'utf8'), section);
  if (!replaced.ok) throw new LandbridgeError('results', `${RESULTS}: ${replaced.error}`);
  await writeFile(RESULTS, replaced.value);
  for (const outline of outlines) await writeFile(path.join(REPOSITORY, 'bench', chartFile(outline.topology)), drawChart(chartOf(rows, outline, YARDSTICK)));
}
