import type { DropReason } from './endpoint-confinement.ts';
import type { RefusalReason, Refused } from './import-decision.ts';

/** Exports of one cluster that are named; all are counted. */
export const MAX_REPORTED_REFUSALS = 100;

export interface Refusal extends Omit<Refused, 'kind'> {
  /** `<namespace>/<name>`. */
  readonly service: string;
}

/** What became of what one other cluster says. */
export interface ClusterConsent {
  /** Exports that are not imported, by reason. */
  readonly refused: ReadonlyMap<RefusalReason, number>;
  /** The first of them. */
  readonly refusals: readonly Refusal[];
  /** Endpoints that are left out, by reason. */
  readonly dropped: ReadonlyMap<DropReason, number>;
  /** Exports that change too often, of which something older counts. */
  readonly held: number;
  /** Ranges of its endpoints that it has declared; undefined where it has not. */
  readonly declares: number | undefined;
  /** What is wrong with them. */
  readonly faults: readonly string[];
}

/** By cluster. */
export type ConsentReport = ReadonlyMap<string, ClusterConsent>;
