import { setTimeout as delay } from 'node:timers/promises';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { balancePlan, hboneCandidate } from '../agents/agent.ts';
import { AgentProcess } from '../agents/agent-process.ts';
import { Child } from './child.ts';
import type { TransferCounts, TransferMessage, TransferOrder } from './transfer-program.ts';

export interface TransferResult {
  /** Verified at the end to which they came. */
  readonly bytes: number;
  readonly complete: number;
  readonly reset: number;
  readonly faults: readonly string[];
  readonly durationMs: number;
  readonly rssBytes: { readonly client: number; readonly server: number };
  readonly failures: Readonly<Record<string, number>>;
}

const LOOK_EVERY_MS = 200;
const SETTLE_MS = 30_000;
const NOTHING: TransferCounts = { bytes: 0, complete: 0, reset: 0, faults: [] };

const countsOf = ({ last }: Child<TransferMessage>): TransferCounts => (last?.kind === 'counts' ? last.counts : NOTHING);

/** Carries bytes through a pair of agents until there were as many as asked, and holds each against what it should be. */
export async function runTransfers(order: Omit<TransferOrder, 'port'>, onProgress: (bytes: number) => void = () => {}): Promise<TransferResult> {
  using authority = new TestAuthority('east.example');
  const [clientCertificate, serverCertificate] = [authority.certificate('client'), authority.certificate('server')];
  const trust = [['east.example', [authority.rootPem]]] as const;
  await using server = new Child<TransferMessage>('transfer-program.ts', ['server']);
  await using client = new Child<TransferMessage>('transfer-program.ts', ['client']);
  const listening = await server.first;
  const target = { ip: '127.0.0.1', port: listening.kind === 'listening' ? listening.port : 0 };
  const tuning = { accessLog: 'off' } as const;
  await using far = await AgentProcess.start({ trust, tuning, certificates: [serverCertificate], pods: [{ uid: 'server', identity: serverCertificate.identity, listens: ['hbone'], policies: [] }] });
  const plan = balancePlan([hboneCandidate('server', far.port('server', 'hbone'), target, [serverCertificate.identity])]);
  await using near = await AgentProcess.start({ trust, tuning, certificates: [clientCertificate], pods: [{ uid: 'client', identity: clientCertificate.identity, listens: ['outbound'], destination: target, plan }] });

  const startedAtMs = performance.now();
  client.send({ ...order, port: near.port('client', 'outbound') } satisfies TransferOrder);
  const isDone = (): boolean => client.last?.kind === 'counts' && client.last.isDone;
  while (!isDone() && countsOf(server).faults.length === 0) {
    await delay(LOOK_EVERY_MS);
    onProgress(countsOf(client).bytes + countsOf(server).bytes);
    if (client.hasEnded || server.hasEnded) throw new Error('an application ended');
  }
  const durationMs = performance.now() - startedAtMs;
  const rssBytes = { client: near.rssBytes, server: far.rssBytes };
  // What was cut is told to the server a little later; all that was whole must be so at both ends.
  const settled = performance.now() + SETTLE_MS;
  const isSettled = (): boolean => countsOf(server).complete >= countsOf(client).complete;
  while (!isSettled() && performance.now() < settled && countsOf(server).faults.length === 0) await delay(LOOK_EVERY_MS);
  // What one end noticed has hurt the other one as well, which may have been the sooner to tell.
  const heard = [client.last, server.last];
  if (countsOf(client).faults.length + countsOf(server).faults.length > 0) {
    while ((client.last === heard[0] && !client.hasEnded) || (server.last === heard[1] && !server.hasEnded)) await delay(LOOK_EVERY_MS);
  }
  const faults = Object.entries({ client, server }).flatMap(([name, end]) => countsOf(end).faults.map((fault) => ({ name, ...fault }))).sort((a, b) => a.atNs - b.atNs).map(({ name, text }) => `${name}: ${text}`);
  if (faults.length === 0 && countsOf(client).complete !== countsOf(server).complete) faults.push(`the client completed ${countsOf(client).complete} connections, the server ${countsOf(server).complete}`);
  const failures = { ...(await near.call('totals')).failures, ...(await far.call('totals')).failures };
  return { bytes: countsOf(client).bytes + countsOf(server).bytes, complete: countsOf(client).complete, reset: countsOf(client).reset, faults, durationMs, rssBytes, failures };
}
