/** Hand-overs between agents as the chart starts them, of which the successor is killed at a moment that is drawn by lot. */
import { readdirSync } from 'node:fs';
import type { AgentNodes, NodeAgent } from './agent-nodes.ts';
import { untilEnded } from './agent-nodes.ts';
import { brokenOf, type Flows } from './flows.ts';

/** Of each way. */
const FLOWS = 25;
const END_MS = 60_000;
/** Between the socket by which the moment is told and the kill. */
const MOST_LATER_MS = 4;
export const KILL_VALUES = { 'handover.enabled': true, terminationGracePeriodSeconds: 60 };

export interface Killed {
  /** Connections of applications when it began. */
  readonly flows: number;
  /** Taken by the one that was killed. */
  readonly taken: number;
  readonly outcome: string;
  /** As their ends saw it, when those that live had gone on. */
  readonly broken: number;
  /** What was wrong with any of them, at the very end. */
  readonly faults: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Wrong bytes, or bytes that one end sent and the other one lacks. */
  readonly wrong: readonly string[];
}

interface HandedOver {
  /** The process that took. */
  readonly successor: number;
  readonly outcome: string;
  readonly connections: number;
}

/** Reads what an agent says that it gave, until it ends. */
async function handedOver(agent: NodeAgent, onLine: (line: HandedOver) => void): Promise<readonly HandedOver[]> {
  const all: HandedOver[] = [];
  for (;;) {
    const line = JSON.parse(await agent.line()) as { readonly msg: string } & HandedOver;
    if (line.msg === 'agent stopped') return all;
    if (line.msg !== 'connections handed over') continue;
    all.push(line);
    onLine(line);
  }
}

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Once it has as many descriptors more, or the hand-over has come to its end before. */
async function kill({ pid }: NodeAgent, more: number, later: number, isOver: () => boolean): Promise<void> {
  const before = descriptors(pid);
  while (descriptors(pid) < before + more && !isOver()) await new Promise((resolve) => setImmediate(resolve));
  for (const until = performance.now() + later; performance.now() < until; );
  process.kill(pid, 'SIGKILL');
}

/**
 * One agent with open connections, its successor that is killed while it takes them, and a further one. Returns that one,
 * which has all that lives, with what came of it. `random`: from 0 to 1, what the moment is drawn from.
 */
export async function killSuccessor(nodes: AgentNodes, flows: Flows, old: NodeAgent, random: () => number): Promise<{ readonly agent: NodeAgent; readonly killed: Killed }> {
  await flows.begin(FLOWS);
  const successor = await nodes.startReady('west', KILL_VALUES);
  const sockets = 2 * FLOWS * flows.ways;
  const [more, later] = [1 + Math.floor(random() * sockets), random() * MOST_LATER_MS];
  process.kill(old.pid, 'SIGTERM');
  let isOver = false;
  // One that was too slow for a batch is tried again.
  const handed = handedOver(old, ({ outcome }) => (isOver ||= outcome !== 'not-taken'));
  await kill(successor, more, later, () => isOver);
  await untilEnded(successor.pid, END_MS);
  const broken = await flows.failed();
  const agent = await nodes.startReady('west', KILL_VALUES);
  const toKilled = (await handed).filter((line) => line.successor === successor.pid);
  await untilEnded(old.pid, END_MS);
  const report = await flows.finish();
  const wrong = Object.values(report.faults).flatMap((faults) => Object.keys(faults)).filter((fault) => /wrong|bytes|does not end|has not ended/.test(fault));
  return { agent, killed: { flows: report.flows, taken: toKilled.reduce((sum, { connections }) => sum + connections, 0), outcome: toKilled.at(-1)?.outcome ?? 'nobody', broken: Math.max(broken, brokenOf(report)), faults: report.faults, wrong } };
}
