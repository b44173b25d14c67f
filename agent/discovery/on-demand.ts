import { saysNamespace } from '@landbridge/core/names.ts';
import { metrics } from '../metrics.ts';
import { Demand, DEMAND_LIMITS, type DemandChanges, type DemandLimits } from './demand.ts';
import type { AddressDelta, Registry, RegistryChange } from './registry.ts';
import type { Service, Workload } from './wds-address.ts';

export interface OnDemandOptions {
  /** Of the agent. */
  readonly node: string;
  /**
   * Our own tells hosts of no cluster unasked, as nothing says of which namespace they are. Istio's tells the workloads of
   * the agent's node, and does not tell an address that was asked for when it comes to be there.
   */
  readonly controlPlane: 'own' | 'istio';
  /** The cluster's own, such as `cluster.local`. */
  readonly clusterDomain: string;
  /** Is told the names of resources that are not followed any more. */
  readonly forgotten: (names: readonly string[]) => void;
  readonly limits?: DemandLimits;
  readonly now: () => number;
}

/** Who holds names for longer than a look: their changes are followed for as long. */
export interface NameHolder {
  heldNames(): ReadonlySet<string>;
  /** Had to be let go of all the same, as there was no room: what was made from it can not be followed any more. */
  letGo(names: ReadonlySet<string>): void;
}

/** For what was not there. */
const ASK_AGAIN_MS = 30_000;

/**
 * What the agent knows, and asks for, where it does not follow everything. What was not answered is unknown, and nothing
 * is decided by it; what was answered with nothing is known not to be there.
 */
export class OnDemand {
  readonly #registry: Registry;
  readonly #demand: Demand;
  readonly #options: OnDemandOptions;
  readonly #now: () => number;
  readonly #holders = new Set<NameHolder>();
  readonly #answered = new Set<(names: ReadonlySet<string>) => void>();
  #send: ((changes: DemandChanges) => void) | undefined;
  #isSending = false;
  /** What was told, since the last sweep, although nothing asks for it. */
  readonly #heldBack = new Map<string, Workload | Service>();

  constructor(registry: Registry, options: OnDemandOptions) {
    this.#registry = registry;
    this.#options = options;
    this.#demand = new Demand(options.limits ?? DEMAND_LIMITS);
    this.#now = options.now;
  }

  /** Whether all is known of the names that there is; else they are asked for. */
  need(names: Iterable<string>): boolean {
    return this.missing(names).length === 0;
  }

  /** Those of the names of which it is not known what there is; they are asked for. */
  missing(names: Iterable<string>): string[] {
    const missing = this.#demand.need([...names].filter((name) => !this.#isKnownByAddress(name)), this.#now());
    this.#changed();
    return missing;
  }

