import { type Case, describe, METRICS, type Metric } from './cases.ts';
import type { Row, Rows } from './rows.ts';
import { threeDigits } from './statistics.ts';

/** What the tables are about, in their order. */
export interface Outline {
  readonly topology: string;
  readonly cases: readonly Case[];
  readonly paths: readonly string[];
  /** Each of these is compared with all other paths. */
  readonly ours: readonly string[];
}

export const HEADINGS: Readonly<Record<string, string>> = {
  loopback: 'One network namespace, over loopback',
  veth: 'Two network namespaces, joined by veth',
};

/** One line for each metric, one column for each path; the range of the samples follows where the metric is what the case is about. */
export function valueTable(rows: Rows, { topology, cases, paths }: Outline): string {
  const body = lines(cases).map(({ one, metric, isFirst }) => [
    isFirst ? describe(one) : '',
    labelOf(metric),
    ...paths.map((path) => cell(rows.get(topology, path, one, metric), isFirst)),
  ]);
  return markdown(['case', '', ...paths], body);
}

/** Each of our paths divided by each other one, so that more than 1 is more, be that good or bad. */
export function ratioTable(rows: Rows, { topology, cases, paths, ours }: Outline): string | undefined {
  const pairs = ours.flatMap((own) => paths.filter((path) => !ours.includes(path)).map((other) => ({ own, other })));
  if (pairs.length === 0) return undefined;
  const body = lines(cases).map(({ one, metric, isFirst }) => [
    isFirst ? describe(one) : '',
    `${metric.name}, ${metric.better} is better`,
    ...pairs.map(({ own, other }) => ratio(rows.get(topology, own, one, metric), rows.get(topology, other, one, metric))),
  ]);
  return markdown(['case', '', ...pairs.map(({ own, other }) => `${own} / ${other}`)], body);
}

/** None where one of the two has failed: the samples before that prove nothing. */
export function quotient(a: Row | undefined, b: Row | undefined): number | undefined {
  if (a === undefined || b === undefined || a.failure !== undefined || b.failure !== undefined || a.value === null || b.value === null || b.value <= 0) return undefined;
  return a.value / b.value;
}

function lines(cases: readonly Case[]): { one: Case; metric: Metric; isFirst: boolean }[] {
  return cases.flatMap((one) => METRICS[one.kind].map((metric, index) => ({ one, metric, isFirst: index === 0 })));
}

const labelOf = (metric: Metric): string => (metric.name === 'rate' || metric.name === 'time' || metric.name === 'memory' ? metric.unit : `${metric.name}, ${metric.unit}`);

function cell(row: Row | undefined, withRange: boolean): string {
  if (row?.failure !== undefined) return 'failed';
  if (row === undefined || row.value === null) return '–';
  const value = threeDigits(row.value);
  return withRange && row.min !== null && row.max !== null && row.samples > 1 ? `${value} (${threeDigits(row.min)}–${threeDigits(row.max)})` : value;
}

function ratio(a: Row | undefined, b: Row | undefined): string {
  const value = quotient(a, b);
  return value === undefined ? '–' : value.toFixed(2);
}

function markdown(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...body.map(line)].join('\n');
}
