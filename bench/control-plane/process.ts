import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** A process of the benchmark that talks by messages. It ends with its parent. */
export class BenchProcess implements Disposable {
  readonly #child: ChildProcess;

  constructor(file: string, args: readonly string[]) {
    this.#child = fork(path.join(import.meta.dirname, file), [...args], { execArgv: ['--max-old-space-size=6144'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** The next message. */
  async next<T>(signal: AbortSignal): Promise<T> {
    const [message] = (await once(this.#child, 'message', { signal })) as [T];
    return message;
  }

  on<T>(seen: (message: T) => void): void {
    this.#child.on('message', seen);
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
