import type { ExecutionContext } from 'ava';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { ConnectionTuning } from '@landbridge/agent/proxy/thread-messages.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { Agent, balancePlan, hboneCandidate } from './agent.ts';
import { type Application, echo, startApplication } from './applications.ts';

export interface FleetServer {
  readonly name: string;
  readonly app: Application;
  readonly candidate: Candidate;
}

/** A client pod, and server pods with an application each, behind one agent or several. */
export interface Fleet {
  readonly authority: TestAuthority;
  readonly client: Agent;
  readonly clientPort: number;
  readonly servers: readonly FleetServer[];
  /** The agents of the servers, in their order. */
  readonly agents: readonly Agent[];
}

interface FleetOptions {
  readonly servers: number;
  readonly serve?: Parameters<typeof startApplication>[0];
  readonly tuning?: Partial<ConnectionTuning>;
  readonly policies?: readonly (readonly AuthorizationPolicy[])[];
}

/** Each server has an agent of its own; all are candidates of one rank. Gone with the test. */
export async function startFleet(t: ExecutionContext, { servers: count, serve = echo, tuning = {}, policies = [] }: FleetOptions): Promise<Fleet> {
  const authority = new TestAuthority('east.example');
  t.teardown(() => authority[Symbol.dispose]());
  const trust = [['east.example', [authority.rootPem]]] as const;
  const servers: FleetServer[] = [];
  const agents: Agent[] = [];
  for (let i = 0; i < count; i++) {
    const name = `server-${i}`;
    const app = await startApplication(serve);
    t.teardown(async () => await app[Symbol.asyncDispose]());
    const certificate = authority.certificate(name);
    const agent = await Agent.start({ trust, tuning, certificates: [certificate], pods: [{ uid: name, identity: certificate.identity, listens: ['hbone'], policies: policies[i] ?? [] }] });
    t.teardown(async () => await agent[Symbol.asyncDispose]());
    agents.push(agent);
    servers.push({ name, app, candidate: hboneCandidate(name, agent.port(name, 'hbone'), { ip: '127.0.0.1', port: app.port }, [certificate.identity]) });
  }
  const certificate = authority.certificate('client');
  const client = await Agent.start({ trust, tuning, certificates: [certificate], pods: [{ uid: 'client', identity: certificate.identity, listens: ['outbound'], destination: { ip: '127.0.0.1', port: 1 }, plan: balancePlan(servers.map(({ candidate }) => candidate)) }] });
  t.teardown(async () => await client[Symbol.asyncDispose]());
  return { authority, client, clientPort: client.port('client', 'outbound'), servers, agents };
}

/** The same way, tried before or after others. */
export const ranked = (candidate: Candidate, rank: number): Candidate => ({ ...candidate, rank });