  /** A service that was asked for by an address is known, with its endpoints, as if it had been by its name. */
  #isKnownByAddress(name: string): boolean {
    return !this.#demand.has(name) && this.#registry.service(name)?.addresses.some((address) => this.#demand.isAnswered(address)) === true;
  }

  /** Without asking. */
  isKnown(name: string): boolean {
    return this.#demand.isAnswered(name) || this.#isKnownByAddress(name);
  }

  /** Whether the control plane can be asked at this moment. */
  get isConnected(): boolean {
    return this.#send !== undefined;
  }

  /** Resolves once all is known of the names, or the signal aborts. Returns whether it is. */
  async known(names: readonly string[], signal: AbortSignal): Promise<boolean> {
    if (this.need(names)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onAbort = (): void => resolve(false);
    signal.addEventListener('abort', onAbort, { once: true });
    using _answers = this.onAnswered(() => {
      if (names.every((name) => this.isKnown(name))) resolve(true);
    });
    if (signal.aborted) onAbort();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Follows the names until it is disposed of. */
  pin(names: readonly string[]): Disposable {
    for (const name of names) this.#demand.pin(name, this.#now());
    this.#changed();
    return {
      [Symbol.dispose]: () => {
        for (const name of names) this.#demand.unpin(name);
      },
    };
  }

  hold(holder: NameHolder): Disposable {
    this.#holders.add(holder);
    return { [Symbol.dispose]: () => this.#holders.delete(holder) };
  }

  /** Called after the registry has what was answered, with the names that were asked for. */
  onAnswered(answered: (names: ReadonlySet<string>) => void): Disposable {
    this.#answered.add(answered);
    return { [Symbol.dispose]: () => this.#answered.delete(answered) };
  }

  #changed(): void {
    if (this.#demand.isFull) this.#makeRoom();
    metrics.discoveryAsked.set(this.#demand.size);
    if (this.#isSending || this.#send === undefined) return;
    this.#isSending = true;
    // What is asked for in one turn goes in one request.
    setImmediate(() => {
      this.#isSending = false;
      this.flush();
    });
  }

  /** Sends what has not been sent yet; done by itself at the end of a turn. */
  flush(): void {
    if (this.#send === undefined) return;
    const changes = this.#demand.takeChanges();
    if (changes.unsubscribe.length > 0 || changes.subscribe.length > 0) this.#send(changes);
  }

  #makeRoom(): void {
    const gone = new Set(this.#demand.makeRoom(this.#held()));
    for (const holder of this.#holders) holder.letGo(gone);
    this.#forget(gone);
  }

  #held(): (name: string) => boolean {
    const sets = [...this.#holders].map((holder) => holder.heldNames());
    return (name) => sets.some((names) => names.has(name));
  }

  // -- For whoever has the stream

  /** A stream begins. Returns the names that its first request asks for; others, and changes of them, are sent by it until it ends. */
  begin(send: (changes: DemandChanges) => void): readonly string[] {
    this.#send = send;
    const answered = this.#demand.takeAnswered();
    this.#changed();
    return answered;
  }

  ended(): void {
    this.#send = undefined;
    this.#letGoOfHeldBack();
  }

  /**
   * Puts into the registry what is wanted of an answer. What nothing asks for was let go of meanwhile, and is held back
   * until the next sweep says that it is not followed, or the stream ends: a control plane that sees it differently would
   * tell it again at once, and one that tells a service thinks until then that the workloads behind it are here.
   */
  apply({ updated, removed }: AddressDelta): RegistryChange {
    for (const name of [...removed, ...updated.map(nameOf)]) this.#heldBack.delete(name);
    const services = new Set(updated.flatMap((resource) => (resource.kind === 'service' ? [resource.key] : [])));
    const told = [...updated, ...[...this.#heldBack.values()].filter((resource) => servicesOf(resource).some((key) => services.has(key)))];
    const change = this.#registry.apply({ updated: told, removed });
    for (const resource of told) {
      const name = nameOf(resource);
      if (this.#isWanted(resource)) this.#heldBack.delete(name);
      else this.#heldBack.set(name, resource);
    }
    this.#registry.forget(told.map(nameOf).filter((name) => this.#heldBack.has(name)));
    return change;
  }

  /** An answer that the registry has by now. What could not be understood of it is as unknown as before. */
  told(updated: readonly (Workload | Service)[], removed: readonly string[]): void {
    const names = new Set<string>();
    const answer = (name: string, isPresent: boolean): void => {
      if (this.#demand.answer(name, isPresent, this.#now())) names.add(name);
    };
    for (const name of removed) answer(name, false);
    for (const resource of updated) for (const name of namesOf(resource)) answer(name, true);
    if (names.size > 0) for (const answered of this.#answered) answered(names);
  }

  /** Lets go of what was not used for long. */
  sweep(): void {
    const nowMs = this.#now();
    const gone = new Set(this.#demand.expire(nowMs, this.#held()));
    if (this.#options.controlPlane === 'istio') this.#demand.askAgain(nowMs, ASK_AGAIN_MS);
    this.#forget(gone);
    this.#demand.disclaim(this.#letGoOfHeldBack());
    this.#changed();
  }

  #letGoOfHeldBack(): readonly string[] {
    const names = [...this.#heldBack.keys()];
    this.#heldBack.clear();
    if (names.length > 0) this.#options.forgotten(names);
    return names;
  }

  /** Takes out of the registry what nothing asks for any more, as its changes are not told. */
  #forget(gone: ReadonlySet<string>): void {
    const forgotten: string[] = [];
    for (const kind of ['service', 'workload'] as const) for (const resource of this.#registry.resources(kind)) {
      const name = nameOf(resource);
      if (!this.#isWanted(resource)) forgotten.push(name);
      else if (gone.has(name)) this.#demand.keepFollowing(name);
    }
    if (forgotten.length === 0) return;
    this.#registry.forget(forgotten);
    this.#demand.disclaim(forgotten);
    this.#options.forgotten(forgotten);
  }

  /** Somebody asked for it, or for a service that it is behind. */
  #isWanted(resource: Workload | Service): boolean {
    if (namesOf(resource).some((name) => this.#demand.has(name))) return true;
    const { controlPlane, clusterDomain, node } = this.#options;
    if (resource.kind === 'service') return controlPlane === 'own' && !saysNamespace(resource.hostname, clusterDomain);
    if (controlPlane === 'istio' && resource.node === node) return true;
    const isAsked = (key: string): boolean => this.#demand.has(key) || this.#registry.service(key)?.addresses.some((address) => this.#demand.has(address)) === true;
    return servicesOf(resource).some(isAsked);
  }
}

const nameOf = (resource: Workload | Service): string => (resource.kind === 'workload' ? resource.uid : resource.key);

/** Keys of the services that a workload is behind. */
const servicesOf = (resource: Workload | Service): readonly string[] => (resource.kind === 'workload' ? [...resource.services.keys(), ...resource.names.keys()] : []);

const namesOf = (resource: Workload | Service): readonly string[] => [nameOf(resource), ...resource.addresses];
