import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { type Case, describe, METRICS, type Metric } from './cases.ts';
import type { Chart } from './chart.ts';
import { foreignShare, type Rows } from './rows.ts';
import { HEADINGS, type Outline, quotient, ratioTable, valueTable } from './table.ts';

export interface ReportOptions {
  readonly outlines: readonly Outline[];
  readonly yardstick: string;
  readonly command: string;
  readonly pace: string;
  /** What each path is. */
  readonly legend: readonly string[];
  readonly dateMs: number;
}

/** The section of bench/RESULTS.md. */
export function report(rows: Rows, options: ReportOptions): string {
  const { outlines, command, pace, legend, dateMs } = options;
  const foreign = rows.all.flatMap(({ foreign }) => (foreign === null ? [] : [foreign]));
  const tables = outlines.flatMap((outline) => {
    const ratios = ratioTable(rows, outline);
    return [`### ${HEADINGS[outline.topology] ?? outline.topology}`, `![how many times as good as ${options.yardstick}](${chartFile(outline.topology)})`, valueTable(rows, outline), ...(ratios === undefined ? [] : [ratios])];
  });
  return [
    `\`${command}\` on ${new Date(dateMs).toISOString().slice(0, 10)}, ${machine()}. ${pace} Other programs took ${percent(foreignShare(rows.all))} of the machine in the median of all cells, ${percent(Math.max(...foreign))} in the worst.`,
    legend.map((line) => `- ${line}`).join('\n'),
    ...tables,
    ...failures(rows),
  ].join('\n\n');
}

export const chartFile = (topology: string): string => `data-path-${topology}.svg`;

/** What each case is about, and its p99 where it has one, as factors to the yardstick. */
export function chartOf(rows: Rows, { topology, cases, paths }: Outline, yardstick: string): Chart {
  const compared = paths.filter((path) => path !== yardstick && path !== 'none');
  const group = (one: Case, metric: Metric, suffix: string) => ({
    title: `${describe(one)}${suffix}`,
    bars: compared.map((path) => ({ label: path, factor: factorOf(rows, topology, path, yardstick, one, metric) })),
  });
  return {
    title: `How many times as good as ${yardstick}: ${HEADINGS[topology] ?? topology}`,
    subtitle: 'rate, latency or memory; to the right of the line is better than the yardstick, on a logarithmic scale',
    groups: cases.flatMap((one) => METRICS[one.kind].flatMap((metric, index) => (index === 0 ? [group(one, metric, '')] : metric.name === 'p99' ? [group(one, metric, ': p99')] : []))),
  };
}

function factorOf(rows: Rows, topology: string, path: string, yardstick: string, one: Case, metric: Metric): number | undefined {
  const value = quotient(rows.get(topology, path, one, metric), rows.get(topology, yardstick, one, metric));
  if (value === undefined || value <= 0) return undefined;
  return metric.better === 'more' ? value : 1 / value;
}

function failures(rows: Rows): string[] {
  const lines = new Set(rows.all.flatMap(({ topology, path, case: name, failure }) => (failure === undefined ? [] : [`- ${path}, ${name}, ${topology}: ${failure.split('\n')[0]}`])));
  return lines.size === 0 ? [] : [`Failed:\n${[...lines].join('\n')}`];
}

function machine(): string {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
  return `${cpus().length} processors (${model}), ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${release()}`;
}

export const percent = (share: number): string => (Number.isFinite(share) ? `${(share * 100).toFixed(0)} %` : 'an unknown part');
