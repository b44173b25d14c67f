import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { type AgentSetup, balancePlan, hboneCandidate } from '../agents/agent.ts';
import { AgentProcess } from '../agents/agent-process.ts';
import { eventually } from '../agents/eventually.ts';
import { Child } from './child.ts';
import type { Loss, MixedCounts, MixedOrder } from './mixed-program.ts';
import type { TransferMessage } from './transfer-program.ts';

export interface MixedOptions {
  readonly durationMs: number;
  readonly callers: number;
  readonly faultEveryMs: number;
}

export interface RssSample {
  readonly atMs: number;
  readonly bytes: number;
}

export interface MixedResult {
  readonly counts: MixedCounts;
  /** Things that were killed or replaced. */
  readonly faultsMade: number;
  /** Connections that broke when nothing was killed. */
  readonly unexplained: readonly Loss[];
  readonly rss: { readonly client: readonly RssSample[]; readonly server: readonly RssSample[] };
  /** Of the client's agent and of the one server's agent that is never replaced. */
  readonly left: { readonly client: Left; readonly server: Left };
}

export interface Left {
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly connections: number;
  readonly sessions: number;
  readonly handshakes: number;
}

/** A connection may still fail for so long after its peer was killed, or was dialled just before. */
const EXPLAINED_MS = 3000;
const SAMPLE_EVERY_MS = 1000;
const DRAIN_MS = 6000;
/** Short, so that unused tunnels end while the test looks on. */
const POOL_IDLE_MS = 2000;

type Trust = AgentSetup['trust'];

/** An agent with one pod and its application, either of which may die and come again. */
class FaultyServer implements AsyncDisposable {
  readonly #trust: Trust;
  readonly #certificate: ReturnType<TestAuthority['certificate']>;
  readonly name: string;
  #app: Child<TransferMessage>;
  #appPort = 0;
  agent: AgentProcess;

  private constructor(name: string, trust: Trust, certificate: ReturnType<TestAuthority['certificate']>, app: Child<TransferMessage>, agent: AgentProcess) {
    this.name = name;
    this.#trust = trust;
    this.#certificate = certificate;
    this.#app = app;
    this.agent = agent;
  }

  static async start(name: string, trust: Trust, certificate: ReturnType<TestAuthority['certificate']>): Promise<FaultyServer> {
    const server = new FaultyServer(name, trust, certificate, new Child('transfer-program.ts', ['server']), await startAgent(name, trust, certificate));
    await server.#listen();
    return server;
  }

