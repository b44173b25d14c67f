import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import { isIP } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import { type Endpoint, EndpointSchema } from '@landbridge/core/records.ts';
import { routableAddress } from '@landbridge/core/routable-address.ts';
import { AddressSchema } from '@landbridge/wire/gen/workload_pb.js';
import test from 'ava';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint } from '../records/example-records.ts';
import { addressResources } from './address-resources.ts';
import type { Resource } from './resource.ts';

/** Everything that the schema lets a peer say of an endpoint, also what no honest cluster would. */
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ maxLength, unit: fc.oneof({ weight: 9, arbitrary: fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }) }, fc.constantFrom('\ud800', '\udfff')) });
const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ minLength: 2, maxLength: 45 }), fc.constantFrom('::', '::1', '::ffff:192.0.2.1', 'fe80::1%eth0', '1:2:3:4:5:6:7:8:9', '256.1.1.1', ':::'));
const port = fc.record({ name: fc.constantFrom('', 'http'), protocol: fc.constantFrom('TCP' as const, 'UDP' as const), port: fc.integer({ min: 1, max: 65535 }) });
const foreignEndpoint: fc.Arbitrary<Endpoint> = fc.record({
  workload: text(40).filter((name) => name !== ''),
  addresses: fc.array(address, { minLength: 1, maxLength: 2 }),
  ports: fc.array(port, { maxLength: 4 }),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  serviceAccount: text(40),
  tunnel: fc.constantFrom('hbone' as const, 'none' as const),
  node: text(40),
  region: text(40),
  zone: text(40),
  hostname: text(63),
});

function told(endpoints: readonly Endpoint[]): ReadonlyMap<string, Resource> {
  return addressResources({ cluster: 'west', trustDomain: 'west.landbridge', network: '', domain: 'cluster.local', policiesOf: () => [], trafficOf: () => NO_TRAFFIC_POLICY, pods: [], nodes: [], services: new Map(), imports: [{ imported: exampleImport({ type: 'Headless', clusters: [part('east', ...endpoints)] }), addresses: ['10.96.0.1'] }] });
}

test('whatever a peer says of its endpoints, agents are told something that they can read', (t) => {
  fc.assert(fc.property(fc.array(foreignEndpoint, { maxLength: 5 }), (endpoints) => {
    for (const each of endpoints) fc.pre(Value.Check(EndpointSchema, each));
    for (const [name, { bytes }] of told(endpoints)) {
      const { type } = fromBinary(AddressSchema, bytes);
      if (type.case !== 'workload') continue;
      t.true(name.startsWith('east//Pod/shop/'));
      for (const each of type.value.addresses) t.true(each.length === 4 || each.length === 16);
    }
  }));
});

test('an address becomes the bytes that it means, and no other text becomes any', (t) => {
  const bytesOf = (ip: string): readonly Uint8Array[] => {
    const { type } = fromBinary(AddressSchema, told([{ ...endpoint('a'), addresses: [ip] }]).get('east//Pod/shop/a')?.bytes ?? new Uint8Array());
    return type.case === 'workload' ? type.value.addresses : [];
  };
  fc.assert(fc.property(address, (ip) => {
    const [bytes] = bytesOf(ip);
    // Zones, and addresses that mean something else on each host, are left out besides.
    t.is(bytes === undefined, routableAddress(ip) === undefined);
    if (isIP(ip) === 0 || ip.includes('%')) t.is(bytes, undefined);
    if (bytes === undefined) return;
    const back = bytes.length === 4 ? bytes.join('.') : Array.from({ length: 8 }, (_, index) => (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16)).join(':');
    t.is(canonical(back), canonical(ip));
  }));
});

/** The one form that URLs have of an address, an IPv4 address being what it is mapped to. */
function canonical(ip: string): string {
  return new URL(`http://[${isIP(ip) === 6 ? ip : `::ffff:${ip}`}]`).hostname;
}
