import { fromBinary } from '@bufbuild/protobuf';
import { saysNamespace } from '@landbridge/core/names.ts';
import { ipFromBytes } from '@landbridge/core/ip-address.ts';
import { extensionBytes } from '@landbridge/wire/extensions.ts';
import { EndpointNamesSchema } from '@landbridge/wire/gen/names_pb.js';
import { AddressSchema, type Extension } from '@landbridge/wire/gen/workload_pb.js';
import { NAMES_EXTENSION } from '@landbridge/wire/protocol.ts';
import { insert, withdraw } from '../registry/local-index.ts';
import type { Resource } from './resource.ts';

interface Indexed {
  readonly isService: boolean;
  /** A service by whose name nobody can ask. */
  readonly isHost: boolean;
  /** `<network>/<ip>` */
  readonly addresses: readonly string[];
  /** Keys of the services that a workload is behind. */
  readonly services: readonly string[];
  /** `<cluster>/<node>` of a workload that is known to be on one. */
  readonly place: string | undefined;
}

const NONE: ReadonlySet<string> = new Set();

/** Addresses by what agents may ask for: names, addresses, and with a service the workloads behind it. */
export class OnDemandIndex {
  readonly #indexed = new Map<string, Indexed>();
  readonly #atAddress = new Map<string, Set<string>>();
  readonly #behind = new Map<string, Set<string>>();
  readonly #onNode = new Map<string, Set<string>>();
  readonly #hosts = new Set<string>();
  readonly #clusterDomain: string;

  constructor(clusterDomain: string) {
    this.#clusterDomain = clusterDomain;
  }

  get isEmpty(): boolean {
    return this.#indexed.size === 0;
  }

  names(): Iterable<string> {
    return this.#indexed.keys();
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

  /** Names of the workloads on a node. Nodes of different clusters may have the same name. */
  onNode(cluster: string, node: string): ReadonlySet<string> {
    return this.#onNode.get(`${cluster}/${node}`) ?? NONE;
  }

  /** Names of the services whose hosts say nothing of their namespaces, and which may have ranges of addresses: nobody can ask for these. */
  get hosts(): ReadonlySet<string> {
    return this.#hosts;
  }

  /** The other names by which a resource may have been asked for. */
  aliasesOf(name: string): readonly string[] {
    return this.#indexed.get(name)?.addresses ?? [];
  }

  isWorkload(name: string): boolean {
    return this.#indexed.get(name)?.isService === false;
  }

  /** Keys of the services that a workload is behind. */
  servicesOf(name: string): readonly string[] {
    return this.#indexed.get(name)?.services ?? [];
  }

  #add(name: string, { bytes }: Resource): void {
    const indexed = indexedOf(bytes, this.#clusterDomain);
    this.#indexed.set(name, indexed);
    if (indexed.isHost) this.#hosts.add(name);
    for (const address of indexed.addresses) insert(this.#atAddress, address, name);
    for (const service of indexed.services) insert(this.#behind, service, name);
    if (indexed.place !== undefined) insert(this.#onNode, indexed.place, name);
  }

  #remove(name: string): void {
    const before = this.#indexed.get(name);
    if (before === undefined) return;
    this.#indexed.delete(name);
    this.#hosts.delete(name);
    for (const address of before.addresses) withdraw(this.#atAddress, address, name);
    for (const service of before.services) withdraw(this.#behind, service, name);
    if (before.place !== undefined) withdraw(this.#onNode, before.place, name);
  }
}

/** Those whose ports, of which they may have none, are told elsewhere. */
function headlessOf(extensions: readonly Extension[]): string[] {
  const bytes = extensionBytes(extensions, NAMES_EXTENSION);
  return bytes === undefined ? [] : Object.keys(fromBinary(EndpointNamesSchema, bytes).services);
}

/** We made the bytes ourselves. */
function indexedOf(bytes: Uint8Array, clusterDomain: string): Indexed {
  const { type } = fromBinary(AddressSchema, bytes);
  const at = (network: string, address: Uint8Array): string[] => {
    const ip = ipFromBytes(address);
    return ip.ok ? [`${network}/${ip.value}`] : [];
  };
  switch (type.case) {
    case 'workload':
      return { isService: false, isHost: false, addresses: type.value.networkMode === 0 ? type.value.addresses.flatMap((address) => at(type.value.network, address)) : [], services: [...new Set([...Object.keys(type.value.services), ...headlessOf(type.value.extensions)])], place: type.value.node === '' ? undefined : `${type.value.clusterId}/${type.value.node}` };
    case 'service':
      return { isService: true, isHost: !saysNamespace(type.value.hostname, clusterDomain), addresses: type.value.addresses.flatMap(({ network, address, length }) => (length === undefined ? at(network, address) : [])), services: [], place: undefined };
    default:
      return { isService: false, isHost: false, addresses: [], services: [], place: undefined };
  }
}
