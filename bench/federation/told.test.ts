import { create, toBinary } from '@bufbuild/protobuf';
import { AddressSchema, ServiceSchema, WorkloadSchema } from '@landbridge/wire/gen/workload_pb.js';
import test from 'ava';
import { Told } from './told.ts';

const service = (addresses: number): Uint8Array => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'service', value: create(ServiceSchema, { addresses: Array.from({ length: addresses }, () => ({ address: Uint8Array.of(10, 0, 0, 1) })) }) } }));
const workload = (last: number): Uint8Array => toBinary(AddressSchema, create(AddressSchema, { type: { case: 'workload', value: create(WorkloadSchema, { addresses: [Uint8Array.of(10, 1, 1, last)] }) } }));
const UID = 'west//Pod/shop/cart-1';

test('services, those that have an address, and workloads are counted once each', (t) => {
  const told = new Told();
  told.take('shop/cart.shop.svc.clusterset.local', 1, service(0));
  t.deepEqual([told.services, told.addressed, told.workloads], [1, 0, 0]);
  told.take('shop/cart.shop.svc.clusterset.local', 2, service(1));
  for (const last of [1, 2]) told.take(UID, 3, workload(last));
  t.deepEqual([told.services, told.addressed, told.workloads], [1, 1, 1]);
});

test('a change is told once its agent has what it became, or what a later one made of it, however the messages come', (t) => {
  const told = new Told();
  told.take(UID, 0, workload(1));
  for (const [last, atMs] of [[2, 10], [3, 20], [4, 30]] as const) told.sent(UID, `10.1.1.${last}`, atMs);
  told.take(UID, 40, workload(3));
  t.deepEqual([told.underWay, told.latency(0), told.latency(1)], [1, 20, 30], 'one is behind');
  told.take(UID, 50, workload(4));
  t.deepEqual([told.underWay, told.latency(0), told.latency(1)], [0, 20, 30]);
  told.take(UID, 70, workload(5));
  told.sent(UID, '10.1.1.5', 60);
  t.deepEqual([told.underWay, told.changes, told.latency(0)], [0, 4, 10]);
});
