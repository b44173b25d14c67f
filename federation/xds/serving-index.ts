import type { MeshEndpoint } from './service.ts';

interface Single {
  readonly service: string;
  readonly endpoint: MeshEndpoint;
}

/** What services say of each workload, by its uid. Nearly every one is behind one service, and a map for each would take more memory than what it says. */
export class ServingIndex {
  readonly #single = new Map<string, Single>();
  /** Of those that are behind several, by service. */
  readonly #several = new Map<string, Map<string, MeshEndpoint>>();

  /** By service. */
  of(uid: string): ReadonlyMap<string, MeshEndpoint> {
    const single = this.#single.get(uid);
    return single === undefined ? (this.#several.get(uid) ?? new Map<string, MeshEndpoint>()) : new Map([[single.service, single.endpoint]]);
  }

  set(uid: string, service: string, endpoint: MeshEndpoint): void {
    const several = this.#several.get(uid);
    const single = this.#single.get(uid);
    if (several !== undefined) several.set(service, endpoint);
    else if (single === undefined || single.service === service) this.#single.set(uid, { service, endpoint });
    else {
      this.#single.delete(uid);
      this.#several.set(uid, new Map([[single.service, single.endpoint], [service, endpoint]]));
    }
  }

  delete(uid: string, service: string): void {
    if (this.#single.get(uid)?.service === service) this.#single.delete(uid);
    const several = this.#several.get(uid);
    if (several?.delete(service) === true && several.size === 0) this.#several.delete(uid);
  }
}
