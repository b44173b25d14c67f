import test from 'ava';
import fc from 'fast-check';
import type { ServiceRecord } from '@landbridge/core/records.ts';
import type { ClusterView } from '../records/cluster-view.ts';
import { exampleView } from '../clusterset/example-cluster.ts';
import { endpoint, exampleKeys, exampleMember, service } from '../records/example-records.ts';
import { encodeJoinPreview, parseJoinPreview } from './join-preview.ts';

const member = exampleMember('west', exampleKeys());
const record = (name: string): ServiceRecord => service(name) as ServiceRecord;

function view(services: ReadonlyMap<string, ServiceRecord>, endpoints: ClusterView['endpoints'] = new Map()): ClusterView {
  return exampleView('west', { member, services, endpoints });
}

function read(bytes: Uint8Array) {
  const parsed = parseJoinPreview(bytes);
  if (!parsed.ok || !parsed.value.ok) throw new Error(JSON.stringify(parsed));
  return parsed.value.value;
}

test('services are told with one endpoint of each kind, and without names or addresses of pods', (t) => {
  const endpoints = new Map([['shop/cart', [endpoint('cart-1', '10.0.0.1'), endpoint('cart-2', '10.0.0.2'), { ...endpoint('cart-3', 'fd00::3'), ports: [] }]]]);
  const bytes = encodeJoinPreview([view(new Map([['shop/cart', record('cart')]]), endpoints)]);
  const { clusters, isWhole } = read(bytes);
  t.true(isWhole);
  t.like(clusters[0], { cluster: 'west', trustDomain: 'west.landbridge', joinedAt: member.joinedAt });
  t.deepEqual(clusters[0]?.services.map((each) => [each.record.name, each.endpoints.length]), [['cart', 2]]);
  for (const secret of ['cart-1', '10.0.0.1', 'fd00::3']) t.false(Buffer.from(bytes).toString().includes(secret), secret);
});

test('what has no room is left out, and that is said', (t) => {
  const services = new Map(Array.from({ length: 8000 }, (_, n) => [`shop/s${n}`, record(`s${n}`)] as const));
  const bytes = encodeJoinPreview([view(services)]);
  t.true(bytes.length <= 900 * 1024);
  const { clusters, isWhole } = read(bytes);
  t.false(isWhole);
  t.true((clusters[0]?.services.length ?? 0) > 1000);
});

test('any bytes have an answer', (t) => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map((text) => Buffer.from(text))), (bytes) => typeof parseJoinPreview(bytes).ok === 'boolean'));
  const refused = parseJoinPreview(Buffer.from(JSON.stringify({ ok: false, error: { code: 'token-used', message: 'x' } })));
  t.is(refused.ok && !refused.value.ok && refused.value.error.code, 'token-used');
});
