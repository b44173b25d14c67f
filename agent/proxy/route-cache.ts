import { EndpointChooser } from '@landbridge/core/endpoint-chooser.ts';
import type { Candidate, RoutePlan } from '@landbridge/core/route-plan.ts';
import { DeadlineList } from '../hbone/deadline-list.ts';
import type { EventLoop } from '../hbone/event-loop.ts';
import type { FromThread, PodSpec, RouteDestination } from './thread-messages.ts';
import type { Series } from './traffic-counter.ts';

/** Who waits for a plan. */
export interface RouteWaiter {
  onRoute(route: Route): void;
  onNoRoute(): void;
}

/** Routes that a thread keeps; more throw out the one that was unused for longest. */
const MAX_ROUTES = 16_384;
/** An unused route is forgotten after this time, and its changes are not told any more. */
const UNUSED_MS = 60_000;

/** The way from one pod to one destination, as this thread knows it. */
export interface Route {
  readonly key: string;
  readonly uid: string;
  readonly destination: RouteDestination;
  plan: RoutePlan | undefined;
  readonly chooser: EndpointChooser;
  /** Counters, by candidate. They are of the labels that the candidate had when it was first used. */
  readonly series: Map<string, { readonly candidate: Candidate; readonly series: Series }>;
  readonly waiters: Set<RouteWaiter>;
  connections: number;
}

/** Keeps the plans that the main thread made for destinations that are in use, and asks for others. */
export class RouteCache {
  readonly #loop: EventLoop;
  readonly #post: (message: FromThread) => void;
  readonly #routes = new Map<string, Route>();
  readonly #unused: DeadlineList<Route>;
  readonly #waiting: DeadlineList<{ readonly route: Route; readonly waiter: RouteWaiter }>;

  constructor(loop: EventLoop, resolveTimeoutMs: number, post: (message: FromThread) => void) {
    this.#loop = loop;
    this.#post = post;
    this.#unused = new DeadlineList(UNUSED_MS, (route) => this.#forget(route));
    this.#waiting = new DeadlineList(resolveTimeoutMs, ({ route, waiter }) => {
      if (route.waiters.delete(waiter)) waiter.onNoRoute();
    });
    loop.watch(this.#unused);
    loop.watch(this.#waiting);
  }

  /** Calls the waiter at once where the plan is known, or once it is told. */
  find(pod: PodSpec, destination: RouteDestination, waiter: RouteWaiter): void {
    const key = `${pod.uid} ${'ip' in destination ? destination.ip : destination.hostname} ${destination.port}`;
    let route = this.#routes.get(key);
    if (route === undefined) {
      route = { key, uid: pod.uid, destination, plan: undefined, chooser: new EndpointChooser(Math.random), series: new Map(), waiters: new Set(), connections: 0 };
      this.#add(route);
      this.#post({ kind: 'route', key, uid: pod.uid, destination });
    }
    if (route.plan !== undefined) return waiter.onRoute(route);
    route.waiters.add(waiter);
    this.#waiting.set({ route, waiter }, this.#loop.nowMs);
  }

  #add(route: Route): void {
    if (this.#routes.size >= MAX_ROUTES) for (const oldest of this.#routes.values()) {
      if (oldest.connections > 0 || oldest.waiters.size > 0) continue;
      this.#forget(oldest);
      break;
    }
    this.#routes.set(route.key, route);
    this.#unused.set(route, this.#loop.nowMs);
  }

  /** A connection uses the route. */
  hold(route: Route): void {
    if (route.connections++ === 0) this.#unused.clear(route);
  }

  release(route: Route): void {
    if (--route.connections === 0) this.#unused.set(route, this.#loop.nowMs);
  }

  #forget(route: Route): void {
    if (this.#routes.get(route.key) !== route) return;
    this.#routes.delete(route.key);
    this.#unused.clear(route);
    this.#post({ kind: 'route-gone', key: route.key });
  }

  /** The main thread told a plan, for the first time or anew. */
  told(key: string, plan: RoutePlan): void {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    route.plan = plan;
    const waiters = [...route.waiters];
    route.waiters.clear();
    for (const waiter of waiters) waiter.onRoute(route);
  }

  /** The plan is not followed any more. Connections that have been begun by it go on. */
  revoke(key: string): void {
    const route = this.#routes.get(key);
    if (route === undefined) return;
    if (route.waiters.size === 0) this.#forget(route);
    else this.#post({ kind: 'route', key, uid: route.uid, destination: route.destination });
  }

  /** Of a pod that is gone. */
  forgetPod(uid: string): void {
    for (const route of [...this.#routes.values()]) {
      if (route.uid !== uid) continue;
      for (const waiter of [...route.waiters]) waiter.onNoRoute();
      route.waiters.clear();
      this.#forget(route);
    }
  }
}
