import { globSync } from 'node:fs';
import path from 'node:path';
import { patient } from '@landbridge/lab/wait.ts';
import { type AvaPart, LastWords, readAvaLine } from './ava-output.ts';
import { REPOSITORY, runLines } from './command.ts';

export interface Count {
  readonly passed: number;
  readonly failed: number;
  /** What is to be said again of the failures at the end of all, where whoever sees no more than the end finds it. */
  readonly failures: readonly string[];
}

export interface StageContext {
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

export interface Stage {
  readonly name: string;
  readonly what: string;
  readonly needsRoot: boolean;
  /** Whether the pinned servers must be built first. */
  readonly needsTools: boolean;
  readonly run: (context: StageContext) => Promise<Count>;
}

/** Lines told again of one stage: the tests that failed, then as much as there is room for of why. */
const MAX_FAILURE_LINES = 80;
/** Each file of tests is a process, and hundreds of them would strip and compile the same sources. Goes with `npm ci`. */
const COMPILE_CACHE = path.join(REPOSITORY, 'node_modules/.cache/compiled');

/** Files of the kernel stage, each with namespaces and control groups of its own: most of the time they wait for the kernel and for certificates. */
const KERNEL_FILES_AT_ONCE = 3;

/** Files of the soak stage: of three of them one is at work, at times, and the others do next to nothing. */
const WAITING_AT_ONCE = 3;

/** Longer than any test may take without a line. */
const SILENT_MS = patient(11 * 60_000);

export const NOTHING: Count = { passed: 0, failed: 0, failures: [] };
const PASSED: Count = { ...NOTHING, passed: 1 };
const FAILED: Count = { ...NOTHING, failed: 1 };
export const failure = (line: string): Count => ({ ...FAILED, failures: [line] });
export const add = (a: Count, b: Count): Count => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, failures: [...a.failures, ...b.failures] });

const program = (name: string): string => path.join(REPOSITORY, 'node_modules/.bin', name);

export const STAGES: readonly Stage[] = [
  {
    name: 'types',
    what: 'the TypeScript compiler over everything',
    needsRoot: false,
    needsTools: false,
    run: async (context) => await runAsOne([['node_modules/.bin/tsc', '-p', 'tsconfig.json']], context),
  },
  {
    name: 'lint',
    what: 'biome, and the rules of which folder may import which',
    needsRoot: false,
    needsTools: false,
    run: async (context) => await runAsOne([['node_modules/.bin/biome', 'check', '--error-on-warnings', '.'], ['test/lint/import-rules.ts']], context),
  },
  {
    name: 'unit',
    what: 'tests beside the code: units, properties, contracts with real servers on loopback',
    needsRoot: false,
    needsTools: true,
    run: async (context) => await runAva({ args: [], showsPasses: false, env: { NODE_COMPILE_CACHE: COMPILE_CACHE } }, context),
  },
  {
    name: 'kernel',
    what: 'BPF programs and sockets in network namespaces of the running kernel',
    needsRoot: true,
    needsTools: true,
    run: async (context) => await runKernelTests(context, { atOnce: KERNEL_FILES_AT_ONCE }),
  },
  {
    name: 'soak',
    what: 'the engine under load, faults and abuse, in processes of its own; takes minutes',
    needsRoot: false,
    needsTools: true,
    run: async (context) => await runSoakTests(context),
  },
  {
    name: 'e2e',
    what: 'two clusters of the lab, joined, with calls between their pods; takes minutes',
    needsRoot: true,
    needsTools: true,
    run: async (context) => await runAvaOn('test/e2e/*.test.ts', 'test/e2e.ava.mjs', context),
  },
];

