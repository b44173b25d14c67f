import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** A program of this folder in a process of its own, and the last that it told. */
export class Child<Message> implements AsyncDisposable {
  readonly #process: ChildProcess;
  /** What it told before anything else. */
  readonly first: Promise<Message>;
  last: Message | undefined;

  constructor(program: string, args: readonly string[] = []) {
    this.#process = fork(path.join(import.meta.dirname, program), args, { execArgv: [] });
    this.first = once(this.#process, 'message').then(([message]) => message as Message);
    this.#process.on('message', (message: Message) => (this.last = message));
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  send(message: object | string): void {
    this.#process.send(message);
  }

  async kill(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) await this.kill();
  }
}
