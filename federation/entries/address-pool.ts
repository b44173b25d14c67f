import type { IpAddress } from '@landbridge/core/ip-address.ts';
import { insert, withdraw } from '../registry/local-index.ts';
import { freePair } from './automatic-addresses.ts';
import { isOlder } from './entry-hosts.ts';
import { isWildcard, type ServiceEntry } from './service-entry.ts';

/** As it stands in the status of a ServiceEntry. */
export interface AllocatedAddress {
  readonly host: string;
  readonly value: IpAddress;
}

/**
 * Which automatic addresses entries have, and which they are to have. What is in their status is the truth, so that
 * whoever computes this finds the same, and an address stays its host's; where two have one, the older entry keeps it,
 * and what somebody has written into a spec is taken in any case.
 */
export class AddressPool {
  readonly #entries = new Map<string, ServiceEntry>();
  /** Keys of entries that say an address, in their spec or status. */
  readonly #saidBy = new Map<string, Set<string>>();
  /** Found for an entry, and not yet seen in its status. */
  readonly #reserved = new Map<string, ReadonlySet<string>>();
  readonly #allReserved = new Set<string>();

  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  /** What an entry is now. Returns keys of those that may have to have other addresses than before: itself and those that say the same. */
  set(key: string, after: ServiceEntry | undefined): ReadonlySet<string> {
    const touched = new Set([key]);
    const before = this.#entries.get(key);
    this.#release(key);
    for (const address of before === undefined ? [] : said(before)) {
      withdraw(this.#saidBy, address, key);
      for (const other of this.#saidBy.get(address) ?? []) touched.add(other);
    }
    if (after === undefined) this.#entries.delete(key);
    else this.#entries.set(key, after);
    for (const address of after === undefined ? [] : said(after)) {
      for (const other of this.#saidBy.get(address) ?? []) touched.add(other);
      insert(this.#saidBy, address, key);
    }
    return touched;
  }

  /** What the status of an entry is to say; undefined where it says that. A host without a free address is left out. */
  wanted(key: string): readonly AllocatedAddress[] | undefined {
    this.#release(key);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const hosts = entry.isAllocated ? entry.hosts.filter((host) => !isWildcard(host)) : [];
    const reserved = new Set<IpAddress>();
    const found = hosts.flatMap((host): AllocatedAddress[] => {
      const kept = (entry.allocated.get(host) ?? []).filter((address) => !this.#isLost(address, entry) && !reserved.has(address));
      const addresses = kept.length > 0 ? kept : (freePair(`${entry.namespace}/${host}`, (address) => reserved.has(address) || this.#isTaken(address)) ?? []);
      for (const address of addresses) reserved.add(address);
      return addresses.map((value) => ({ host, value }));
    });
    const isSame = found.length === [...entry.allocated.values()].flat().length && found.every(({ host, value }) => entry.allocated.get(host)?.includes(value) === true);
    if (isSame) return undefined;
    this.#reserved.set(key, reserved);
    for (const address of reserved) this.#allReserved.add(address);
    return found;
  }

  #isTaken(address: IpAddress): boolean {
    return this.#saidBy.has(address) || this.#allReserved.has(address);
  }

  #release(key: string): void {
    for (const address of this.#reserved.get(key) ?? []) this.#allReserved.delete(address);
    this.#reserved.delete(key);
  }

  /** Whether it is another's before it is this entry's. */
  #isLost(address: IpAddress, entry: ServiceEntry): boolean {
    return [...(this.#saidBy.get(address) ?? [])].some((key) => {
      const other = this.#entries.get(key);
      return other !== undefined && other !== entry && (other.addresses.includes(address) || isOlder(other, entry));
    });
  }
}

const said = ({ addresses, allocated }: ServiceEntry): Iterable<IpAddress> => new Set([...addresses, ...[...allocated.values()].flat()]);
