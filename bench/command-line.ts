import { parseArgs } from 'node:util';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type Pinning, PINNINGS, TOPOLOGIES, type TopologyName } from './topology.ts';

export interface Options {
  readonly kind: 'run' | 'help';
  readonly cases: readonly string[];
  readonly paths: readonly string[];
  readonly topologies: readonly TopologyName[];
  readonly seconds: number;
  readonly rounds: number;
  /** Times that a sample is taken at most, while others disturb it. */
  readonly tries: number;
  readonly pinning: Pinning;
  readonly json: string | undefined;
  /** Whether bench/RESULTS.md and its pictures are written; `if-quiet`: unless other programs took much of the machine. */
  readonly writes: 'always' | 'if-quiet' | 'never';
}

export interface Names {
  readonly cases: readonly string[];
  readonly paths: readonly string[];
  readonly usualPaths: readonly string[];
  readonly quickPaths: readonly string[];
}

export function usage({ cases, paths }: Pick<Names, 'cases' | 'paths'>): string {
  return `usage: npm run bench -- [OPTIONS]

  --quick             one topology, few paths, short rounds: less than four minutes
  --only CASE,…       of: ${cases.join(' ')}
  --paths PATH,…      of: ${paths.join(' ')}
  --topologies T,…    of: ${TOPOLOGIES.join(' ')}
  --seconds N         of one sample
  --rounds N          samples of each path in each case
  --tries N           times that a sample is taken while other programs disturb it
  --pin HOW           proxies: they keep to one half of the processors, callers and application to the other (the
                      default); sides: each side keeps to its half; none
  --json FILE         write all rows there
  --write             write bench/RESULTS.md and its pictures, as a run without --quick, --only, --paths and
                      --topologies does by itself on a quiet machine (--no-write: as it does not)

The path ztunnel is Istio's own program, which is not built here: the environment variable ZTUNNEL names it, and makes
the path one of those of a run that names none.
`;
}

const FULL = { seconds: 1, rounds: 5, tries: 3 };
const QUICK = { seconds: 0.5, rounds: 3, tries: 1 };

/** Parses what follows `npm run bench --`. An error is one sentence for people. */
export function parseOptions(argv: readonly string[], names: Names): Result<Options> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (thrown) {
    return err((thrown as Error).message.split('. ')[0] ?? 'options can not be read');
  }
  const quick = values.quick ?? false;
  const pace = quick ? QUICK : FULL;
  const cases = list(values.only, names.cases, names.cases, 'case');
  if (!cases.ok) return cases;
  const paths = list(values.paths, names.paths, quick ? names.quickPaths : names.usualPaths, 'path');
  if (!paths.ok) return paths;
  const topologies = list(values.topologies, TOPOLOGIES, quick ? ['veth'] : TOPOLOGIES, 'topology');
  if (!topologies.ok) return topologies;
  const seconds = Number(values.seconds ?? pace.seconds);
  const rounds = Number(values.rounds ?? pace.rounds);
  const tries = Number(values.tries ?? pace.tries);
  const pinning = values.pin ?? 'proxies';
  if (!(seconds >= 0.1 && seconds <= 60)) return err('--seconds is between 0.1 and 60');
  if (![rounds, tries].every((number) => Number.isInteger(number) && number >= 1 && number <= 100)) return err('--rounds and --tries are whole numbers between 1 and 100');
  if (!isPinning(pinning)) return err(`--pin is one of ${PINNINGS.join(', ')}`);
  const isWhole = !quick && [values.only, values.paths, values.topologies].every((value) => value === undefined);
  return ok({
    kind: values.help === true ? 'help' : 'run',
    cases: cases.value,
    paths: paths.value,
    topologies: topologies.value,
    seconds,
    rounds,
    tries,
    pinning,
    json: values.json,
    writes: values.write === undefined ? (isWhole ? 'if-quiet' : 'never') : values.write ? 'always' : 'never',
  });
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      paths: { type: 'string' },
      topologies: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      tries: { type: 'string' },
      pin: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  }).values;
}

const isPinning = (text: string): text is Pinning => (PINNINGS as readonly string[]).includes(text);

/** The names that a comma-separated text chooses, in the order of all. */
function list<T extends string>(text: string | undefined, all: readonly T[], usual: readonly T[], what: string): Result<readonly T[]> {
  if (text === undefined) return ok(usual);
  const wanted = text.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !(all as readonly string[]).includes(name));
  return unknown === undefined ? ok(all.filter((name) => wanted.includes(name))) : err(`there is no ${what} ${JSON.stringify(unknown)}: ${all.join(' ')}`);
}
