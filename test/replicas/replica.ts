/** Replicas of the federation service as processes of their own, at one API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { KubeConfig } from '@kubernetes/client-node';
import { freePorts } from '@landbridge/lab/free-ports.ts';
import { REPOSITORY } from '../command.ts';

export class Replica implements AsyncDisposable {
  readonly pod: string;
  readonly agentsPort: number;
  readonly adminPort: number;
  /** Lines of its log. */
  readonly log: Record<string, unknown>[] = [];
  readonly #monitoringPort: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(pod: string, config: KubeConfig, configuration: object, [agents, monitoring, admin]: readonly [number, number, number]) {
    this.pod = pod;
    this.agentsPort = agents;
    this.adminPort = admin;
    this.#monitoringPort = monitoring;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'landbridge-replica-'));
    const file = (name: string, text: string): string => {
      writeFileSync(path.join(this.#folder, name), text);
      return path.join(this.#folder, name);
    };
    const compiled = process.env['NODE_COMPILE_CACHE'];
    const env = {
      KUBECONFIG: file('kubeconfig', config.exportConfig()),
      LANDBRIDGE_CONFIG: file('config.json', JSON.stringify(configuration)),
      POD_NAMESPACE: 'landbridge-system',
      POD_NAME: pod,
      AGENTS_PORT: String(agents),
      MONITORING_PORT: String(monitoring),
      ADMIN_PORT: String(admin),
      ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }),
    };
    // The kernel ends it with the test, also where the test is killed.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, path.join(REPOSITORY, 'federation/main.ts')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.log.push(JSON.parse(line) as Record<string, unknown>));
  }

  /** `configuration`: as the chart would write it. */
  static async start(pod: string, config: KubeConfig, cluster = 'east', configuration: object = {}): Promise<Replica> {
    return new Replica(pod, config, { cluster: { name: cluster }, ...configuration }, await freePorts(3));
  }

  async isReady(): Promise<boolean> {
    return await fetch(`http://127.0.0.1:${this.#monitoringPort}/healthz/ready`).then((answer) => answer.ok, () => false);
  }

  async leads(): Promise<boolean> {
    return /^landbridge_leader 1$/m.test(await this.#metrics());
  }

  /** Objects that it has written or tried to write. */
  async writes(): Promise<number> {
    return [...(await this.#metrics()).matchAll(/^landbridge_output_(?:writes|failures)_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #metrics(): Promise<string> {
    return await fetch(`http://127.0.0.1:${this.#monitoringPort}/metrics`).then(async (answer) => await answer.text(), () => '');
  }

  /** Returns once it has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
