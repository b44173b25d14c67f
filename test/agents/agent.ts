import { readdirSync } from 'node:fs';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Candidate, RoutePlan, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { DataPlane, DEFAULT_TUNING } from '@landbridge/agent/proxy/data-plane.ts';
import type { ConnectionEnd, ConnectionTuning, ConnectionView, PodSpec, ThreadGauges } from '@landbridge/agent/proxy/thread-messages.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { socketName } from '@landbridge/native/stream-socket.ts';

const HOST = '127.0.0.1';
const BACKLOG = 4096;
const REPORT_TIMEOUT_MS = 10_000;

type ListenerKind = 'outbound' | 'plaintext' | 'hbone';

export interface AgentPod {
  readonly uid: string;
  readonly identity: SpiffeId;
  readonly listens: readonly ListenerKind[];
  /** Where its applications' connections go, and what comes in plaintext. */
  readonly destination?: { readonly ip: string; readonly port: number };
  /** Undefined: none are told, as before discovery has answered. */
  readonly policies?: readonly AuthorizationPolicy[];
  /** For its connections to anywhere. */
  readonly plan?: RoutePlan;
}

/** All that an agent needs of a control plane; plain data, so that it can be told to another process. */
export interface AgentSetup {
  readonly threads?: number;
  readonly tuning?: Partial<ConnectionTuning>;
  readonly trust: readonly (readonly [trustDomain: string, roots: readonly string[]])[];
  readonly certificates: readonly { readonly identity: SpiffeId; readonly keyPem: string; readonly chainPem: string }[];
  readonly pods: readonly AgentPod[];
}

/** What an agent has reported since it began. */
export interface Totals {
  /** By `<direction> <FailureReason>`. */
  readonly failures: Readonly<Record<string, number>>;
  readonly ends: readonly ConnectionEnd[];
  readonly gauges: Omit<ThreadGauges, 'busy' | 'handshakesDone'>;
}

export interface Usage {
  readonly rssBytes: number;
  readonly openFiles: number;
}

/** Labels of a workload of which nothing is known but its name. */
export function labelsOf(workload: string, principal: string): WorkloadLabels {
  return { workload, namespace: 'test', canonicalName: workload, canonicalRevision: 'latest', cluster: 'test', region: '', zone: '', principal };
}

/** A way to a pod behind an hbone listener on loopback. */
export function hboneCandidate(id: string, port: number, target: { readonly ip: string; readonly port: number }, identities: readonly SpiffeId[], over: Partial<Candidate> = {}): Candidate {
  return { id, hop: 'hbone', address: HOST, port, authority: `${target.ip}:${target.port}`, identities, innerIdentities: [], localPod: undefined, target, weight: 1, rank: 0, labels: labelsOf(id, identities[0] ?? ''), ...over };
}

