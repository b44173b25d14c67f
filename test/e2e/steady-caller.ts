import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DEMO_NAMESPACE } from '@landbridge/lab/demo.ts';
import { clusterEnvironment, kubectlCommand } from '@landbridge/lab/kubectl.ts';
import { type Answer, eventually } from './running-lab.ts';

/** A pod that calls a service without end, one call after the other, each on a connection of its own. */
export class SteadyCaller implements AsyncDisposable {
  readonly #argv: readonly string[];
  readonly #cluster: string;
  readonly #waiting = new Set<(answer: Answer, atMs: number) => void>();
  #child: ChildProcess | undefined;
  #isStopped = false;
  #ended: Promise<void> = Promise.resolve();
  answers = 0;
  /** What the calls said that had no answer. */
  readonly failures: string[] = [];

  constructor(cluster: string, url: string, everyMs: number) {
    this.#cluster = cluster;
    this.#argv = kubectlCommand(['-n', DEMO_NAMESPACE, 'exec', 'deploy/client', '--', '/bin/demo', 'get', url, '--count', '1000000', '--every', `${everyMs}ms`, '--timeout', '5s']);
    this.#start();
  }

  /** The program ends with the first call that fails. */
  #start(): void {
    const [command = '', ...args] = this.#argv;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...clusterEnvironment(this.#cluster) } });
    this.#child = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => this.#answered(JSON.parse(line) as Answer));
    this.#ended = new Promise((resolve) => child.once('close', () => {
      if (!this.#isStopped) {
        this.failures.push(said.trim());
        this.#start();
      }
      resolve();
    }));
  }

  #answered(answer: Answer): void {
    this.answers++;
    const atMs = performance.now();
    for (const waiting of this.#waiting) waiting(answer, atMs);
  }

  /** Resolves with the time of the first answer from now on that is as wanted. */
  async firstAnswer(isWanted: (answer: Answer) => boolean): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    const look = (answer: Answer, atMs: number): void => {
      if (isWanted(answer)) resolve(atMs);
    };
    this.#waiting.add(look);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** Until this many more calls were answered. */
  async goOn(calls: number): Promise<void> {
    const wanted = this.answers + calls;
    await eventually(`${calls} more answers; the last failure was: ${this.failures.at(-1) ?? 'none'}`, async () => (this.answers >= wanted ? true : undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#child?.kill();
    await this.#ended;
  }
}