  async #listen(): Promise<void> {
    const message = await this.#app.first;
    if (message.kind === 'listening') this.#appPort = message.port;
  }

  get identity(): SpiffeId {
    return this.#certificate.identity;
  }

  get candidate(): Candidate {
    return hboneCandidate(this.name, this.agent.port(this.name, 'hbone'), { ip: '127.0.0.1', port: this.#appPort }, [this.identity]);
  }

  async killApplication(): Promise<void> {
    await this.#app.kill();
    this.#app = new Child('transfer-program.ts', ['server']);
    await this.#listen();
  }

  async killAgent(): Promise<void> {
    await this.agent.kill();
    this.agent = await startAgent(this.name, this.#trust, this.#certificate);
  }

  /** Another agent takes the place; the old one ends when its connections have. */
  async replaceAgent(announce: () => Promise<void>): Promise<void> {
    const old = this.agent;
    this.agent = await startAgent(this.name, this.#trust, this.#certificate);
    await announce();
    await old.call('drain', DRAIN_MS);
    await old[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app[Symbol.asyncDispose]();
    await this.agent[Symbol.asyncDispose]();
  }
}

async function startAgent(name: string, trust: Trust, certificate: ReturnType<TestAuthority['certificate']>): Promise<AgentProcess> {
  return await AgentProcess.start({ trust, tuning: { accessLog: 'errors', poolIdleMs: POOL_IDLE_MS }, certificates: [certificate], pods: [{ uid: name, identity: certificate.identity, listens: ['hbone'], policies: [] }] });
}

const openFiles = ({ pid }: AgentProcess): number => readdirSync(`/proc/${pid}/fd`).length;

async function leftOf(agent: AgentProcess, filesBefore: number): Promise<Left> {
  const look = async (): Promise<Left> => {
    const { gauges } = await agent.call('totals');
    return { filesBefore, filesAfter: openFiles(agent), connections: gauges.openConnections, sessions: gauges.clientSessions + gauges.serverSessions, handshakes: gauges.handshakes };
  };
  const isEmpty = (left: Left): boolean => left.filesAfter <= left.filesBefore && left.connections + left.sessions + left.handshakes === 0;
  try {
    return await eventually(look, isEmpty, 40_000);
  } catch {
    // Judged by who asked.
    return await look();
  }
}

/** Calls of all kinds through a client's agent to three servers, of which applications and agents die, are replaced or were never there. */
export async function runMixed({ durationMs, callers, faultEveryMs }: MixedOptions, onProgress: (counts: MixedCounts) => void = () => {}): Promise<MixedResult> {
  using authority = new TestAuthority('east.example');
  const trust = [['east.example', [authority.rootPem]]] as const;
  await using stable = await FaultyServer.start('stable', trust, authority.certificate('stable'));
  await using killed = await FaultyServer.start('killed', trust, authority.certificate('killed'));
  await using replaced = await FaultyServer.start('replaced', trust, authority.certificate('replaced'));
  const servers = [stable, killed, replaced];
  const certificate = authority.certificate('client');
  const pod = { identity: certificate.identity, listens: ['outbound'], destination: { ip: '127.0.0.1', port: 1 } } as const;
  await using near = await AgentProcess.start({ trust, tuning: { accessLog: 'errors', poolIdleMs: POOL_IDLE_MS }, certificates: [certificate], pods: [{ ...pod, uid: 'client' }, { ...pod, uid: 'unlucky' }] });
  const announce = async (): Promise<void> => {
    const candidates = servers.map(({ candidate }) => candidate);
    await near.call('setPlan', 'client', balancePlan(candidates));
    // Port 1 refuses; so does an application's port that nobody listens at.
    const [first] = candidates as [Candidate];
    await near.call('setPlan', 'unlucky', balancePlan([...candidates, { ...first, id: 'refused', port: 1 }, { ...first, id: 'no application', authority: '127.0.0.1:1' }]));
  };
  await announce();
  const files = { client: openFiles(near), server: openFiles(stable.agent) };

  await using client = new Child<MixedCounts>('mixed-program.ts');
  const [clientPort, unluckyPort] = [near.port('client', 'outbound'), near.port('unlucky', 'outbound')];
  client.send({ callers, ports: [...Array.from({ length: 49 }, () => clientPort), unluckyPort] } satisfies MixedOrder);
  const rss = { client: [] as RssSample[], server: [] as RssSample[] };
  const kills: number[] = [];
  const startedAtMs = Date.now();
  const faults: readonly (() => Promise<void>)[] = [
    async () => {
      kills.push(Date.now());
      await killed.killApplication();
      await announce();
      kills.push(Date.now());
    },
    async () => await replaced.replaceAgent(announce),
    async () => {
      kills.push(Date.now());
      await killed.killAgent();
      await announce();
      kills.push(Date.now());
    },
  ];
  let faultsMade = 0;
  let nextFaultAtMs = startedAtMs + faultEveryMs;
  let nextSampleAtMs = startedAtMs;
  while (Date.now() < startedAtMs + durationMs) {
    await delay(100);
    if (client.hasEnded) throw new Error('the callers ended');
    if (Date.now() >= nextSampleAtMs) {
      nextSampleAtMs += SAMPLE_EVERY_MS;
      rss.client.push({ atMs: Date.now() - startedAtMs, bytes: near.rssBytes });
      rss.server.push({ atMs: Date.now() - startedAtMs, bytes: stable.agent.rssBytes });
      if (client.last !== undefined) onProgress(client.last);
    }
    if (Date.now() < nextFaultAtMs) continue;
    nextFaultAtMs = Date.now() + faultEveryMs;
    await faults[faultsMade++ % faults.length]?.();
  }
  client.send('stop');
  const counts = await eventually(() => client.last, (last) => last?.isDone === true, 90_000);
  const left = { client: await leftOf(near, files.client), server: await leftOf(stable.agent, files.server) };
  const isExplained = ({ sinceMs, atMs }: Loss): boolean => kills.some((killedAtMs) => killedAtMs <= atMs && killedAtMs >= sinceMs - EXPLAINED_MS);
  return { counts: counts as MixedCounts, faultsMade, unexplained: (counts as MixedCounts).losses.filter((loss) => !isExplained(loss)), rss, left };
}

/** Growth in MiB an hour, by least squares. */
export function slopeOf(samples: readonly RssSample[]): number {
  const count = samples.length;
  const meanAt = samples.reduce((sum, { atMs }) => sum + atMs, 0) / count;
  const meanBytes = samples.reduce((sum, { bytes }) => sum + bytes, 0) / count;
  const covariance = samples.reduce((sum, { atMs, bytes }) => sum + (atMs - meanAt) * (bytes - meanBytes), 0);
  const variance = samples.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  return ((covariance / variance) * 3_600_000) / 2 ** 20;
}
