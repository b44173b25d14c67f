import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { isClustersetHost } from '@landbridge/core/names.ts';
import type { RoutePlan } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { LocalPodOf } from '../discovery/candidates.ts';
import { planGatewayWithDependencies } from '../discovery/gateway-planner.ts';
import type { HostResolver } from '../discovery/host-resolver.ts';
import type { NameHolder } from '../discovery/on-demand.ts';
import type { RegistryChange } from '../discovery/registry.ts';
import { type Dependencies, isAffected } from '../discovery/registry-reads.ts';
import { type PlannedRoute, planWithDependencies } from '../discovery/route-planner.ts';
import type { RouteSource } from '../discovery/upstreams.ts';
import type { Discovery } from '../discovery/xds-client.ts';
import type { DataPlane } from './data-plane.ts';
import { directPlan } from './direct-plan.ts';
import type { DirectClient, DirectTraffic } from './direct-traffic.ts';
import type { RouteDestination } from './thread-messages.ts';

/** Of the pods that plans are made for. */
export interface PlanPods {
  sourceOf(uid: string): RouteSource | undefined;
  /** Undefined for what the kernel knows nothing of. */
  clientOf(uid: string): DirectClient | undefined;
  readonly localPodOf: LocalPodOf;
}

/** What plans are made from. */
export type PlanDiscovery = Pick<Discovery, 'registry' | 'isReady'> & Partial<Pick<Discovery, 'onDemand'>>;

/** Of endpoints that have no addresses. */
export type PlanHosts = Pick<HostResolver, 'resolve' | 'serve'>;

/** Plans of the kernel for which another one is made at once when they change; of further ones, connections go by the agent until they have one. */
const MAX_REPLACED = 256;

/**
 * The plans that data threads and the kernel go by, each made anew when something changes that it was made from. None is
 * made while it is not known what there is at a name that it depends on: connections wait, and are refused in the end.
 */
export class RoutePlans implements NameHolder {
  readonly #discovery: PlanDiscovery;
  readonly #hosts: PlanHosts;
  readonly #pods: PlanPods;
  readonly #plans = new Map<string, PlannedRoute>();
  /** Keys of plans that only the kernel goes by. */
  readonly #followedByKernel = new Set<string>();
  /** Names that were asked for before a plan can be made, by its key. */
  readonly #unknown = new Map<string, ReadonlySet<string>>();
  #plane: DataPlane | undefined;
  #direct: DirectTraffic | undefined;

