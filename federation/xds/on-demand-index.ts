import { fromBinary } from '@bufbuild/protobuf';
import { ipFromBytes } from '@landbridge/core/ip-address.ts';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import { insert, withdraw } from '../registry/local-index.ts';
import type { Resource } from './resource.ts';

interface Indexed {
  readonly isService: boolean;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  /** Keys of the services that a workload is behind. */
  readonly services: readonly string[];
}

/** Addresses by what agents may ask for: names, addresses, and with a service the workloads behind it. */
export class OnDemandIndex {
  readonly #indexed = new Map<string, Indexed>();
  readonly #atAddress = new Map<string, Set<string>>();
  readonly #behind = new Map<string, Set<string>>();

  get isEmpty(): boolean {
    return this.#indexed.size === 0;
  }

  /** Yields between resources. */
  *update(resources: ReadonlyMap<string, Resource>, names: Iterable<string>): Generator<void, void> {
    for (const name of names) {
      this.#remove(name);
      const resource = resources.get(name);
      if (resource !== undefined) this.#add(name, resource);
      yield;
    }
  }

  /** Names of the resources that belong to the answer where somebody asks for a name, a service's key, a uid or `<network>/<ip>`; none where there is nothing. */
  resolve(asked: string): ReadonlySet<string> {
    const found = new Set<string>(this.#indexed.has(asked) ? [asked] : (this.#atAddress.get(asked) ?? []));
    for (const name of [...found]) if (this.#indexed.get(name)?.isService === true) for (const uid of this.#behind.get(name) ?? []) found.add(uid);
    return found;
  }

  /** The other names by which a resource may have been asked for. */
  aliasesOf(name: string): readonly string[] {
    return this.#indexed.get(name)?.addresses ?? [];
  }

  #add(name: string, { bytes }: Resource): void {
    const indexed = indexedOf(bytes);
    this.#indexed.set(name, indexed);
    for (const address of indexed.addresses) insert(this.#atAddress, address, name);
    for (const service of indexed.services) insert(this.#behind, service, name);
  }

  #remove(name: string): void {
    const before = this.#indexed.get(name);
    if (before === undefined) return;
    this.#indexed.delete(name);
    for (const address of before.addresses) withdraw(this.#atAddress, address, name);
    for (const service of before.services) withdraw(this.#behind, service, name);
  }
}

/** We made the bytes ourselves. */
function indexedOf(bytes: Uint8Array): Indexed {
  const { type } = fromBinary(AddressSchema, bytes);
  const at = (network: string, address: Uint8Array): string[] => {
    const ip = ipFromBytes(address);
    return ip.ok ? [`${network}/${ip.value}`] : [];
  };
  switch (type.case) {
    case 'workload':
      return { isService: false, addresses: type.value.networkMode === 0 ? type.value.addresses.flatMap((address) => at(type.value.network, address)) : [], services: Object.keys(type.value.services) };
    case 'service':
      return { isService: true, addresses: type.value.addresses.flatMap(({ network, address, length }) => (length === undefined ? at(network, address) : [])), services: [] };
    default:
      return { isService: false, addresses: [], services: [] };
  }
}