/** `only`: of the files, where not all are meant. */
export async function runKernelTests(context: StageContext, { only = [], atOnce }: { readonly only?: readonly string[]; readonly atOnce: number }): Promise<Count> {
  const files = only.length > 0 ? only : filesOf('*/**/*.kernel.test.ts').sort((a, b) => b.localeCompare(a));
  let total = NOTHING;
  const next = files.values();
  // To ava the tests of a file are one after the other only where its files are.
  const lane = async (): Promise<void> => {
    for (const file of next) {
      const lines: string[] = [];
      const count = await runAva({ args: ['--config', 'test/kernel.ava.mjs', '--serial', file], showsPasses: true }, { ...context, print: (line) => lines.push(line) });
      // Told together: those of several files would be mixed.
      for (const line of [`   ${file}`, ...lines]) context.print(line);
      total = add(total, { ...count, failures: count.failures.map((line) => `${file}: ${line}`) });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return total;
}

/**
 * First the files that wait for minutes, for times that hold for peers: some of them beside each other, each with processes of
 * its own. Then those that take the whole machine, one after the other.
 */
async function runSoakTests(context: StageContext): Promise<Count> {
  const waiting = await runAvaOn('test/**/*.waits.soak.test.ts', 'test/waits.ava.mjs', context, { atOnce: WAITING_AT_ONCE });
  return add(waiting, await runAvaOn('test/**/!(*.waits).soak.test.ts', 'test/soak.ava.mjs', context));
}

/** With programs of Istio (test/istio/run.ts); no stage of its own. */
export async function runTrials(context: StageContext, files: readonly string[] = []): Promise<Count> {
  return await runAvaOn('test/istio/*.istio.test.ts', 'test/istio.ava.mjs', context, { only: files });
}

export function isStageName(name: string): boolean {
  return STAGES.some((stage) => stage.name === name);
}

/** Runs commands that count as one test: it fails when any of them does. */
async function runAsOne(commands: readonly (readonly string[])[], { signal, print }: StageContext): Promise<Count> {
  const failures: string[] = [];
  for (const [script, ...args] of commands) {
    const lines: string[] = [];
    const onLine = (line: string): void => {
      lines.push(line);
      print(line);
    };
    const status = await runLines([process.execPath, path.join(REPOSITORY, script ?? ''), ...args], { signal, onLine });
    if (status !== 0) failures.push(`${script} ended with ${status}`, ...lines);
  }
  return failures.length === 0 ? PASSED : { ...FAILED, failures: failures.slice(0, MAX_FAILURE_LINES) };
}

interface Files {
  /** Where not all are meant. */
  readonly only?: readonly string[];
  /** The processes of one file would meet those of another, where nothing else is said: one file at a time, one test at a time. */
  readonly atOnce?: number;
}

const filesOf = (pattern: string): string[] => globSync(pattern, { cwd: REPOSITORY, exclude: (name) => name === 'node_modules' });

async function runAvaOn(pattern: string, config: string, context: StageContext, { only = [], atOnce = 1 }: Files = {}): Promise<Count> {
  if (filesOf(pattern).length === 0) {
    context.print(`   no file matches ${pattern}`);
    return NOTHING;
  }
  // To ava `--serial` is one file at a time, whatever else is said.
  return await runAva({ args: ['--config', config, ...(atOnce === 1 ? ['--serial'] : []), '--concurrency', String(atOnce), ...only], showsPasses: true }, context);
}

interface AvaOptions {
  readonly args: readonly string[];
  readonly showsPasses: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs ava and counts what it reports. Lines of tests that passed are left out unless they take long enough to wait for. */
async function runAva(options: AvaOptions, { signal, print }: StageContext): Promise<Count> {
  let part: AvaPart = 'tests';
  let count = NOTHING;
  let pendingBlank = false;
  const names: string[] = [];
  const reasons: string[] = [];
  const lastWords = new LastWords();
  const status = await runLines([process.execPath, program('ava'), ...options.args], {
    signal,
    silentMs: SILENT_MS,
    ...(options.env === undefined ? {} : { env: options.env }),
    onErrorLine: (line) => lastWords.hear(line),
    onLine: (line) => {
      const read = readAvaLine(line, part);
      part = read.part;
      if (read.kind === 'passed') count = add(count, PASSED);
      if (read.kind === 'failed') {
        count = add(count, FAILED);
        names.push(line);
      }
      if (read.part === 'failures' && line.trim() !== '') reasons.push(line);
      if (read.kind === 'passed' && !options.showsPasses) return;
      // Nothing but blank lines is left where every line between them was of a test that passed.
      const isBlank = line.trim() === '';
      if (!isBlank && pendingBlank) print('');
      pendingBlank = isBlank;
      if (!isBlank) print(line);
    },
  });
  // A run that failed before or after its tests has no line of its own.
  if (status !== 0 && count.failed === 0) count = add(count, FAILED);
  return count.failed === 0 ? count : { ...count, failures: [...names, ...lastWords.lines, ...reasons].slice(0, MAX_FAILURE_LINES) };
}
