import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { RoutePlan } from '@landbridge/core/route-plan.ts';
import { Acceleration } from '@landbridge/agent/capture/acceleration.ts';
import { Capture, type CapturedPod } from '@landbridge/agent/capture/capture.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { DataPlane, DEFAULT_TUNING } from '@landbridge/agent/proxy/data-plane.ts';
import type { ConnectionEnd, ConnectionTuning, ConnectionView, Direction } from '@landbridge/agent/proxy/thread-messages.ts';
import { DIRECTION_BYTES, parseDirection } from '@landbridge/ebpf/acceleration-layout.ts';
import { maps } from '@landbridge/ebpf/acceleration-skeleton.ts';
import { BpfMap } from '@landbridge/native/bpf-map.ts';
import { hboneCandidate, balancePlan, labelsOf } from '../agents/agent.ts';
import type { MeshNode } from './mesh-node.ts';

const REPORT_TIMEOUT_MS = 10_000;

interface Bytes {
  sent: number;
  received: number;
}

export interface CarryOptions {
  /** Names of the pods that ask for acceleration. */
  readonly accelerated?: readonly string[];
  readonly tuning?: Partial<ConnectionTuning>;
}

/** All pods of a node under capture, and carried by the data plane of the product, of which this process is the agent. Each may call each. */
export class CarriedPods implements AsyncDisposable {
  readonly acceleration: Acceleration | undefined;
  readonly #capture: Capture;
  readonly #plane: DataPlane;
  readonly #captured: readonly CapturedPod[];
  readonly #authority: TestAuthority;
  readonly #ends: ConnectionEnd[] = [];
  readonly #bytes: Record<Direction, Bytes> = { inbound: { sent: 0, received: 0 }, outbound: { sent: 0, received: 0 } };
  /** Of series: labels come with their first report only. */
  readonly #directions = new Map<number, Direction>();

  private constructor(node: MeshNode, { accelerated = [], tuning = {} }: CarryOptions) {
    this.#authority = new TestAuthority('east.example');
    this.#capture = new Capture(node);
    this.acceleration = accelerated.length === 0 ? undefined : new Acceleration(node.cgroupRoot);
    const names = new Map(node.pods.map((pod) => [pod.address, pod.name]));
    this.#plane = new DataPlane(1, { ...DEFAULT_TUNING, ...tuning }, {
      plan: (_, destination): RoutePlan => {
        const name = 'ip' in destination ? names.get(destination.ip) : undefined;
        if (name === undefined || !('ip' in destination)) return { kind: 'passthrough' };
        return balancePlan([{ ...hboneCandidate(name, 15008, destination, [this.#authority.identity(name)]), address: destination.ip, localPod: `uid-${name}` }]);
      },
      inbound: (_, authority) => ({ kind: 'dial', port: Number(authority.slice(authority.lastIndexOf(':') + 1)), service: undefined, tunnel: undefined, proxyDestination: undefined }),
      warn: (text, fields) => process.stderr.write(`${text} ${JSON.stringify(fields)}\n`),
      died: (_, error) => {
        process.stderr.write(`a data thread died: ${error.stack}\n`);
        process.exit(1);
      },
    });
    this.#captured = node.pods.map((pod) => this.#capture.capture(pod.place));
  }

  static async carry(node: MeshNode, options: CarryOptions = {}): Promise<CarriedPods> {
    const carried = new CarriedPods(node, options);
    await carried.#plane.ready;
    carried.#plane.setTrust([['east.example', [carried.#authority.rootPem]]]);
    for (const [i, { name, address }] of node.pods.entries()) {
      const { identity, keyPem, chainPem } = carried.#authority.certificate(name);
      carried.#plane.setCertificate(identity, keyPem, chainPem);
      const captured = carried.#captured[i] as CapturedPod;
      const isAccelerated = options.accelerated?.includes(name) === true;
      if (isAccelerated) carried.acceleration?.admit(captured.cookie);
      const handles = isAccelerated ? { ...captured.handles, acceleration: carried.acceleration?.handles } : captured.handles;
      carried.#plane.setPod({ uid: `uid-${name}`, kind: 'pod', identity, addresses: [address], labels: labelsOf(name, identity), baggage: '', network: '', handles, fixedDestination: undefined, services: [], applicationTunnel: undefined }, captured.listeners);
      carried.setPolicies(name, []);
    }
    return carried;
  }

  setPolicies(name: string, policies: readonly AuthorizationPolicy[]): void {
    this.#plane.setPolicies(`uid-${name}`, policies);
  }

  /** Connections of a pod that begin from now on can be joined, or can not. */
  admit(name: string, isAdmitted: boolean): void {
    const captured = this.#captured.find(({ place }) => place.uid === `uid-${name}`) as CapturedPod;
    if (isAdmitted) this.acceleration?.admit(captured.cookie);
    else this.acceleration?.dismiss(captured.cookie);
  }

  /** Bytes of connections under way that went past the agent, by all senders together. */
  pastTheAgent(): number {
    if (this.acceleration === undefined) return 0;
    const directions = new BpfMap(this.acceleration.handles.directions, 'directions', DIRECTION_BYTES);
    return directions.keys(maps.directions.keyBytes).reduce((sum, key) => sum + Number(parseDirection(directions.get(key) ?? Buffer.alloc(DIRECTION_BYTES)).sent), 0);
  }

  /** Entries that the acceleration has for connections. */
  traces(): { readonly directions: number; readonly sockets: number } {
    const count = (fd: number | undefined): number => (fd === undefined ? 0 : new BpfMap(fd, 'traces', DIRECTION_BYTES).keys(maps.directions.keyBytes).length);
    return { directions: count(this.acceleration?.handles.directions), sockets: count(this.acceleration?.handles.sockets) };
  }

  async connections(): Promise<readonly ConnectionView[]> {
    return await this.#plane.connections(REPORT_TIMEOUT_MS);
  }

  /** What the metrics and the access log have been told so far. */
  async reported(): Promise<{ readonly ends: readonly ConnectionEnd[]; readonly bytes: Readonly<Record<Direction, Bytes>> }> {
    for (const { report } of await this.#plane.reports(REPORT_TIMEOUT_MS)) {
      this.#ends.push(...report.ends);
      for (const { series, labels, sentBytes, receivedBytes } of report.series) {
        if (labels !== undefined) this.#directions.set(series, labels.direction);
        const bytes = this.#bytes[this.#directions.get(series) ?? 'inbound'];
        bytes.sent += sentBytes;
        bytes.received += receivedBytes;
      }
    }
    return { ends: [...this.#ends], bytes: structuredClone(this.#bytes) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plane[Symbol.asyncDispose]();
    for (const captured of this.#captured) this.#capture.release(captured);
    this.#capture[Symbol.dispose]();
    this.acceleration?.[Symbol.dispose]();
    this.#authority[Symbol.dispose]();
  }
}
