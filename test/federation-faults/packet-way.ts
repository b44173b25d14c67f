/** Ways whose packets can be lost, late, doubled and in another order; in the network namespace of this process, which must be its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Of packets in one direction. Parts are between 0 and 1. */
export interface Profile {
  readonly delayMs?: number;
  /** More or less than that. */
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplicate?: number;
  /** Sent at once. */
  readonly reorder?: number;
}

export interface Carried {
  readonly packets: number;
  readonly lost: number;
  readonly doubled: number;
  readonly early: number;
  /** Beginnings of connections that were let pass. */
  readonly dials: number;
}

export const NOTHING_PASSES: Profile = { loss: 1 };

export class PacketWays implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #exited: Promise<unknown>;

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process;
    this.#lines = createInterface(process.stdout);
    this.#exited = once(process, 'exit');
  }

  /** @param ports of the servers, which must listen at all addresses */
  static async open(ports: readonly number[]): Promise<PacketWays> {
    const ways = new PacketWays(spawn('setpriv', ['--pdeathsig', 'KILL', 'python3', path.join(import.meta.dirname, 'packet-way.py'), ...ports.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] }));
    await ways.#answer();
    return ways;
  }

  /** Of way 1 to 254. */
  address(way: number): string {
    return `10.77.${way}.2`;
  }

  /** `there` is from the client to the server. */
  async set(way: number, { there = {}, back = {} }: { readonly there?: Profile; readonly back?: Profile }): Promise<Carried> {
    this.#process.stdin.write(`${JSON.stringify({ way, there, back })}\n`);
    return JSON.parse(await this.#answer()) as Carried;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await this.#exited;
  }

  async #answer(): Promise<string> {
    const ended = this.#exited.then(() => Promise.reject(new Error('the ways ended')));
    const [line] = (await Promise.race([once(this.#lines, 'line'), ended])) as [string];
    return line;
  }
}
