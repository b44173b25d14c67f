import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Agent, AgentSetup } from './agent.ts';
import type { AgentCall, AgentMethod, AgentReply } from './agent-program.ts';

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** An {@link Agent} in a process of its own, whose memory can be read and which can be killed. */
export class AgentProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<unknown>;
  #ports: Readonly<Record<string, number>> = {};
  #nextId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'exit');
    child.on('message', (reply: AgentReply) => {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if ('error' in reply) pending?.reject(new Error(reply.error));
      else pending?.resolve(reply.value);
    });
    child.on('exit', (status, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the agent's process ended: ${signal ?? status}`));
      this.#pending.clear();
    });
  }

  static async start(setup: AgentSetup): Promise<AgentProcess> {
    const agent = new AgentProcess(fork(path.join(import.meta.dirname, 'agent-program.ts'), { serialization: 'advanced', execArgv: [] }));
    await agent.#call('start', [setup]);
    agent.#ports = await agent.call('ports');
    return agent;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async call<M extends AgentMethod>(method: M, ...args: Parameters<Agent[M]>): Promise<Awaited<ReturnType<Agent[M]>>> {
    return (await this.#call(method, args)) as Awaited<ReturnType<Agent[M]>>;
  }

  async #call(method: AgentCall['method'], args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    this.#child.send({ id, method, args } as AgentCall);
    return await promise;
  }

  port(uid: string, kind: 'outbound' | 'plaintext' | 'hbone'): number {
    const port = this.#ports[`${uid} ${kind}`];
    if (port === undefined) throw new Error(`${uid} does not listen for ${kind}`);
    return port;
  }

  /** Resident memory, as the kernel counts it. */
  get rssBytes(): number {
    return residentBytes(this.pid);
  }

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return;
    this.#child.disconnect();
    await this.#ended;
  }
}

/** VmRSS of proc_pid_status(5). */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
}
