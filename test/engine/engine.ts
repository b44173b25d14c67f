/**
 * A data plane in the process of a test: its threads are workers, its pods listen on loopback, and discovery is what
 * the test says.
 */
import type { RoutePlan, ServiceLabels } from '@landbridge/core/route-plan.ts';
import type { Candidate } from '@landbridge/core/route-plan.ts';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { DataPlane, DEFAULT_TUNING } from '@landbridge/agent/proxy/data-plane.ts';
import type { ConnectionEnd, ConnectionTuning, InboundAnswer, PodSpec, RouteDestination, ThreadGauges } from '@landbridge/agent/proxy/thread-messages.ts';
import { workloadLabels } from '@landbridge/agent/proxy/test-reports.ts';
import { portOf } from '@landbridge/native/socket-address.ts';
import { listenHere } from '@landbridge/native/sockets.ts';
import { socketName } from '@landbridge/native/stream-socket.ts';

const BACKLOG = 256;
const REPORT_TIMEOUT_MS = 5000;
const PATIENCE_MS = 60_000;
export const HERE = '127.0.0.1';

export interface TestIdentity {
  readonly identity: SpiffeId;
  readonly keyPem: string;
  /** Empty: it is still to come, by `certify`. */
  readonly chainPem: string;
}

export interface TestPod {
  readonly uid: string;
  /** Of its listener. */
  readonly port: number;
}

export interface EngineOptions {
  readonly tuning?: Partial<ConnectionTuning>;
  readonly threads?: number;
}

/** What failed, as `direction reason`, with how often. */
export type Failures = Readonly<Record<string, number>>;

const REFUSE = (): InboundAnswer => ({ kind: 'refuse', status: 400, reason: 'nobody knows it' });
const NO_PLAN: RoutePlan = { kind: 'refuse', reason: 'nobody knows it', service: undefined };
const SERVICE: ServiceLabels = { hostname: 'echo.test.svc.cluster.local', namespace: 'test', name: 'echo' };

