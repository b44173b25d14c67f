import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import { networkAddress, type Registry, type Service, type Workload } from './registry.ts';

/** What becomes of a connection of a captured pod. */
export type Route =
  | { readonly kind: 'hbone'; readonly workload: Workload; readonly destination: SocketAddress; readonly service: Service | undefined }
  /** To a workload that is known not to take HBONE. */
  | { readonly kind: 'plain'; readonly workload: Workload; readonly destination: SocketAddress; readonly service: Service | undefined }
  /** To somewhere outside of what discovery knows. */
  | { readonly kind: 'passthrough'; readonly destination: SocketAddress }
  | { readonly kind: 'refuse'; readonly reason: string; readonly service: Service | undefined };

/** Chooses one of at least one endpoints. */
export type Choose = (endpoints: readonly Workload[]) => Workload;

/** Decides where a connection goes. `network` is the agent's own. */
export function route(registry: Registry, network: string, destination: SocketAddress, choose: Choose, nowMs: number = Date.now()): Route {
  const at = networkAddress(network, destination.ip);
  const service = registry.serviceAt(at);
  if (service !== undefined) return routeToService(registry, service, destination.port, choose);
  const workload = registry.workloadAt(at);
  if (workload === undefined) {
    const retired = registry.retiredAt(at, nowMs);
    return retired === undefined ? { kind: 'passthrough', destination } : { kind: 'refuse', reason: `${retired.hostname} was removed`, service: retired };
  }
  return { kind: workload.tunnel === 'hbone' ? 'hbone' : 'plain', workload, destination, service: undefined };
}

function routeToService(registry: Registry, service: Service, port: number, choose: Choose): Route {
  const name = `${service.hostname}:${port}`;
  if (!service.ports.has(port)) return { kind: 'refuse', reason: `${service.hostname} has no port ${port}`, service };
  const endpoints = registry.endpointsOf(service).filter((workload) => workload.healthy && workload.addresses.length > 0 && workload.services.get(service.key)?.has(port) === true);
  if (endpoints.length === 0) return { kind: 'refuse', reason: `no healthy endpoint for ${name}`, service };
  const workload = choose(endpoints);
  const target = workload.services.get(service.key)?.get(port) ?? port;
  const ip = workload.addresses[0]?.slice(workload.network.length + 1) ?? '';
  return { kind: workload.tunnel === 'hbone' ? 'hbone' : 'plain', workload, destination: { ip, port: target }, service };
}

/** Power of two choices over connections under way: near to least-loaded, without a herd on the emptiest. */
export class Balancer {
  readonly #active = new Map<string, number>();
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  readonly choose: Choose = (endpoints) => {
    const first = this.#pick(endpoints);
    const second = this.#pick(endpoints);
    return this.#load(second) < this.#load(first) ? second : first;
  };

  /** Counts a connection to a workload until it is disposed of. */
  opened(workload: Workload): Disposable {
    this.#active.set(workload.uid, this.#load(workload) + 1);
    return {
      [Symbol.dispose]: () => {
        const rest = this.#load(workload) - 1;
        if (rest > 0) this.#active.set(workload.uid, rest);
        else this.#active.delete(workload.uid);
      },
    };
  }

  #load(workload: Workload): number {
    return this.#active.get(workload.uid) ?? 0;
  }

  #pick(endpoints: readonly Workload[]): Workload {
    const picked = endpoints[Math.floor(this.#random() * endpoints.length)];
    if (picked === undefined) throw new RangeError('a choice from no endpoints');
    return picked;
  }
}
