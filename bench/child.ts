import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { onSide, type Processors, type Side } from './topology.ts';

const READY_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 5000;
const LOOK_EVERY_MS = 10;
const LAST_WORDS = 4;

/** How a process tells that it serves: a line `ready`, or a port that it listens at. */
export type Readiness = { readonly kind: 'line' } | { readonly kind: 'port'; readonly port: number };

/** A process on a side that serves until it is stopped. */
export class Child {
  readonly #process: ChildProcess;
  readonly #log: string;
  readonly #command: string;

  private constructor(child: ChildProcess, log: string, command: string) {
    this.#process = child;
    this.#log = log;
    this.#command = command;
  }

  /** Its standard error goes to the file `log`. Resolves once it serves. */
  static async start(side: Side, part: keyof Processors, argv: readonly string[], options: { readonly readiness: Readiness; readonly log: string; readonly signal: AbortSignal }): Promise<Child> {
    const [command = '', ...args] = onSide(side, part, argv);
    const errors = openSync(options.log, 'a');
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', errors], cwd: '/' });
    closeSync(errors);
    const started = new Child(child, options.log, argv[0] ?? '');
    try {
      await once(child, 'spawn');
      await started.#serves(options.readiness, options.signal);
      return started;
    } catch (thrown) {
      await started.stop();
      throw thrown;
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  get lastWords(): string {
    return readFileSync(this.#log, 'utf8').trim().split('\n').slice(-LAST_WORDS).join('\n');
  }

  async #serves(readiness: Readiness, signal: AbortSignal): Promise<void> {
    let output = '';
    this.#process.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output = `${output}${chunk}`.slice(-1024)));
    const end = performance.now() + READY_TIMEOUT_MS;
    while (!(readiness.kind === 'line' ? /^ready$/m.test(output) : this.#listensAt(readiness.port))) {
      if (this.hasEnded || performance.now() > end) {
        throw new LandbridgeError('command-failed', `${this.#command} ${this.hasEnded ? 'ended' : 'did not get ready'}: ${this.lastWords || output}`);
      }
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  /** proc_pid_net(5): of the process' own network namespace; state 0A is LISTEN. */
  #listensAt(port: number): boolean {
    try {
      const hex = port.toString(16).toUpperCase().padStart(4, '0');
      return new RegExp(`:${hex} 00000000:0000 0A `).test(readFileSync(`/proc/${this.pid}/net/tcp`, 'utf8'));
    } catch {
      // It ended: the caller sees that.
      return false;
    }
  }

  /** Ids of the processes that it has started. */
  get workers(): readonly number[] {
    try {
      return readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').split(' ').filter((word) => word !== '').map(Number);
    } catch {
      // It ended: nothing is left of it to measure.
      return [];
    }
  }

  async stop(): Promise<void> {
    if (this.hasEnded || this.#process.pid === undefined) return;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
  }
}
