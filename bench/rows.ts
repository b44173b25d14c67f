import { type Case, METRICS, type Metric } from './cases.ts';
import type { Cell } from './rounds.ts';
import { median, summarise } from './statistics.ts';

/** One number of the comparison, as `--json` writes it. */
export interface Row {
  readonly topology: string;
  readonly path: string;
  readonly case: string;
  readonly metric: Metric['name'];
  /** Median of the samples; null where there is none. */
  readonly value: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly samples: number;
  readonly unit: string;
  readonly better: Metric['better'];
  /** CPU seconds of the proxies for each unit of work: a GiB, a request, a connection, a second of idling. */
  readonly cpuSeconds: number | null;
  /** Of all proxies together. */
  readonly rssKiB: number | null;
  /** Share of the machine that other programs took meanwhile, 0 to 1. */
  readonly foreign: number | null;
  readonly failure: string | undefined;
}

/** A row for each metric of each cell. */
export function rowsOf(cells: readonly Cell[]): readonly Row[] {
  return cells.flatMap((cell) => METRICS[cell.one.kind].map((metric) => rowOf(cell, metric)));
}

function rowOf({ topology, path, one, samples, failure }: Cell, metric: Metric): Row {
  const values = samples.map((sample) => sample.values[metric.name] ?? Number.NaN).filter(Number.isFinite);
  const summary = summarise(values);
  return {
    topology,
    path,
    case: one.name,
    metric: metric.name,
    value: finite(summary.median),
    min: finite(summary.min),
    max: finite(summary.max),
    samples: values.length,
    unit: metric.unit,
    better: metric.better,
    cpuSeconds: finite(median(samples.map(({ cpuSeconds }) => cpuSeconds))),
    rssKiB: finite(median(samples.map(({ rssKiB }) => rssKiB))),
    foreign: finite(median(samples.map(({ foreign }) => foreign))),
    failure,
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Share of the machine that other programs took, in the median of all cells where it is known. */
export function foreignShare(rows: readonly Row[]): number {
  return median(rows.flatMap(({ foreign }) => (foreign === null ? [] : [foreign])));
}

/** Finds rows again by what they are about. */
export class Rows {
  readonly all: readonly Row[];
  readonly #byKey: ReadonlyMap<string, Row>;

  constructor(all: readonly Row[]) {
    this.all = all;
    this.#byKey = new Map(all.map((row) => [keyOf(row.topology, row.path, row.case, row.metric), row]));
  }

  get(topology: string, path: string, one: Pick<Case, 'name'>, metric: Pick<Metric, 'name'>): Row | undefined {
    return this.#byKey.get(keyOf(topology, path, one.name, metric.name));
  }
}

const keyOf = (...parts: readonly string[]): string => parts.join(' ');
