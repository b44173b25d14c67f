import { type ListAndWatch, type OnChange, Reflector } from '@landbridge/kubernetes/reflector.ts';
import type { Logger } from 'pino';
import { leasesPath } from './kubernetes-lease-store.ts';
import { type Lease, parseLease } from './lease.ts';

/** One for each replica, and the one that they lead by: far more than anybody runs. */
const MAX_LEASES = 100;

/** The Leases of this service in its namespace, as the API server tells them. */
export class LeaseWatch {
  readonly #reflector: Reflector<Lease>;

  constructor(client: ListAndWatch, { namespace, labels }: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }, log: Logger) {
    const labelSelector = Object.entries(labels).map(([name, value]) => `${name}=${value}`).join();
    this.#reflector = new Reflector<Lease>(client, { path: leasesPath(namespace), query: { labelSelector }, parse: parseLease, keyOf: ({ name }) => name, maxObjects: MAX_LEASES }, log, { initialEvents: true });
  }

  /** Whether there was a list. */
  get isSynced(): boolean {
    return this.#reflector.isSynced;
  }

  /** By name. */
  get leases(): ReadonlyMap<string, Lease> {
    return this.#reflector.objects;
  }

  /** Runs until the signal aborts; `changed` is called with the names of what was added, changed or removed. */
  async run(changed: OnChange, signal: AbortSignal): Promise<void> {
    await this.#reflector.run(changed, signal);
  }
}
