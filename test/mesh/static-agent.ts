/**
 * The agent with a control plane of a few objects: it captures pods and carries their traffic, as in a cluster whose
 * discovery says what a test says. As a program it serves one pod until it is killed, and knows nothing of any other.
 */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { Capture, type CapturedPod, type PodHandles, type PodPlace } from '@landbridge/agent/capture/capture.ts';
import { Registry, type AddressDelta, type RegistryChange } from '@landbridge/agent/discovery/registry.ts';
import type { LocalPod } from '@landbridge/agent/pods/local-pod.ts';
import { DataPlane, DEFAULT_TUNING } from '@landbridge/agent/proxy/data-plane.ts';
import { DirectTraffic } from '@landbridge/agent/proxy/direct-traffic.ts';
import { PodTraffic } from '@landbridge/agent/proxy/pod-traffic.ts';
import { TrafficMetrics } from '@landbridge/agent/proxy/traffic-metrics.ts';
import { TrafficSeries } from '@landbridge/agent/proxy/traffic-series.ts';
import { pino } from 'pino';
import type { MeshNode } from './mesh-node.ts';
import type { MeshPod } from './mesh-pod.ts';

export const TRUST_DOMAIN = 'west.example';
const REPORT_TIMEOUT_MS = 5000;
/** There are no certificates here, so that nothing comes of waiting for one. */
const TUNING = { ...DEFAULT_TUNING, resolveTimeoutMs: 200 };

export class StaticAgent implements AsyncDisposable {
  readonly capture: Capture;
  readonly direct: DirectTraffic;
  readonly plane: DataPlane;
  readonly series = new TrafficSeries();
  readonly #metrics = new TrafficMetrics(this.series);
  readonly #registry = new Registry();
  readonly #traffic: PodTraffic;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #captured = new Map<string, CapturedPod>();
  #registryChanged: (change: RegistryChange) => void = () => {};

  private constructor(node: Pick<MeshNode, 'cgroupRoot' | 'bpfRoot'>) {
    const nothing = { [Symbol.dispose]: () => {} };
    this.capture = new Capture({ cgroupRoot: node.cgroupRoot, bpfRoot: node.bpfRoot });
    this.#traffic = new PodTraffic({
      cluster: 'west',
      trustDomain: TRUST_DOMAIN,
      network: '',
      node: 'west',
      hosts: { resolve: () => undefined, serve: () => {} },
      accelerations: { admit: () => undefined, dismiss: () => {} },
      discovery: {
        registry: this.#registry,
        policies: new Map(),
        ready: Promise.resolve(),
        isReady: true,
        onPoliciesChange: () => nothing,
        onRegistryChange: (changed) => {
          this.#registryChanged = changed;
          return nothing;
        },
      },
      trust: { bundles: new Map(), onBundlesChange: () => nothing },
      certificates: { hold: () => nothing, get: async () => await Promise.reject(new LandbridgeError('internal', 'there are no certificates here')), want: () => {}, review: () => {} },
      onDeath: (error) => {
        throw error;
      },
      log: pino({ level: 'silent' }),
    });
    this.plane = new DataPlane(1, TUNING, this.#traffic);
    this.direct = new DirectTraffic(this.capture.directRoutes, this.#metrics);
    this.#traffic.offload(this.direct);
    this.#running = this.direct.run(this.#stop.signal, this.#stop.signal);
  }

  static async start(node: Pick<MeshNode, 'cgroupRoot' | 'bpfRoot'>, pods: readonly Pick<MeshPod, 'name' | 'place'>[]): Promise<StaticAgent> {
    const agent = new StaticAgent(node);
    await agent.plane.ready;
    agent.#traffic.serve(agent.plane);
    for (const { name, place } of pods) {
      const captured = agent.capture.capture(place);
      agent.#traffic.add(localPod(name, place), captured);
      agent.#captured.set(name, captured);
    }
    return agent;
  }

  /** By which the agent makes sockets in a pod. */
  handlesOf(pod: string): PodHandles {
    return this.#podOf(pod).handles;
  }

  /** From here on new connections of a pod come to this agent, whoever had them. */
  takeOver(pod: string): void {
    this.capture.takeOver(this.#podOf(pod));
  }

  /** Whether no new connection of a pod comes to this agent any more. */
  isRelievedOf(pod: string): boolean {
    return this.capture.isRelieved(this.#podOf(pod));
  }

  #podOf(pod: string): CapturedPod {
    const captured = this.#captured.get(pod);
    if (captured === undefined) throw new Error(`the agent does not serve ${pod}`);
    return captured;
  }

  /** Discovery tells. Resolves once nothing goes by what it told before. */
  async tell(delta: AddressDelta): Promise<void> {
    this.#registryChanged(this.#registry.apply(delta));
    // An answer of each thread: it has read what was sent before the question.
    await this.plane.connections(REPORT_TIMEOUT_MS);
  }

  /** Connections and bytes so far, by destination service and response flags, of threads and kernel together. */
  async totals(): Promise<Readonly<Record<'opened' | 'closed' | 'failed' | 'requestBytes' | 'responseBytes', number>>> {
    for (const { thread, report } of await this.plane.reports(REPORT_TIMEOUT_MS)) this.#metrics.apply(thread, report, performance.now());
    await this.direct.read();
    const sum = (samples: Iterable<{ readonly value: number }>): number => [...samples].reduce((total, { value }) => total + value, 0);
    return { opened: sum(this.series.sums('opened')), closed: sum(this.series.byFlag('closed')), failed: sum(this.series.byFlag('failed')), requestBytes: sum(this.series.sums('requestBytes')), responseBytes: sum(this.series.sums('responseBytes')) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end(() => this.capture.remove());
  }

  /** As a process ends: what it captured stays so, for another agent of the node. `last`: done before its maps are closed. */
  async end(last: () => void = () => {}): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#traffic[Symbol.dispose]();
    await this.plane[Symbol.asyncDispose]();
    last();
    this.capture[Symbol.dispose]();
  }
}

const localPod = (name: string, { uid, addresses }: PodPlace): LocalPod => ({ uid, namespace: 'shop', name, serviceAccount: name, addresses, announced: true, wantsAcceleration: false });

if (import.meta.main) {
  const [node, pod] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown) as [Pick<MeshNode, 'cgroupRoot' | 'bpfRoot'>, Pick<MeshPod, 'name' | 'place'>];
  await StaticAgent.start(node, [pod]);
  process.stdout.write('ready\n');
}

/** The command line of an agent that serves a pod. */
export const staticAgent = ({ cgroupRoot, bpfRoot }: MeshNode, { name, place }: MeshPod): readonly string[] => [process.execPath, import.meta.filename, JSON.stringify({ cgroupRoot, bpfRoot }), JSON.stringify({ name, place })];
