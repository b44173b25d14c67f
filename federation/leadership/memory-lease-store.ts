import type { Lease } from './lease.ts';
import { leaseConflict, type LeaseChange, type LeaseStore } from './lease-store.ts';

/** Forgets everything with the process; for tests. */
export class MemoryLeaseStore implements LeaseStore {
  readonly #name: string;
  #lease: Lease | undefined;
  #versions = 0;
  /** While set, nobody is answered. */
  #fault: Error | undefined;
  readonly #changed = new Set<(lease: Lease | undefined) => void>();

  constructor(name = 'leader') {
    this.#name = name;
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  async read(signal: AbortSignal): Promise<Lease | undefined> {
    signal.throwIfAborted();
    if (this.#fault !== undefined) throw this.#fault;
    return this.#lease;
  }

  async write({ holder, durationMs, transitions }: LeaseChange, over: Lease | undefined, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#lease?.version !== over?.version) throw leaseConflict(this.#name);
    this.#set({ name: this.#name, version: String(++this.#versions), holder, durationMs, transitions, annotations: this.#lease?.annotations ?? {} });
    return this.#lease as Lease;
  }

  /** As an administrator may. */
  remove(): void {
    this.#set(undefined);
  }

  setFault(fault: Error | undefined): void {
    this.#fault = fault;
  }

  /** As a watch tells. */
  watch(changed: (lease: Lease | undefined) => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => this.#changed.delete(changed) };
  }

  #set(lease: Lease | undefined): void {
    this.#lease = lease;
    for (const changed of this.#changed) changed(lease);
  }
}
