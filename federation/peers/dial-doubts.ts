/**
 * Doubt about other clusters, from what agents say of connections into them: a pure reducer. It is never more than a wish to
 * have others go first, ends by itself, and takes several nodes: one that lies, or is cut off itself, decides nothing.
 */
import type { DialReport, Dials } from '@landbridge/wire/dial-report.ts';

/** Of what an agent says; it speaks every 5 s while its pods dial other clusters. */
export const REPORT_LIFE_MS = 15_000;
/** Fewer failures of a node say nothing. */
const MIN_FAILED = 3;
/** Of its dials; an endpoint that fails now and then is put aside by each agent itself. */
const FAILED_SHARE = 0.8;
export const MIN_NODES = 2;
/** Of the nodes that dialled the cluster: more than so many have to fail. */
const NODES_SHARE = 0.5;
/** While others go first there are few dials to tell how it is: it is tried again after this time, doubled each time that it fails again soon. */
export const FIRST_DOUBT_MS = 30_000;
export const MAX_DOUBT_MS = 300_000;
/** Between the end of a doubt and the next one. */
const REST_MS = 30_000;
/** Without a doubt for so long, the next one is the first again. */
const FORGIVEN_MS = 600_000;
/** Nodes of one cluster of Kubernetes. */
const MAX_NODES = 10_000;
/** Of a node, as many as it may send while one of them counts. */
const MAX_REPORTS = 20;

interface Said extends Dials {
  readonly atMs: number;
}

export interface Doubt {
  /** By node, what it has said lately, the newest last. */
  readonly said: ReadonlyMap<string, readonly Said[]>;
  /** Until when others go first; undefined while nothing is doubted. */
  readonly untilMs: number | undefined;
  readonly endedMs: number | undefined;
  /** How long the last one lasted; 0 before there was one. */
  readonly lastMs: number;
}

/** By cluster. */
export type Doubts = ReadonlyMap<string, Doubt>;

const NONE: Doubt = { said: new Map(), untilMs: undefined, endedMs: undefined, lastMs: 0 };

/** `nowMs` by a clock that does not go back. `known`: whether a cluster is a member; of others nothing is remembered. */
export function takeReport(doubts: Doubts, node: string, report: DialReport, nowMs: number, known: (cluster: string) => boolean): Doubts {
  const next = new Map(doubts);
  for (const [cluster, dials] of report) {
    if (!known(cluster)) continue;
    const before = next.get(cluster) ?? NONE;
    const said = new Map([...before.said].map(([each, reports]) => [each, reports.filter((report) => isRecent(report, nowMs))] as const).filter(([, reports]) => reports.length > 0));
    if (said.size < MAX_NODES || said.has(node)) said.set(node, [...(said.get(node) ?? []), { ...dials, atMs: nowMs }].slice(-MAX_REPORTS));
    next.set(cluster, { ...before, said });
  }
  return passTime(next, nowMs, known);
}

export function passTime(doubts: Doubts, nowMs: number, known: (cluster: string) => boolean): Doubts {
  return new Map([...doubts].filter(([cluster]) => known(cluster)).map(([cluster, doubt]) => [cluster, judge(doubt, nowMs)]));
}

function judge(doubt: Doubt, nowMs: number): Doubt {
  const { untilMs, endedMs, lastMs } = doubt;
  if (untilMs !== undefined) return nowMs < untilMs ? doubt : { ...doubt, said: new Map(), untilMs: undefined, endedMs: untilMs };
  if ((endedMs !== undefined && nowMs - endedMs < REST_MS) || !fails(doubt.said, nowMs)) return doubt;
  const forMs = endedMs === undefined || nowMs - endedMs >= FORGIVEN_MS ? FIRST_DOUBT_MS : Math.min(MAX_DOUBT_MS, lastMs * 2);
  return { ...doubt, untilMs: nowMs + forMs, lastMs: forMs };
}

function fails(said: Doubt['said'], nowMs: number): boolean {
  let [failing, all] = [0, 0];
  for (const reports of said.values()) {
    const recent = reports.filter((report) => isRecent(report, nowMs));
    if (recent.every(({ opened, failed }) => opened + failed === 0)) continue;
    all += 1;
    if (failsLately(recent)) failing += 1;
  }
  return failing >= MIN_NODES && failing > NODES_SHARE * all;
}

/**
 * Whether the newest reports, however few or many of them, say that dials fail. One is not enough: an agent puts an endpoint
 * aside that failed and tries it ever less often. All are too many: what opened before the peer broke says nothing of it.
 */
function failsLately(reports: readonly Dials[]): boolean {
  let [opened, failed] = [0, 0];
  return reports.toReversed().some((report) => {
    opened += report.opened;
    failed += report.failed;
    return failed >= MIN_FAILED && failed >= FAILED_SHARE * (opened + failed);
  });
}

const isRecent = ({ atMs }: Said, nowMs: number): boolean => nowMs - atMs < REPORT_LIFE_MS;

export function isDoubted(doubts: Doubts, cluster: string): boolean {
  return doubts.get(cluster)?.untilMs !== undefined;
}

/** When time alone changes something; undefined where it does not. */
export function dueMs(doubts: Doubts): number | undefined {
  const due = [...doubts.values()].flatMap(({ untilMs }) => untilMs ?? []);
  return due.length === 0 ? undefined : Math.min(...due);
}
