import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { outcomeOf } from '@landbridge/lab/run.ts';
import { Child } from './child.ts';
import type { Address } from './path.ts';
import { onSide, type Topology } from './topology.ts';

/** What one call of the load generator found; which numbers there are, depends on the mode. */
export type Findings = Readonly<Record<string, number>>;

export interface LoadOptions {
  readonly target: Address;
  readonly connections?: number;
  readonly bytes?: number;
  readonly seconds?: number;
  readonly warmSeconds?: number;
  /** The proxies. */
  readonly processes?: readonly number[];
  readonly signal: AbortSignal;
}

export type LoadMode = 'up' | 'down' | 'requests' | 'connections' | 'idle' | 'first' | 'check';

/** Where the application listens on its side. */
export const APPLICATION_PORT = 9001;
/** A measurement that takes longer than its time and this is stuck. */
const PATIENCE_MS = 60_000;

/** The application, and the callers that load it through a path. */
export class Load implements AsyncDisposable {
  readonly #program: string;
  readonly #topology: Topology;
  readonly #counters: string;
  readonly #server: Child;

  private constructor(program: string, topology: Topology, counters: string, server: Child) {
    this.#program = program;
    this.#topology = topology;
    this.#counters = counters;
    this.#server = server;
  }

  static async start(program: string, topology: Topology, directory: string, signal: AbortSignal): Promise<Load> {
    const counters = path.join(directory, `counters-${topology.name}`);
    const argv = [program, 'serve', '--address', '0.0.0.0', '--port', String(APPLICATION_PORT), '--counters', counters];
    const server = await Child.start(topology.server, 'load', argv, { readiness: { kind: 'line' }, log: path.join(directory, 'application.log'), signal });
    return new Load(program, topology, counters, server);
  }

  /** The application as its own side reaches it. */
  get local(): Address {
    return { ip: '127.0.0.1', port: APPLICATION_PORT };
  }

  /** The application as the callers reach it without a proxy. */
  get remote(): Address {
    return { ip: this.#topology.server.ip, port: APPLICATION_PORT };
  }

  async run(mode: LoadMode, options: LoadOptions): Promise<Findings> {
    const given: Readonly<Record<string, string | number | undefined>> = {
      '--address': options.target.ip,
      '--port': options.target.port,
      '--counters': this.#counters,
      '--server-pid': this.#server.pid,
      '--connections': options.connections,
      '--bytes': options.bytes,
      '--seconds': options.seconds,
      '--warm': options.warmSeconds,
      '--pids': options.processes?.join(',') || undefined,
    };
    const argv = [this.#program, mode, ...Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]))];
    return await findingsOf(onSide(this.#topology.client, 'load', argv), ((options.seconds ?? 0) + (options.warmSeconds ?? 0)) * 1000, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
  }
}

/** Runs a program that writes one JSON object of numbers. @throws LandbridgeError `command-failed` with its own words */
export async function findingsOf(argv: readonly string[], expectedMs: number, signal: AbortSignal): Promise<Findings> {
  const timeout = AbortSignal.timeout(expectedMs + PATIENCE_MS);
  try {
    const { status, stdout, stderr } = await outcomeOf(argv, { signal: AbortSignal.any([signal, timeout]) });
    if (status !== 0) throw new LandbridgeError('command-failed', stderr.trim() || `status ${status}`);
    return JSON.parse(stdout) as Findings;
  } catch (thrown) {
    if (timeout.aborted && !signal.aborted) throw new LandbridgeError('timeout', `no result within ${Math.round((expectedMs + PATIENCE_MS) / 1000)} s`);
    throw thrown;
  }
}
