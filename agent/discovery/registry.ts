import { fromBinary } from '@bufbuild/protobuf';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { addressText } from '@landbridge/ebpf/capture-layout.ts';
import { AddressSchema, type Service as WireService, TunnelProtocol, type Workload as WireWorkload, WorkloadStatus } from '@landbridge/wire/gen/workload_pb.js';

export interface Workload {
  readonly kind: 'workload';
  /** `<cluster>//Pod/<namespace>/<name>` */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  readonly tunnel: 'hbone' | 'none';
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly cluster: string;
  readonly node: string;
  readonly network: string;
  readonly healthy: boolean;
  /** Target ports by service port, by service key. */
  readonly services: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

export interface Service {
  readonly kind: 'service';
  /** `<namespace>/<hostname>` */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  readonly ports: ReadonlySet<number>;
}

export interface AddressDelta {
  readonly updated: readonly (Workload | Service)[];
  readonly removed: readonly string[];
}

/**
 * How long the address of a removed service is refused. kube-proxy may know the address longer than discovery does:
 * connections to it would leave the mesh and arrive in plaintext.
 */
const RETIRED_MS = 60_000;
const MAX_RETIRED = 4096;

/** What discovery says is where: workloads and services with indexes by address. Holds exactly the resources last told. */
export class Registry {
  readonly #retired = new Map<string, { readonly service: Service; readonly untilMs: number }>();
  readonly #resources = new Map<string, Workload | Service>();
  readonly #workloadByAddress = new Map<string, Workload>();
  readonly #serviceByAddress = new Map<string, Service>();
  readonly #endpoints = new Map<string, Map<string, Workload>>();

  apply(delta: AddressDelta, nowMs: number = Date.now()): void {
    for (const name of delta.removed) {
      const resource = this.#resources.get(name);
      this.#remove(name);
      if (resource?.kind === 'service') this.#retire(resource, nowMs);
    }
    for (const resource of delta.updated) {
      const name = resource.kind === 'workload' ? resource.uid : resource.key;
      this.#remove(name);
      this.#resources.set(name, resource);
      if (resource.kind === 'workload') this.#addWorkload(resource);
      else for (const address of resource.addresses) this.#serviceByAddress.set(address, resource);
    }
  }

  workloadAt(address: string): Workload | undefined {
    return this.#workloadByAddress.get(address);
  }

  serviceAt(address: string): Service | undefined {
    return this.#serviceByAddress.get(address);
  }

  /** A service that had the address until a short time ago. */
  retiredAt(address: string, nowMs: number): Service | undefined {
    const retired = this.#retired.get(address);
    return retired !== undefined && nowMs < retired.untilMs ? retired.service : undefined;
  }

  endpointsOf(service: Service): readonly Workload[] {
    return [...(this.#endpoints.get(service.key)?.values() ?? [])];
  }

  count(): { readonly workloads: number; readonly services: number } {
    let services = 0;
    for (const resource of this.#resources.values()) if (resource.kind === 'service') services++;
    return { workloads: this.#resources.size - services, services };
  }

  /** Names of all resources, for a subscription that begins anew. */
  names(): string[] {
    return [...this.#resources.keys()];
  }

  #retire(service: Service, nowMs: number): void {
    for (const [address, { untilMs }] of this.#retired) if (untilMs <= nowMs || this.#retired.size >= MAX_RETIRED) this.#retired.delete(address);
    for (const address of service.addresses) this.#retired.set(address, { service, untilMs: nowMs + RETIRED_MS });
  }

  #addWorkload(workload: Workload): void {
    for (const address of workload.addresses) this.#workloadByAddress.set(address, workload);
    for (const key of workload.services.keys()) {
      let endpoints = this.#endpoints.get(key);
      if (endpoints === undefined) this.#endpoints.set(key, (endpoints = new Map()));
      endpoints.set(workload.uid, workload);
    }
  }

  #remove(name: string): void {
    const resource = this.#resources.get(name);
    if (resource === undefined) return;
    this.#resources.delete(name);
    if (resource.kind === 'service') {
      for (const address of resource.addresses) if (this.#serviceByAddress.get(address) === resource) this.#serviceByAddress.delete(address);
      return;
    }
    // An address may have gone to a newer workload already.
    for (const address of resource.addresses) if (this.#workloadByAddress.get(address) === resource) this.#workloadByAddress.delete(address);
    for (const key of resource.services.keys()) {
      const endpoints = this.#endpoints.get(key);
      endpoints?.delete(name);
      if (endpoints?.size === 0) this.#endpoints.delete(key);
    }
  }
}

export const networkAddress = (network: string, ip: string): string => `${network}/${ip}`;

/** Decodes one istio.workload.Address. Total: what can not be understood is an error that names it. */
export function parseAddress(bytes: Uint8Array): Result<Workload | Service> {
  let type: { case: 'workload'; value: WireWorkload } | { case: 'service'; value: WireService } | { case: undefined };
  try {
    type = fromBinary(AddressSchema, bytes).type as typeof type;
  } catch (thrown) {
    return err(`not an Address: ${String(thrown)}`);
  }
  switch (type.case) {
    case 'workload':
      return parseWorkload(type.value);
    case 'service':
      return parseService(type.value);
    default:
      return err('an Address with neither workload nor service');
  }
}

function parseWorkload(wire: WireWorkload): Result<Workload> {
  if (wire.uid === '') return err('a workload without uid');
  const addresses: string[] = [];
  for (const bytes of wire.addresses) {
    const ip = parseIp(bytes);
    if (ip === undefined) return err(`workload ${wire.uid}: an address of ${bytes.length} bytes`);
    addresses.push(networkAddress(wire.network, ip));
  }
  return ok({
    kind: 'workload',
    uid: wire.uid,
    name: wire.name,
    namespace: wire.namespace,
    addresses,
    tunnel: wire.tunnelProtocol === TunnelProtocol.HBONE ? 'hbone' : 'none',
    // Istio leaves its default trust domain out (workload.proto, trust_domain).
    trustDomain: wire.trustDomain || 'cluster.local',
    serviceAccount: wire.serviceAccount || 'default',
    cluster: wire.clusterId,
    node: wire.node,
    network: wire.network,
    healthy: wire.status === WorkloadStatus.HEALTHY,
    services: new Map(Object.entries(wire.services).map(([key, list]) => [key, new Map(list.ports.map((port) => [port.servicePort, port.targetPort]))])),
  });
}

function parseService(wire: WireService): Result<Service> {
  if (wire.hostname === '' || wire.namespace === '') return err('a service without hostname or namespace');
  const key = `${wire.namespace}/${wire.hostname}`;
  const addresses: string[] = [];
  for (const address of wire.addresses) {
    const ip = parseIp(address.address);
    if (ip === undefined) return err(`service ${key}: an address of ${address.address.length} bytes`);
    addresses.push(networkAddress(address.network, ip));
  }
  return ok({ kind: 'service', key, name: wire.name, namespace: wire.namespace, hostname: wire.hostname, addresses, ports: new Set(wire.ports.map((port) => port.servicePort)) });
}

function parseIp(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  return bytes.length === 16 ? addressText(Buffer.from(bytes)) : undefined;
}
