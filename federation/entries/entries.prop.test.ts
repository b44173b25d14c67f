import { isHostname } from '@landbridge/core/hostname.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { exampleServiceEntry, exampleWorkloadEntry } from './example-entries.ts';
import { readServiceEntry } from './service-entry.ts';
import { readWorkloadEntry } from './workload-entry.ts';

const text = fc.oneof(fc.constantFrom('0177.0.0.1', '::ffff:127.0.0.1', '10.0.0.0/8', '203.0.113.1', '*.a.example', 'a.example', 'unix:///x', '.', '~', 'NONE', 'STATIC', 'DNS', '__proto__'), fc.string(), fc.ipV4(), fc.ipV6(), fc.domain());
const value: fc.Arbitrary<unknown> = fc.oneof({ weight: 4, arbitrary: text }, { weight: 2, arbitrary: fc.integer({ min: -1, max: 70_000 }) }, fc.jsonValue());
const some = (arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.oneof({ weight: 5, arbitrary: fc.array(arbitrary, { maxLength: 4 }) }, value);
const endpoint = fc.oneof({ weight: 5, arbitrary: fc.record({ address: value, ports: fc.oneof(fc.dictionary(fc.string(), value), value), labels: fc.oneof(fc.dictionary(fc.string(), value), value), network: value, locality: value, weight: value, serviceAccount: value }, { requiredKeys: [] }) as fc.Arbitrary<unknown> }, value);
const spec = fc.oneof({ weight: 9, arbitrary: fc.record({ hosts: some(text), addresses: some(text), ports: some(fc.record({ number: value, name: value, protocol: value, targetPort: value }, { requiredKeys: [] })), resolution: value, endpoints: some(endpoint), workloadSelector: fc.oneof(fc.record({ labels: value }), value), exportTo: some(text), subjectAltNames: some(text) }, { requiredKeys: [] }) as fc.Arbitrary<unknown> }, value);

test('whatever a ServiceEntry says, what is taken of it is a name, an address or a port', (t) => {
  fc.assert(fc.property(spec, value, (said, status) => {
    const read = readServiceEntry(exampleServiceEntry('x', said, {}, { addresses: status }));
    t.truthy(read);
    const { entry, faults = [], unsupported } = read ?? {};
    if (entry === undefined) return void t.true(faults.length > 0 || unsupported !== undefined);
    for (const host of entry.hosts) t.true(isHostname(host.replace(/^\*\./, '')) && !host.endsWith('clusterset.local'), host);
    for (const address of [...entry.addresses, ...[...entry.allocated.values()].flat()]) t.is(routableAddress(address), address);
    for (const { number, target } of entry.ports) t.true(number > 0 && number < 65_536 && target > 0 && target < 65_536);
    t.is(new Set(entry.ports.map(({ number }) => number)).size, entry.ports.length);
    for (const { address, hostname, network } of entry.endpoints) t.true(address === undefined ? isHostname(hostname) || network !== '' : routableAddress(address) === address);
  }), { numRuns: 2000 });
});

test('whatever a WorkloadEntry says, it has an address that leads elsewhere, a name or a network, or is none', (t) => {
  fc.assert(fc.property(endpoint, (said) => {
    const read = readWorkloadEntry(exampleWorkloadEntry('x', said));
    if (read?.entry === undefined) return void t.is(read?.faults.length, 1);
    const { address, hostname, network, ports } = read.entry.endpoint;
    t.true(address === undefined ? isHostname(hostname) || network !== '' : routableAddress(address) === address);
    for (const port of ports.values()) t.true(port > 0 && port < 65_536);
  }), { numRuns: 2000 });
});
