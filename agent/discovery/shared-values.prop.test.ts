import { create, toBinary } from '@bufbuild/protobuf';
import { AddressSchema, PortListSchema, ServiceSchema, WorkloadSchema } from '@landbridge/wire/gen/workload_pb.js';
import test from 'ava';
import fc from 'fast-check';
import { SharedValues } from '@landbridge/core/shared-values.ts';
import { parseAddress } from './wds-address.ts';

/** Such as would be mistaken for several where texts are only strung together. */
const text = fc.oneof(fc.constantFrom('a', 'a/b', 'a/b 1:2', '1:2', '1:2,3:4', 'x\ny', '"],["'), fc.string({ maxLength: 4 }));
const ports = fc.array(fc.record({ servicePort: fc.integer({ min: 0, max: 3 }), targetPort: fc.integer({ min: 0, max: 3 }) }), { maxLength: 3 });
const workload = fc.record({ uid: fc.constantFrom('u', 'v'), name: text, namespace: text, node: text, serviceAccount: text, trustDomain: text, authorizationPolicies: fc.array(text, { maxLength: 3 }), services: fc.dictionary(text.map((each) => `${each}/h`), ports.map((list) => create(PortListSchema, { ports: list })), { maxKeys: 3 }) })
  .map((value) => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value: create(WorkloadSchema, value) } })));
const service = fc.record({ name: text, namespace: text, hostname: text, ports })
  .map((value) => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value: create(ServiceSchema, value) } })));

test('what is read of a resource does not depend on what was read before', (t) => {
  fc.assert(fc.property(fc.array(fc.oneof(workload, service), { maxLength: 8 }), (all) => {
    const shared = new SharedValues();
    for (const bytes of all) t.deepEqual(parseAddress(bytes, shared), parseAddress(bytes));
  }), { numRuns: 300 });
});

test('a name that looks like several services is none of them', (t) => {
  const served = (services: Readonly<Record<string, number>>): Uint8Array => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value: create(WorkloadSchema, { uid: 'u', services: Object.fromEntries(Object.entries(services).map(([key, port]) => [key, create(PortListSchema, { ports: [{ servicePort: port, targetPort: port }] })])) }) } }));
  const shared = new SharedValues();
  for (const separator of [',', '\n', ' ', '"],["']) for (const services of [{ 'a/b': 1, 'c/d': 2 }, { [`a/b 1:1${separator}c/d`]: 2 }]) t.deepEqual(parseAddress(served(services), shared), parseAddress(served(services)));
});

test('what is equal is there once', (t) => {
  const shared = new SharedValues();
  t.is(shared.made('a', () => new Map()), shared.made('a', () => new Map()));
  t.not(shared.made('a', () => new Map()), shared.made('b', () => new Map()));
  t.is(shared.text('a'), 'a');
});
