/** A NATS server of a test's own, on loopback, that may be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, cp, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { until } from '@landbridge/lab/until.ts';

export class TestNatsServer implements AsyncDisposable {
  readonly port: number;
  readonly #binary: string;
  readonly #directory: string;
  readonly #arguments: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(binary: string, directory: string, port: number, more: readonly string[]) {
    this.#binary = binary;
    this.#directory = directory;
    this.port = port;
    this.#arguments = more;
  }

  /** @param configFile when given, the store and the port must stand in that file; the callback gets both. @param at the port, where it is decided already */
  static async start(configFile?: (store: string, port: number) => Promise<string>, at?: number): Promise<TestNatsServer> {
    const binary = process.env['LANDBRIDGE_NATS_SERVER'];
    if (binary === undefined) throw new Error('LANDBRIDGE_NATS_SERVER must name a nats-server program; this test has no other way to a real hub');
    await access(binary, constants.X_OK);
    const directory = await mkdtemp(join(tmpdir(), 'landbridge-nats-'));
    const port = at ?? (await freePort());
    const store = join(directory, 'jetstream');
    const more = configFile === undefined ? ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', store] : ['-c', await configFile(store, port)];
    const server = new TestNatsServer(binary, directory, port, more);
    await server.boot();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async boot(): Promise<void> {
    // The kernel ends the server with the test, also where the test is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', this.#binary, ...this.#arguments], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
    });
    await until(() => `nats-server to listen: ${output}`, async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended: ${output}`);
      return await accepts(this.port);
    });
  }

  /** As a power cut does, without a goodbye. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stands still from now on, with all connections open. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** What the server, which does not run, has stored; `restore` puts it back into the place of what it has stored since. */
  async copyStore(): Promise<{ restore(): Promise<void> }> {
    const [store, copy] = [join(this.#directory, 'jetstream'), join(this.#directory, 'copy')];
    await cp(store, copy, { recursive: true });
    return {
      restore: async () => {
        await this.emptyStore();
        await cp(copy, store, { recursive: true });
      },
    };
  }

  async emptyStore(): Promise<void> {
    await rm(join(this.#directory, 'jetstream'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (yes: boolean) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', answer(true)).once('error', answer(false));
  });
}
