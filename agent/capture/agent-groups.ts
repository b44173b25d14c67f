import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CGROUP_KEY_BYTES } from '@landbridge/ebpf/capture-layout.ts';
import type { BpfMap } from '@landbridge/native/bpf-map.ts';
import { groupId } from './group-id.ts';

/** Other agents of the node that live at this moment. */
export interface Company {
  /** There is an agent that began earlier, or that is leaving: what it serves becomes this one's. */
  readonly hasPredecessor: boolean;
  /** There is an agent that began later: what this one serves becomes its. */
  readonly hasSuccessor: boolean;
}

/** Registered at this time is who leaves: every other agent came later. */
const LEAVING = 0n;

/**
 * The control groups of the node's agents, as the programs know them: connections of their processes are not redirected,
 * and leave pods. An agent lives for as long as its group has a process.
 */
export class AgentGroups {
  readonly #agents: BpfMap;
  readonly #root: string;
  readonly #own: Buffer;
  /** Directories by the id of their group, as far as they were found. */
  readonly #directories = new Map<string, string>();

  /** Of a process that has registered just now. `root`: of cgroup2, with the groups of all agents below it. */
  constructor(agents: BpfMap, root: string) {
    this.#agents = agents;
    this.#root = root;
    this.#own = agents.keys(CGROUP_KEY_BYTES).reduce((a, b) => (this.#startedAt(b) > this.#startedAt(a) ? b : a));
  }

  #startedAt(key: Buffer): bigint {
    return this.#agents.get(key)?.readBigUInt64LE() ?? LEAVING;
  }

  /** Forgets agents that have ended: a pod could otherwise take their control groups over. */
  look(): Company {
    const own = this.#startedAt(this.#own);
    let company: Company = { hasPredecessor: false, hasSuccessor: false };
    for (const key of this.#others()) {
      if (!this.#lives(key)) this.#agents.delete(key);
      else if (this.#startedAt(key) > own) company = { ...company, hasSuccessor: true };
      else company = { ...company, hasPredecessor: true };
    }
    return company;
  }

  /** Whether there is anything to look at. */
  get isAlone(): boolean {
    return this.#others().length === 0;
  }

  /** Whether a process is another agent of the node. `pid`: as this process' namespace numbers it. */
  hasProcess(pid: number): boolean {
    return this.#others().some((key) => this.#lives(key) && processesOf(this.#directories.get(key.toString('hex'))).includes(pid));
  }

  /** From here on every other agent is the newer one. */
  leave(): void {
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(LEAVING);
    this.#agents.set(this.#own, value);
  }

  #others(): Buffer[] {
    return this.#agents.keys(CGROUP_KEY_BYTES).filter((key) => !key.equals(this.#own));
  }

  #lives(key: Buffer): boolean {
    const id = key.readBigUInt64LE();
    const text = key.toString('hex');
    const directory = this.#directories.get(text) ?? findGroup(this.#root, id);
    if (directory === undefined) return false;
    this.#directories.set(text, directory);
    return isPopulated(directory);
  }
}

/** The directory of a group, at or below one. */
export function findGroup(directory: string, id: bigint): string | undefined {
  try {
    if (groupId(directory) === id) return directory;
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const found = entry.isDirectory() ? findGroup(path.join(directory, entry.name), id) : undefined;
      if (found !== undefined) return found;
    }
  } catch {
    // The group went away while it was being read.
  }
  return undefined;
}

/** cgroup.procs of cgroup-v2.rst: of the group itself, not of those below it. */
function processesOf(directory: string | undefined): readonly number[] {
  if (directory === undefined) return [];
  try {
    return readFileSync(path.join(directory, 'cgroup.procs'), 'latin1').trim().split('\n').map(Number);
  } catch {
    // Removed meanwhile.
    return [];
  }
}

/** cgroup.events of cgroup-v2.rst: whether the group, or one below it, has a process that has not ended. */
export function isPopulated(directory: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(path.join(directory, 'cgroup.events'), 'utf8'));
  } catch {
    // Removed meanwhile, which takes that it is empty.
    return false;
  }
}
