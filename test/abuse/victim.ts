import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { ConnectionTuning } from '@landbridge/agent/proxy/thread-messages.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { type AgentSetup, balancePlan, hboneCandidate } from '../agents/agent.ts';
import { AgentProcess } from '../agents/agent-process.ts';
import { type Credentials, RawPeer, type RawPeerOptions } from './raw-peer.ts';
import type { WitnessReport } from './witness-program.ts';

const MIB = 2 ** 20;
/** A witness may wait so long on a machine that has other things to do, too. */
const LONGEST_GAP_MS = 1000;

/** A server pod in a process of its own, and a witness whose connection goes through it all the while. */
export class Victim {
  readonly agent: AgentProcess;
  readonly port: number;
  readonly credentials: Credentials;
  readonly #witness: ChildProcess;
  readonly #clientSetup: Omit<AgentSetup, 'pods'>;
  readonly #identities: { readonly victim: SpiffeId; readonly peer: SpiffeId };

  private constructor(agent: AgentProcess, credentials: Credentials, witness: ChildProcess, clientSetup: Omit<AgentSetup, 'pods'>, identities: { readonly victim: SpiffeId; readonly peer: SpiffeId }) {
    this.agent = agent;
    this.#clientSetup = clientSetup;
    this.#identities = identities;
    this.port = agent.port('victim', 'hbone');
    this.credentials = credentials;
    this.#witness = witness;
  }

  /** Gone with the test. */
  static async start(t: ExecutionContext, tuning: Partial<ConnectionTuning> = {}): Promise<Victim> {
    const authority = new TestAuthority('east.example');
    t.teardown(() => authority[Symbol.dispose]());
    const [own, peer] = [authority.certificate('victim'), authority.certificate('peer')];
    const trust = [['east.example', [authority.rootPem]]] as const;
    const witness = fork(path.join(import.meta.dirname, 'witness-program.ts'), { execArgv: [] });
    t.teardown(() => witness.kill('SIGKILL'));
    const [{ port }] = (await once(witness, 'message')) as [WitnessReport];
    const agent = await AgentProcess.start({ trust, tuning: { accessLog: 'off', ...tuning }, certificates: [own], pods: [{ uid: 'victim', identity: own.identity, listens: ['hbone'], policies: [] }] });
    t.teardown(async () => await agent[Symbol.asyncDispose]());
    const target = { ip: '127.0.0.1', port };
    const client = await AgentProcess.start({ trust, certificates: [peer], pods: [{ uid: 'witness', identity: peer.identity, listens: ['outbound'], destination: target, plan: balancePlan([hboneCandidate('victim', agent.port('victim', 'hbone'), target, [own.identity])]) }] });
    t.teardown(async () => await client[Symbol.asyncDispose]());
    const victim = new Victim(agent, { keyPem: peer.keyPem, chainPem: peer.chainPem, rootPem: authority.rootPem }, witness, { trust, certificates: [peer] }, { victim: own.identity, peer: peer.identity });
    witness.send({ askAt: client.port('witness', 'outbound') });
    while ((await victim.#report()).count === 0) {
      // The first answer has to come.
    }
    return victim;
  }

  /** A port through which an application of another pod reaches one behind the victim; by an agent of its own. */
  async client(t: ExecutionContext, applicationPort: number): Promise<number> {
    const target = { ip: '127.0.0.1', port: applicationPort };
    const agent = await AgentProcess.start({ ...this.#clientSetup, pods: [{ uid: 'client', identity: this.#identities.peer, listens: ['outbound'], destination: target, plan: balancePlan([hboneCandidate('victim', this.port, target, [this.#identities.victim])]) }] });
    t.teardown(async () => await agent[Symbol.asyncDispose]());
    return agent.port('client', 'outbound');
  }

  async #report(): Promise<WitnessReport> {
    const answer = once(this.#witness, 'message');
    this.#witness.send('report');
    return ((await answer) as [WitnessReport])[0];
  }

  async connect(options: RawPeerOptions = {}): Promise<RawPeer> {
    return await RawPeer.connect(this.port, this.credentials, options);
  }

  /** Failures since the agent began, by reason. */
  async failures(): Promise<Readonly<Record<string, number>>> {
    const { failures } = await this.agent.call('totals');
    return Object.fromEntries(Object.entries(failures).map(([key, count]) => [key.replace('inbound ', ''), count]));
  }

  /** Does something to the victim; tells what the witness saw meanwhile, how long it took, and how much memory came and stayed. */
  async under<T>(t: ExecutionContext, title: string, attack: () => Promise<T>, limits: { readonly growthBytes?: number } = {}): Promise<T> {
    await this.#report();
    const rssBefore = this.agent.rssBytes;
    let rssMost = rssBefore;
    const watch = setInterval(() => (rssMost = Math.max(rssMost, this.agent.rssBytes)), 50);
    const sinceMs = performance.now();
    try {
      return await attack();
    } finally {
      clearInterval(watch);
      rssMost = Math.max(rssMost, this.agent.rssBytes);
      const tookMs = performance.now() - sinceMs;
      const { count, p50Ms, p99Ms, longestMs, errors } = await this.#report();
      t.log(`${title}: ${tookMs.toFixed(0)} ms; witness ${count} times, p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)}, longest ${longestMs.toFixed(1)} ms; memory ${(rssBefore / MIB).toFixed(0)} MiB, at most ${((rssMost - rssBefore) / MIB).toFixed(1)} more`);
      t.deepEqual(errors, [], title);
      t.true(longestMs < LONGEST_GAP_MS, `${title}: the witness waited ${longestMs.toFixed(0)} ms`);
      if (limits.growthBytes !== undefined) t.true(rssMost - rssBefore <= limits.growthBytes, `${title}: ${((rssMost - rssBefore) / MIB).toFixed(1)} MiB more`);
    }
  }
}
