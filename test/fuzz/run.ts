/** `node test/fuzz/run.ts [--only NAME]... [--ms N] [--seed N]`: every parser in turn, for N milliseconds of a processor each. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz, type FuzzClock, MACHINE_CLOCK } from './fuzzer.ts';
import { keepInput, readKeptInputs } from './kept-inputs.ts';
import { TARGETS } from './targets.ts';

const DEFAULT_MS = 10_000;
/** Digits of an input that are printed; all are kept. */
const SHOWN = 1000;
const USAGE = `usage: node test/fuzz/run.ts [--only NAME]... [--ms N] [--seed N]
parsers: ${TARGETS.map(({ name }) => name).join(' ')}
`;

interface Options {
  readonly names: readonly string[];
  readonly ms: number;
  readonly seed: number;
}

function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, ms: { type: 'string' }, seed: { type: 'string' } } });
    const names = (values.only ?? TARGETS.map(({ name }) => name)).flatMap((value) => value.split(','));
    const ms = Number(values.ms ?? process.env['FUZZ_MS'] ?? DEFAULT_MS);
    const seed = values.seed === undefined ? Date.now() | 0 : Number(values.seed);
    if (ms > 0 && Number.isInteger(seed) && names.every((name) => TARGETS.some((target) => target.name === name))) return { names, ms, seed };
  } catch {
    // An unknown option gets the same answer as an unknown parser.
  }
  return undefined;
}

/** A run that others slow down is no shorter. */
const CLOCK: FuzzClock = { ...MACHINE_CLOCK, now: MACHINE_CLOCK.worked };

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function run({ names, ms, seed }: Options): number {
  let faults = 0;
  print(`seed ${seed}`);
  for (const target of TARGETS.filter(({ name }) => names.includes(name))) {
    const { inputs, fault } = fuzz(target, { ms, seed, kept: readKeptInputs(target.name), clock: CLOCK });
    if (fault === undefined) {
      print(`${target.name}: ${inputs} inputs`);
      continue;
    }
    faults++;
    print(`${target.name}: FAULT after ${inputs} inputs, ${fault.seed === undefined ? 'by an example or an input of a past failure' : `seed ${fault.seed}`}`);
    const text = Buffer.from(fault.input).toString('hex');
    print(`  input of ${fault.input.length} bytes ${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}`);
    print(`  ${fault.reason.replaceAll('\n', '\n  ')}`);
    print(`  kept in ${path.relative(process.cwd(), keepInput(target.name, fault.input))}`);
  }
  return faults;
}

const options = readOptions();
if (options === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 64;
} else {
  process.exitCode = run(options) > 0 ? 1 : 0;
}
