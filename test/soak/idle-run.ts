import { setTimeout as delay } from 'node:timers/promises';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { balancePlan, hboneCandidate } from '../agents/agent.ts';
import { AgentProcess } from '../agents/agent-process.ts';
import { eventually } from '../agents/eventually.ts';
import { Child } from './child.ts';
import type { IdleMessage, IdleOrder } from './idle-program.ts';

/** For memory that is given back late. */
const SETTLE_MS = 3000;

export interface IdleConnections {
  readonly count: number;
  /** Resident memory of both agents: before, with all connections, and without any again; for each time that they were opened. */
  readonly rounds: readonly { readonly client: Readonly<Record<'before' | 'held' | 'after', number>>; readonly server: Readonly<Record<'before' | 'held' | 'after', number>> }[];
}

/** Holds many connections through a pair of agents that have carried some before. */
export async function holdConnections(count: number, rounds: number): Promise<IdleConnections> {
  using authority = new TestAuthority('east.example');
  const [clientCertificate, serverCertificate] = [authority.certificate('client'), authority.certificate('server')];
  const trust = [['east.example', [authority.rootPem]]] as const;
  const tuning = { accessLog: 'off', poolIdleMs: 1000 } as const;
  await using server = new Child<IdleMessage>('idle-program.ts', ['server']);
  await using client = new Child<IdleMessage>('idle-program.ts', ['client']);
  const listening = await server.first;
  const target = { ip: '127.0.0.1', port: listening.kind === 'listening' ? listening.port : 0 };
  await using far = await AgentProcess.start({ trust, tuning, certificates: [serverCertificate], pods: [{ uid: 'server', identity: serverCertificate.identity, listens: ['hbone'], policies: [] }] });
  const plan = balancePlan([hboneCandidate('server', far.port('server', 'hbone'), target, [serverCertificate.identity])]);
  await using near = await AgentProcess.start({ trust, tuning, certificates: [clientCertificate], pods: [{ uid: 'client', identity: clientCertificate.identity, listens: ['outbound'], destination: target, plan }] });

  const order = (message: IdleOrder): void => client.send(message);
  const hold = async (held: number): Promise<void> => {
    order({ kind: 'hold', port: near.port('client', 'outbound'), count: held });
    await eventually(() => client.last, (last) => {
      if (last?.kind === 'failed') throw new Error(last.text);
      return last?.kind === 'held' && last.count === held;
    }, 120_000);
  };
  const release = async (): Promise<void> => {
    order({ kind: 'release' });
    for (const agent of [near, far]) await eventually(async () => (await agent.call('totals')).gauges, ({ openConnections, clientSessions, serverSessions }) => openConnections + clientSessions + serverSessions === 0, 60_000);
  };
  const look = async (): Promise<readonly [client: number, server: number]> => {
    await delay(SETTLE_MS);
    return [near.rssBytes, far.rssBytes];
  };

  // Code that was never run is not compiled yet.
  await hold(200);
  await release();
  const results: IdleConnections['rounds'][number][] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await look();
    await hold(count);
    const held = await look();
    await release();
    const after = await look();
    results.push({ client: { before: before[0], held: held[0], after: after[0] }, server: { before: before[1], held: held[1], after: after[1] } });
  }
  return { count, rounds: results };
}

export interface IdlePods {
  readonly count: number;
  /** Resident memory of an agent without pods, and with all. */
  readonly none: number;
  readonly all: number;
}

/** An agent that serves pods that do nothing, each with an identity of its own. */
export async function holdPods(count: number): Promise<IdlePods> {
  using authority = new TestAuthority('east.example');
  const certificates = Array.from({ length: count }, (_, i) => authority.certificate(`pod-${i}`));
  await using agent = await AgentProcess.start({ trust: [['east.example', [authority.rootPem]]], certificates, pods: [] });
  await delay(SETTLE_MS);
  const none = agent.rssBytes;
  for (const [i, { identity }] of certificates.entries()) await agent.call('addPod', { uid: `pod-${i}`, identity, listens: ['outbound', 'plaintext', 'hbone'], policies: [] });
  await delay(SETTLE_MS);
  return { count, none, all: agent.rssBytes };
}
