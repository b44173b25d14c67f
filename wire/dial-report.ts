/** What an agent tells its federation service of connections into other clusters: in the stream of discovery, as versions of resources that nobody has. */
import { isDnsLabel } from '@landbridge/core/names.ts';

export interface Dials {
  /** Endpoints that took a connection. */
  readonly opened: number;
  /** Endpoints, or gateways on the way, that took none. */
  readonly failed: number;
}

/** By cluster. */
export type DialReport = ReadonlyMap<string, Dials>;

/** Clusters that one report names; the first by name of those with failures, then of the others. */
export const MAX_REPORTED_CLUSTERS = 256;
const MAX_COUNT = 999_999_999;
const COUNTS = /^(0|[1-9][0-9]{0,8}) (0|[1-9][0-9]{0,8})$/;

export function encodeDialReport(report: DialReport): Readonly<Record<string, string>> {
  const order = [...report].sort(([a, { failed: ofA }], [b, { failed: ofB }]) => Number(ofB > 0) - Number(ofA > 0) || (a < b ? -1 : 1));
  return Object.fromEntries(order.slice(0, MAX_REPORTED_CLUSTERS).map(([cluster, { opened, failed }]) => [cluster, `${Math.min(opened, MAX_COUNT)} ${Math.min(failed, MAX_COUNT)}`]));
}

/** Those of the entries that can be read; the others say nothing. */
export function decodeDialReport(entries: Readonly<Record<string, string>>): DialReport {
  const report = new Map<string, Dials>();
  for (const [cluster, text] of Object.entries(entries)) {
    if (report.size >= MAX_REPORTED_CLUSTERS) break;
    const counts = COUNTS.exec(text);
    if (counts !== null && isDnsLabel(cluster)) report.set(cluster, { opened: Number(counts[1]), failed: Number(counts[2]) });
  }
  return report;
}
