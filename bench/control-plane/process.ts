import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { bundle } from '@landbridge/lab/program-bundles.ts';

export interface NodeSettings {
  readonly execArgv?: readonly string[];
  /** Besides the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What the federation service has in its container: of the limit of 768 MiB in charts/federation/values.yaml Node.js gives
 * V8 half, and a small young generation; malloc keeps no memory for each thread apart, nor what is large. `times`: the size of what is served.
 */
export const asInTheChart = (times: number, ...more: readonly string[]): NodeSettings => ({ execArgv: [`--max-old-space-size=${384 * Math.max(1, times)}`, '--max-semi-space-size=4', ...more], env: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '262144' } });

/** The file that a program of the benchmark is as one of images is; `source` is a path from the repository. */
export function asInTheImage(source: string): string {
  const file = `${source.replace(/\.ts$/, '').replaceAll('/', '-')}.cjs`;
  return path.join(bundle({ [file]: source }), file);
}

/** A process of the benchmark that talks by messages. It ends with its parent. */
export class BenchProcess implements Disposable {
  readonly #child: ChildProcess;

  constructor(file: string, args: readonly string[], { execArgv = ['--max-old-space-size=6144'], env = {} }: NodeSettings = {}) {
    this.#child = fork(path.resolve(import.meta.dirname, file), [...args], { execArgv: [...execArgv], env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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
