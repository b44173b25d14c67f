import { parsePrefix, prefixContains } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { AddressPool, type AllocatedAddress } from './address-pool.ts';
import { freePair } from './automatic-addresses.ts';
import { exampleServiceEntry } from './example-entries.ts';
import { readServiceEntry, type ServiceEntry } from './service-entry.ts';

const RANGES = ['240.240.0.0/16', '2001:2::/48'].map((text) => parsePrefix(text));

interface Said {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly addresses: readonly string[];
  readonly resolution: string;
  readonly age: number;
  status: readonly AllocatedAddress[];
}

const address = fc.constantFrom('240.240.0.1', '240.240.0.2', '2001:2::f0f0:1', '203.0.113.1') as fc.Arbitrary<AllocatedAddress['value']>;
const host = fc.constantFrom('a.example', 'b.example', 'c.example', '*.d.example');
const said: fc.Arbitrary<Said> = fc.record({ name: fc.constantFrom('x1', 'x2', 'x3', 'x4'), hosts: fc.uniqueArray(host, { minLength: 1, maxLength: 3 }), addresses: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(address, { maxLength: 2 }) }), resolution: fc.constantFrom('DNS', 'STATIC', 'NONE'), age: fc.nat({ max: 2 }), status: fc.array(fc.record({ host, value: address }), { maxLength: 3 }) });

const entryOf = ({ name, hosts, addresses, resolution, age, status }: Said): ServiceEntry => readServiceEntry(exampleServiceEntry(name, { hosts, addresses, resolution }, { creationTimestamp: new Date(age * 1000) }, { addresses: status }))?.entry as ServiceEntry;

/** Writes what is wanted until nothing is, and looks again at those alone that a write is about. */
function settle(pool: AddressPool, world: Map<string, Said>, due: Set<string>): number {
  let writes = 0;
  for (const next of due) {
    due.delete(next);
    const wanted = pool.wanted(next);
    const entry = world.get(next);
    if (wanted === undefined || entry === undefined) continue;
    if (++writes > 100) throw new Error('it does not end');
    entry.status = wanted;
    for (const touched of pool.set(next, entryOf(entry))) due.add(touched);
  }
  return writes;
}

const worlds = fc.array(fc.record({ said: fc.option(said, { nil: undefined }), name: fc.constantFrom('x1', 'x2', 'x3', 'x4'), settles: fc.boolean() }), { maxLength: 12 });

test('every host that is to have automatic addresses comes to have some of its own, and keeps those that it had for itself', (t) => {
  fc.assert(fc.property(worlds, (events) => {
    const pool = new AddressPool();
    const world = new Map<string, Said>();
    const due = new Set<string>();
    for (const { said: now, name, settles } of events) {
      const at = `shop/${now?.name ?? name}`;
      if (now === undefined) world.delete(at);
      else world.set(at, { ...now });
      for (const touched of pool.set(at, now === undefined ? undefined : entryOf(now))) due.add(touched);
      if (settles) settle(pool, world, due);
    }
    const before = new Map([...world].map(([at, each]) => [at, entryOf(each)]));
    settle(pool, world, due);
    const entries = [...world.values()].map(entryOf);
    const owners = new Map<string, string>();
    for (const entry of entries) {
      t.is(pool.wanted(entry.key), undefined, 'nothing is left to do');
      const wanted = entry.isAllocated ? entry.hosts.filter((each) => !each.startsWith('*')) : [];
      t.deepEqual([...entry.allocated.keys()].sort(), [...wanted].sort());
      for (const [each, addresses] of entry.allocated) {
        for (const value of addresses) {
          t.is(owners.get(value), undefined, `${value} is had twice`);
          owners.set(value, `${entry.key} ${each}`);
          t.false(entries.some((other) => other !== entry && other.addresses.includes(value)), `${value} is somebody’s own`);
        }
        const had = before.get(entry.key)?.allocated.get(each) ?? [];
        const isAlone = had.length > 0 && had.every((value) => ![...before.values()].some((other) => (other.key !== entry.key && (other.addresses.includes(value) || [...other.allocated.values()].flat().includes(value))) || (other.key === entry.key && [...other.allocated].some(([name, all]) => name !== each && all.includes(value)))));
        if (isAlone) t.deepEqual(addresses, had);
      }
    }
  }), { numRuns: 2000 });
});

test('addresses are of the ranges, of both families, and the same for the same host', (t) => {
  fc.assert(fc.property(fc.string(), (name) => {
    const pair = freePair(name, () => false);
    t.deepEqual(freePair(name, () => false), pair);
    t.true(RANGES.every((range, i) => range.ok && pair !== undefined && prefixContains(range.value, pair[i] as never)));
  }));
});

test('the last address is found, and where none is left there is none', (t) => {
  const seen = new Set<string>();
  t.is(freePair('x', (ip) => {
    seen.add(ip);
    return true;
  }), undefined);
  t.is(seen.size, 0xffff - 1, 'the first of each pair says enough');
  t.false(seen.has('240.240.0.0') || seen.has('240.240.255.255'));
  const left = ['240.240.0.1', '2001:2::f0f0:1'];
  t.deepEqual(freePair('x', (ip) => !left.includes(ip)), left as never);
});
