/** Draws what the federation service costs beside what is wanted of it: `node bench/federation/picture.ts ROWS.json… > bench/federation.svg`, of files that `bench:federation --json` wrote. */
import { readFileSync } from 'node:fs';
import { type Chart, drawChart } from '../chart.ts';

/** One figure of the benchmark. */
export interface Row {
  /** How many members, services and endpoints there were. */
  readonly path: string;
  readonly case: string;
  readonly value: number;
  readonly unit: string;
}

interface Wanted {
  readonly case: string;
  readonly value: number;
  readonly better: 'less' | 'more';
}

/** Of 64 members, 2,000 services and 100,000 endpoints; larger meshes are held against the same. */
const WANTED: readonly Wanted[] = [
  { case: 'all known and told', value: 30, better: 'less' },
  { case: 'stalls until told, p99', value: 50, better: 'less' },
  { case: 'memory, all written', value: 512, better: 'less' },
  { case: 'traffic with the hub at rest', value: 64, better: 'less' },
  { case: 'changes made in a second', value: 1000, better: 'more' },
  { case: 'stalls under changes, p99', value: 50, better: 'less' },
  { case: 'memory after changes', value: 512, better: 'less' },
];

export function chartOf(rows: readonly Row[]): Chart {
  const paths = [...new Set(rows.map(({ path }) => path))];
  const factor = (path: string, { case: name, value, better }: Wanted): number | undefined => {
    const measured = rows.find((row) => row.path === path && row.case === name)?.value;
    if (measured === undefined || measured <= 0) return undefined;
    return better === 'more' ? measured / value : value / measured;
  };
  return {
    title: 'What the federation service costs, and what is wanted of it',
    subtitle: 'to the right of the line is better than what is wanted at 64 members, 2000 services, 100000 endpoints, on a logarithmic scale',
    groups: WANTED.map((wanted) => ({ title: wanted.case, bars: paths.map((path) => ({ label: path, factor: factor(path, wanted) })) })),
  };
}

if (import.meta.main) process.stdout.write(drawChart(chartOf(process.argv.slice(2).flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as Row[]))));