export function balancePlan(candidates: readonly Candidate[], over: Partial<Extract<RoutePlan, { kind: 'balance' }>> = {}): RoutePlan {
  return { kind: 'balance', service: undefined, candidates, limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none', ...over };
}

/** The data plane of the product between listeners on loopback, with a control plane of a few maps. */
export class Agent implements AsyncDisposable {
  readonly #plane: DataPlane;
  readonly #pods = new Map<string, AgentPod>();
  readonly #plans = new Map<string, RoutePlan>();
  readonly #ports = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #ends: ConnectionEnd[] = [];
  readonly #warnings: string[] = [];
  #handshakesDone = 0;
  #stopped: Promise<void> | undefined;

  private constructor(setup: AgentSetup) {
    this.#plane = new DataPlane(setup.threads ?? 1, { ...DEFAULT_TUNING, ...setup.tuning }, {
      plan: (uid) => this.#plans.get(uid) ?? { kind: 'refuse', reason: 'no plan', service: undefined },
      inbound: (_, authority) => ({ kind: 'dial', port: Number(authority.slice(authority.lastIndexOf(':') + 1)), service: undefined, tunnel: undefined, proxyDestination: undefined }),
      warn: (text, fields) => {
        if (this.#warnings.length < 1000) this.#warnings.push(`${text} ${JSON.stringify(fields)}`);
      },
      died: (_, error) => {
        process.stderr.write(`a data thread died: ${error.stack}\n`);
        process.exit(1);
      },
    });
  }

  static async start(setup: AgentSetup): Promise<Agent> {
    const agent = new Agent(setup);
    await agent.#plane.ready;
    agent.#plane.setTrust(setup.trust);
    for (const { identity, keyPem, chainPem } of setup.certificates) agent.#plane.setCertificate(identity, keyPem, chainPem);
    for (const pod of setup.pods) agent.addPod(pod);
    return agent;
  }

  addPod(pod: AgentPod): void {
    const { uid, identity, listens, destination, policies, plan } = pod;
    this.#pods.set(uid, pod);
    if (plan !== undefined) this.#plans.set(uid, plan);
    const listeners: Record<ListenerKind, number[]> = { outbound: [], plaintext: [], hbone: [] };
    for (const kind of listens) {
      listeners[kind] = listenHere(HOST, 0, BACKLOG, this.#plane.threads);
      this.#ports.set(`${uid} ${kind}`, portOf(socketName(listeners[kind][0] ?? -1, 'local') ?? Buffer.alloc(0)));
    }
    this.#plane.setPod(this.#specOf(uid, identity, destination), listeners);
    if (policies !== undefined) this.#plane.setPolicies(uid, policies);
  }

  #specOf(uid: string, identity: SpiffeId, destination: AgentPod['destination']): Omit<PodSpec, 'listeners'> {
    return { uid, kind: 'pod', identity, addresses: [HOST], labels: labelsOf(uid, identity), baggage: `k8s.namespace.name=test,service.name=${uid}`, network: '', handles: undefined, fixedDestination: destination, services: [], applicationTunnel: undefined };
  }

  /** Of a pod's listener. */
  port(uid: string, kind: ListenerKind): number {
    const port = this.#ports.get(`${uid} ${kind}`);
    if (port === undefined) throw new Error(`${uid} does not listen for ${kind}`);
    return port;
  }

  ports(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#ports);
  }

  async removePod(uid: string, drainMs: number): Promise<void> {
    await this.#plane.removePod(uid, drainMs);
  }

  setTrust(trust: AgentSetup['trust']): void {
    this.#plane.setTrust(trust);
  }

  setCertificate({ identity, keyPem, chainPem }: AgentSetup['certificates'][number]): void {
    this.#plane.setCertificate(identity, keyPem, chainPem);
  }

  /** Resolves once all that was told is in force. */
  async caughtUp(): Promise<void> {
    await this.#plane.caughtUp();
  }

  setPolicies(uid: string, policies: readonly AuthorizationPolicy[]): void {
    this.#plane.setPolicies(uid, policies);
  }

  setPlan(uid: string, plan: RoutePlan): void {
    this.#plans.set(uid, plan);
    this.#plane.refreshPlans((of) => of === uid);
  }

  async totals(): Promise<Totals> {
    const reports = (await this.#plane.reports(REPORT_TIMEOUT_MS)).map(({ report }) => report);
    if (reports.length !== this.#plane.threads) throw new Error('a data thread did not answer');
    for (const { failures, ends, gauges } of reports) {
      this.#handshakesDone += gauges.handshakesDone;
      for (const [direction, reason, count] of failures) this.#failures.set(`${direction} ${reason}`, (this.#failures.get(`${direction} ${reason}`) ?? 0) + count);
      this.#ends.push(...ends);
    }
    const sum = (of: keyof Totals['gauges']): number => reports.reduce((total, { gauges }) => total + gauges[of], 0);
    return { failures: Object.fromEntries(this.#failures), ends: this.#ends, gauges: { openConnections: sum('openConnections'), clientSessions: sum('clientSessions'), serverSessions: sum('serverSessions'), handshakes: sum('handshakes'), sockets: sum('sockets') } };
  }

  /** Of all reports so far: finished handshakes of those who called. */
  get handshakesDone(): number {
    return this.#handshakesDone;
  }

  async connections(): Promise<readonly ConnectionView[]> {
    return await this.#plane.connections(REPORT_TIMEOUT_MS);
  }

  warnings(): readonly string[] {
    return this.#warnings;
  }

  usage(): Usage {
    return { rssBytes: process.memoryUsage.rss(), openFiles: readdirSync('/proc/self/fd').length };
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#plane.drain(AbortSignal.timeout(deadlineMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#stopped ??= this.#plane[Symbol.asyncDispose]());
  }
}
