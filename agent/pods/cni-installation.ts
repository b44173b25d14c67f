import { closeSync, fchmodSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { CNI_EXECUTABLE, CNI_TYPE } from '../cni-executable.ts';
import { metrics } from '../metrics.ts';
import { CNI_FILE, type CniEntry, type CniFiles, isCniFile, planCniFile } from './cni-configuration.ts';
import { DirectoryChanges } from './directory-changes.ts';

/** Others write in several steps. */
const DEBOUNCE_MS = 50;
/** What happens without an event, or is lost with a directory that is made anew. */
const RECHECK_MS = 10_000;
/** More would be no CNI configuration. */
const MAX_FILES = 256;
const MAX_FILE_BYTES = 1 << 20;
const NEWER = 'a newer agent keeps it';
/** Modes: others' configurations can have secrets. */
const OWNERS = 0o600;
const EXECUTABLE = 0o755;
/** None of the endings that runtimes read. */
const UNFINISHED = '.landbridge-unfinished';

export interface CniDirectories {
  /** The node's /etc/cni/net.d and /opt/cni/bin, as this process sees them. */
  readonly configuration: string;
  readonly executables: string;
}

export interface CniInstallationEvents {
  readonly onInForce: () => void;
  /** Whether there is no newer agent on the node. */
  readonly isInCharge?: () => boolean;
}

/** Keeps the plugin and its configuration on the node: until {@link remove}, also while no agent runs. */
export class CniInstallation {
  readonly #directories: CniDirectories;
  readonly #entry: CniEntry;
  readonly #log: Logger;
  readonly #executable: string;
  #told = '';

  constructor(directories: CniDirectories, entry: CniEntry, log: Logger, { executable = CNI_EXECUTABLE }: { readonly executable?: string } = {}) {
    this.#directories = directories;
    this.#entry = entry;
    this.#log = log;
    this.#executable = executable;
  }

  /** Puts back whatever others take away, until the signal aborts. Calls back when the gate is in force for the first time. */
  async run(signal: AbortSignal, { onInForce, isInCharge = () => true }: CniInstallationEvents): Promise<void> {
    let wasInForce = false;
    while (!signal.aborted) {
      using changes = new DirectoryChanges(Object.values(this.#directories));
      // What a newer agent brings is its own.
      const problem = isInCharge() ? this.#apply() : NEWER;
      if (problem !== NEWER) metrics.cniGate.set(problem === undefined ? 1 : 0);
      if (problem === undefined && !wasInForce) onInForce();
      wasInForce ||= problem === undefined;
      this.#tell(problem);
      if (await changes.wait(RECHECK_MS, signal)) await waitFor(DEBOUNCE_MS, signal);
    }
  }

  /** Removes everything, so that pods start without the agent. @throws where something can not be removed */
  remove(): void {
    const { configuration, executables } = this.#directories;
    // First what refers to the other.
    for (const file of [path.join(configuration, CNI_FILE), path.join(executables, CNI_TYPE)]) for (const name of [file, `${file}${UNFINISHED}`]) rmSync(name, { force: true });
    metrics.cniGate.set(0);
  }

  /** What keeps the gate from being in force. */
  #apply(): string | undefined {
    const { configuration, executables } = this.#directories;
    try {
      putExecutable(this.#executable, path.join(executables, CNI_TYPE));
      const plan = planCniFile(readFiles(configuration), this.#entry);
      const file = path.join(configuration, CNI_FILE);
      switch (plan.kind) {
        case 'in-force':
          return undefined;
        case 'wait':
          return plan.reason;
        case 'remove':
          rmSync(file);
          return 'there is no CNI configuration any more';
        case 'write':
          replaceFile(file, plan.text, OWNERS);
          // Whether it is the first one by name now.
          return this.#apply();
        default:
          return plan satisfies never;
      }
    } catch (thrown) {
      return LandbridgeError.from(thrown).message;
    }
  }

  #tell(problem: string | undefined): void {
    const told = problem ?? 'in force';
    if (told === this.#told) return;
    this.#told = told;
    if (problem === undefined) this.#log.info('pods start by the gate');
    else if (problem === NEWER) this.#log.info('a newer agent keeps the gate');
    else this.#log.warn({ error: problem }, 'the gate is not in force');
  }
}

function readFiles(directory: string): CniFiles {
  const names = readdirSync(directory).filter(isCniFile);
  if (names.length > MAX_FILES) throw new LandbridgeError('cni', `${directory} has more than ${MAX_FILES} files`);
  return new Map(names.flatMap((name) => {
    const file = path.join(directory, name);
    const status = statSync(file, { throwIfNoEntry: false });
    // A directory, or removed meanwhile.
    if (status?.isFile() !== true) return [];
    if (status.size > MAX_FILE_BYTES) throw new LandbridgeError('cni', `${file} has more than ${MAX_FILE_BYTES} bytes`);
    return [[name, readFileSync(file, 'utf8')] as const];
  }));
}

/** Replaces a file as a whole, in its own directory: runtimes notice nothing else, and a program that runs can not be written to. */
function replaceFile(file: string, content: string | Buffer, mode: number): void {
  const fresh = `${file}${UNFINISHED}`;
  rmSync(fresh, { force: true });
  const descriptor = openSync(fresh, 'wx', mode);
  try {
    // Whatever this process' umask takes away.
    fchmodSync(descriptor, mode);
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
}

function putExecutable(source: string, target: string): void {
  const wanted = readFileSync(source);
  const status = statSync(target, { throwIfNoEntry: false });
  if (status?.isFile() === true && (status.mode & 0o777) === EXECUTABLE && status.size === wanted.length && readFileSync(target).equals(wanted)) return;
  replaceFile(target, wanted, EXECUTABLE);
}
