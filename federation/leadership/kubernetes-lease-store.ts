import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type ApiServerClient, statusOf } from '@landbridge/kubernetes/api-server-client.ts';
import { type Lease, parseLease } from './lease.ts';
import { leaseConflict, type LeaseChange, type LeaseStore } from './lease-store.ts';

const NOT_FOUND = 404;
const CONFLICT = 409;

export const leasesPath = (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

export interface LeaseAddress {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A Lease at an API server. A patch that names the version applies to no other (Kubernetes API concepts, "Resource versions"). */
export class KubernetesLeaseStore implements LeaseStore {
  readonly #client: Pick<ApiServerClient, 'get' | 'create' | 'mergePatch'>;
  readonly #address: LeaseAddress;
  readonly #path: string;

  constructor(client: Pick<ApiServerClient, 'get' | 'create' | 'mergePatch'>, address: LeaseAddress) {
    this.#client = client;
    this.#address = address;
    this.#path = `${leasesPath(address.namespace)}/${address.name}`;
  }

  async read(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return this.#parsed(await this.#client.get(this.#path, signal));
    } catch (thrown) {
      if (statusOf(thrown) === NOT_FOUND) return undefined;
      throw thrown;
    }
  }

  async write({ holder, durationMs, transitions, isTaken }: LeaseChange, over: Lease | undefined, signal: AbortSignal): Promise<Lease> {
    const { namespace, name, labels } = this.#address;
    const now = microTime(new Date());
    const spec = { holderIdentity: holder, leaseDurationSeconds: Math.max(1, Math.round(durationMs / 1000)), leaseTransitions: transitions, renewTime: now, ...(isTaken ? { acquireTime: now } : {}) };
    try {
      if (over === undefined) return this.#parsed(await this.#client.create(leasesPath(namespace), { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace, labels }, spec }, signal));
      return this.#parsed(await this.#client.mergePatch(this.#path, { metadata: { resourceVersion: over.version, labels }, spec }, signal));
    } catch (thrown) {
      // Of a new one it is the namespace that is not found.
      if (statusOf(thrown) === CONFLICT || (statusOf(thrown) === NOT_FOUND && over !== undefined)) throw leaseConflict(name, thrown);
      throw thrown;
    }
  }

  #parsed(value: unknown): Lease {
    const lease = parseLease(value);
    if (!lease.ok) throw new LandbridgeError('kubernetes', `Lease ${this.#address.name}: ${lease.error}`, { retryable: true });
    return lease.value;
  }
}

/** RFC 3339 with microseconds, as MicroTime of meta/v1 is written. */
const microTime = (date: Date): string => date.toISOString().replace('Z', '000Z');