  constructor(discovery: PlanDiscovery, hosts: PlanHosts, pods: PlanPods) {
    this.#discovery = discovery;
    this.#hosts = hosts;
    this.#pods = pods;
    discovery.onDemand?.hold(this);
    discovery.onDemand?.onAnswered((names) => this.#answered(names));
  }

  serve(plane: DataPlane): void {
    this.#plane = plane;
    this.#hosts.serve({ isUsed: (hostname) => this.#plans.values().some(({ dependencies }) => dependencies.resolved.has(hostname)), changed: (hostname) => this.#replan(({ resolved }) => resolved.has(hostname)) });
  }

  /** From now on traffic that needs no agent may go without. */
  offload(direct: DirectTraffic): void {
    this.#direct = direct;
    direct.onUnused = (key) => {
      if (this.#followedByKernel.delete(key)) this.#plans.delete(key);
    };
  }

  beginAnew(): void {
    this.#plans.clear();
    this.#plane?.refreshPlans(() => true);
  }

  /** Undefined while it is not known; {@link DataPlane.refreshPlans} is called then. */
  plan(uid: string, destination: RouteDestination): RoutePlan | undefined {
    const source = this.#pods.sourceOf(uid);
    if (!this.#discovery.isReady || source === undefined) return undefined;
    const key = keyOf(uid, destination);
    this.#followedByKernel.delete(key);
    const known = this.#plans.get(key);
    if (known !== undefined) return toldPlan(known);
    const now = Date.now();
    const planned = this.#make(source, destination, now);
    const missing = this.#discovery.onDemand?.missing(namesOf(planned.dependencies)) ?? [];
    if (missing.length > 0) {
      this.#unknown.set(key, new Set(missing));
      return undefined;
    }
    this.#unknown.delete(key);
    this.#plans.set(key, planned);
    if ('ip' in destination) this.#offer(key, uid, destination, planned);
    if (planned.validUntilMs !== undefined) setTimeout(() => this.#expire(key), Math.max(0, planned.validUntilMs - now)).unref();
    return toldPlan(planned);
  }

  #make(source: RouteSource, destination: RouteDestination, nowMs: number): PlannedRoute {
    const { registry } = this.#discovery;
    return 'ip' in destination
      ? planWithDependencies(registry, source, { ip: destination.ip as IpAddress, port: destination.port }, nowMs, { localPod: this.#pods.localPodOf, resolve: (hostname) => this.#hosts.resolve(hostname) })
      : planGatewayWithDependencies(registry, source, destination.hostname, destination.port, { isExposed: ({ hostname }) => isClustersetHost(hostname) });
  }

  /** Lets the kernel go by a plan that needs no agent, and by none where it does. */
  #offer(key: string, uid: string, destination: SocketAddress, { plan, validUntilMs }: PlannedRoute): void {
    const client = this.#pods.clientOf(uid);
    const direct = client === undefined || validUntilMs !== undefined ? undefined : directPlan(plan, destination);
    if (client === undefined || direct === undefined) this.#direct?.withdraw([key]);
    else this.#direct?.offer(key, client, destination, direct);
  }

  #expire(key: string): void {
    if (this.#plans.delete(key)) this.#refresh(new Set([key]));
  }

  /** No data thread uses the plan any more. */
  planGone(uid: string, destination: RouteDestination): void {
    const key = keyOf(uid, destination);
    this.#unknown.delete(key);
    if (this.#direct?.has(key) === true) {
      this.#followedByKernel.add(key);
      return;
    }
    this.#direct?.withdraw([key]);
    this.#plans.delete(key);
  }

  #refresh(keys: ReadonlySet<string>): void {
    if (keys.size > 0) this.#plane?.refreshPlans((uid, destination) => keys.has(keyOf(uid, destination)));
  }

  // -- Changes

  replan(change: RegistryChange): void {
    this.#replan((dependencies) => isAffected(dependencies, change));
  }

  #replan(isStale: (dependencies: Dependencies) => boolean): void {
    const stale = new Set<string>();
    const replaced: { readonly key: string; readonly isFollowed: boolean }[] = [];
    for (const [key, { dependencies }] of this.#plans) {
      if (!isStale(dependencies)) continue;
      stale.add(key);
      this.#plans.delete(key);
      const isFollowed = this.#followedByKernel.delete(key);
      if (replaced.length < MAX_REPLACED && this.#direct?.has(key) === true) replaced.push({ key, isFollowed });
    }
    // Before anybody goes by another plan.
    this.#direct?.withdraw(stale.difference(new Set(replaced.map(({ key }) => key))));
    for (const { key, isFollowed } of replaced) this.#replaceInKernel(key, isFollowed);
    this.#refresh(stale);
  }

  /** What connections have just been allowed by the plan before, and are by the next one, is not taken from them between the two. `isFollowed`: by the kernel alone. */
  #replaceInKernel(key: string, isFollowed: boolean): void {
    const offered = this.#direct?.offered(key);
    if (offered === undefined || this.plan(offered.uid, offered.destination) === undefined) this.#direct?.withdraw([key]);
    if (!isFollowed) return;
    if (this.#direct?.has(key) === true) this.#followedByKernel.add(key);
    else {
      this.#plans.delete(key);
      this.#unknown.delete(key);
    }
  }

  #answered(names: ReadonlySet<string>): void {
    const keys = new Set<string>();
    for (const [key, unknown] of this.#unknown) if (!unknown.isDisjointFrom(names)) keys.add(key);
    this.#refresh(keys);
  }

  heldNames(): ReadonlySet<string> {
    const held = new Set<string>();
    for (const { dependencies } of this.#plans.values()) for (const name of namesOf(dependencies)) held.add(name);
    return held;
  }

  /** Nobody goes by a plan whose changes are not told: the next connection asks anew. */
  letGo(names: ReadonlySet<string>): void {
    const stale = new Set<string>();
    for (const [key, { dependencies }] of this.#plans) if (!dependencies.addresses.isDisjointFrom(names) || !dependencies.services.isDisjointFrom(names)) stale.add(key);
    for (const [key, unknown] of this.#unknown) if (!unknown.isDisjointFrom(names)) stale.add(key);
    for (const key of stale) {
      this.#plans.delete(key);
      this.#unknown.delete(key);
      this.#followedByKernel.delete(key);
    }
    this.#direct?.withdraw(stale);
    this.#plane?.revokePlans(stale);
  }
}

const toldPlan = ({ plan, isEarly }: PlannedRoute): RoutePlan | undefined => (isEarly ? undefined : plan);

function* namesOf({ addresses, services }: Dependencies): Generator<string> {
  yield* addresses;
  yield* services;
}

const keyOf = (uid: string, destination: RouteDestination): string => `${uid} ${'ip' in destination ? destination.ip : destination.hostname} ${destination.port}`;
