import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** A process of the benchmark that talks by messages. It ends with its parent. */
export class BenchProcess implements Disposable {
  readonly #child: ChildProcess;

  /** `execArgv`: of Node.js. */
  constructor(file: string, args: readonly string[], execArgv: readonly string[] = ['--max-old-space-size=6144']) {
    this.#child = fork(path.join(import.meta.dirname, file), [...args], { execArgv: [...execArgv], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next message. */
  async next<T>(signal: AbortSignal): Promise<T> {
    const stop = new AbortController();
    const either = { signal: AbortSignal.any([signal, stop.signal]) };
    const ended = once(this.#child, 'exit', either).then(([status]) => {
      throw new Error(`a process of the benchmark ended with ${status}`);
    });
    try {
      const [message] = (await Promise.race([once(this.#child, 'message', either), ended])) as [T];
      return message;
    } finally {
      stop.abort();
      ended.catch(() => undefined);
    }
  }

  on<T>(seen: (message: T) => void): void {
    this.#child.on('message', seen);
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  [Symbol.dispose](): void {
    // Each of them ends by that, and takes what it has started with it.
    this.#child.disconnect();
  }
}