export class TestEngine implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly warnings: { readonly text: string; readonly fields: Readonly<Record<string, string>> }[] = [];
  readonly ends: ConnectionEnd[] = [];
  /** Identities whose certificates threads lack. */
  readonly wanted: SpiffeId[] = [];
  readonly #failures = new Map<string, number>();
  /** Dials that opened and that failed, by cluster. */
  readonly dials = new Map<string, readonly [opened: number, failed: number]>();
  readonly #plans = new Map<string, (destination: RouteDestination) => RoutePlan>();
  /** What discovery says of authorities that are not the pod's own address. */
  inbound: (uid: string, authority: string, localIp: string) => InboundAnswer = REFUSE;
  readonly #pods: string[] = [];
  readonly #certificates = new Map<SpiffeId, string>();
  readonly #threads: number;

  /** What is told before its threads run waits for them. */
  constructor({ tuning = {}, threads = 1 }: EngineOptions = {}) {
    this.#threads = threads;
    this.plane = new DataPlane(threads, { ...DEFAULT_TUNING, ...tuning }, {
      plan: (uid, destination) => this.#plans.get(uid)?.(destination) ?? NO_PLAN,
      inbound: (...question) => this.inbound(...question),
      certificateWanted: (identity) => this.wanted.push(identity),
      warn: (text, fields) => this.warnings.push({ text, fields }),
      died: (_, error) => {
        throw error;
      },
    });
  }

  /** Roots by trust domain. */
  trust(...authorities: readonly { readonly trustDomain: string; readonly rootPem: string }[]): void {
    this.plane.setTrust(authorities.map(({ trustDomain, rootPem }) => [trustDomain, [rootPem]]));
  }

  /** The certificate of all pods with its identity. */
  certify({ identity, keyPem, chainPem }: TestIdentity): void {
    this.#certificates.set(identity, chainPem);
    this.plane.setCertificate(identity, keyPem, chainPem);
  }

  #pod(kind: 'outbound' | 'plaintext' | 'hbone', own: TestIdentity, over: Partial<PodSpec>, policies: readonly AuthorizationPolicy[] | null): TestPod {
    const uid = `pod-${this.#pods.length}`;
    this.#pods.push(uid);
    const fds = listenHere(HERE, 0, BACKLOG, this.#threads);
    const port = portOf(socketName(fds[0] as number, 'local') ?? Buffer.alloc(0));
    const labels = workloadLabels(uid, { principal: own.identity });
    if (own.chainPem !== '' && this.#certificates.get(own.identity) !== own.chainPem) this.certify(own);
    this.plane.setPod({ uid, kind: 'pod', identity: own.identity, addresses: [], labels, baggage: '', network: '', handles: undefined, fixedDestination: undefined, services: [], applicationTunnel: undefined, ...over }, { outbound: [], plaintext: [], hbone: [], [kind]: fds });
    this.#plans.set(uid, () => NO_PLAN);
    if (policies !== null) this.plane.setPolicies(uid, policies);
    return { uid, port };
  }

  /** A pod that takes tunnels; null: its policies are not known yet. */
  server(own: TestIdentity, over: Partial<PodSpec> = {}, policies: readonly AuthorizationPolicy[] | null = []): TestPod {
    return this.#pod('hbone', own, over, policies);
  }

  /** A pod to which connections come without a tunnel, for an application on a port of loopback. */
  plaintext(own: TestIdentity, port: number, policies: readonly AuthorizationPolicy[] | null = []): TestPod {
    return this.#pod('plaintext', own, { fixedDestination: { ip: HERE, port } }, policies);
  }

  /** A pod whose connections all go to candidates that a test chooses. */
  client(own: TestIdentity, candidates: readonly Candidate[], over: Partial<PodSpec> = {}): TestPod {
    const pod = this.#pod('outbound', own, { fixedDestination: { ip: '192.0.2.1', port: 80 }, ...over }, []);
    this.plans(pod.uid, () => ({ kind: 'balance', service: SERVICE, candidates, limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' }));
    return pod;
  }

  /** Where connections of a pod, or through a gateway, go. */
  plans(uid: string, plan: (destination: RouteDestination) => RoutePlan): void {
    this.#plans.set(uid, plan);
  }

  /** Takes what the threads have to tell. */
  async report(): Promise<ThreadGauges> {
    const reports = await this.plane.reports(REPORT_TIMEOUT_MS);
    for (const { report } of reports) {
      for (const [direction, reason, count] of report.failures) this.#failures.set(`${direction} ${reason}`, (this.#failures.get(`${direction} ${reason}`) ?? 0) + count);
      for (const [cluster, opened, failed] of report.dials) {
        const [before, failedBefore] = this.dials.get(cluster) ?? [0, 0];
        this.dials.set(cluster, [before + opened, failedBefore + failed]);
      }
      this.ends.push(...report.ends);
    }
    const gauges = reports.map(({ report }) => report.gauges);
    const sum = (name: keyof ThreadGauges): number => gauges.reduce((total, each) => total + each[name], 0);
    return { openConnections: sum('openConnections'), clientSessions: sum('clientSessions'), serverSessions: sum('serverSessions'), handshakes: sum('handshakes'), handshakesDone: sum('handshakesDone'), sockets: sum('sockets'), busy: sum('busy') };
  }

  /** All failures so far. */
  async failures(): Promise<Failures> {
    await this.report();
    return Object.fromEntries(this.#failures);
  }

  /** Waits until what the threads tell fits. @throws with what they told where it never does */
  async until(fits: (gauges: ThreadGauges, failures: Failures) => boolean): Promise<void> {
    const endsAtMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const gauges = await this.report();
      const failures = Object.fromEntries(this.#failures);
      if (fits(gauges, failures)) return;
      if (performance.now() > endsAtMs) throw new Error(`it never came to it: ${JSON.stringify({ gauges, failures, warnings: this.warnings })}`);
    }
  }

  /** Between tests that share an engine: a thread takes longer to start than most of them. */
  async reset(): Promise<void> {
    await Promise.all(this.#pods.filter((uid) => this.#plans.has(uid)).map((uid) => this.plane.removePod(uid, 0)));
    this.#plans.clear();
    // Their uids may be those of the next test.
    this.#pods.length = 0;
    await this.report();
    this.inbound = REFUSE;
    this.#failures.clear();
    this.dials.clear();
    this.warnings.length = this.ends.length = this.wanted.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
  }
}

/** A place where a client's connections may go. */
export function candidate(port: number, identity: SpiffeId, over: Partial<Candidate> = {}): Candidate {
  return { id: `at-${port}`, hop: 'hbone', address: HERE, port, authority: '192.0.2.1:80', identities: [identity], innerIdentities: [], localPod: undefined, target: undefined, weight: 1, rank: 0, labels: workloadLabels('server', { principal: identity }), ...over };
}
