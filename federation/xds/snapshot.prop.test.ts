import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import test from 'ava';
import fc from 'fast-check';
import type { Resource } from './resource.ts';
import { sourceOf } from './resource-names.ts';
import { delta, type Snapshot } from './snapshot.ts';

const name = fc.constantFrom('west//Pod/shop/a', 'west//Pod/shop/b', 'east//Pod/shop/a', 'shop/cart.shop.svc.clusterset.local', 'shop/cart.shop.svc.cluster.local', 'east/discovery.k8s.io/EndpointSlice/default/kubernetes/10.0.0.1');
const resources = fc.dictionary(name, fc.constantFrom('1', '2', '3')).map((versions): ReadonlyMap<string, Resource> => new Map(Object.entries(versions).map(([key, version]) => [key, { version, bytes: new Uint8Array() }])));
const clusters = fc.uniqueArray(fc.constantFrom<string[]>('east', 'west'));

function snapshot(types: Snapshot['types'], complete: readonly string[], allComplete: boolean, allListed = allComplete): Snapshot {
  return { types, isComplete: (cluster) => complete.includes(cluster), allComplete, allListed };
}

/** What the client has after an answer. */
function after(known: ReadonlyMap<string, string>, { updated, removed }: ReturnType<typeof delta>): ReadonlyMap<string, string> {
  const next = new Map(known);
  for (const each of removed) next.delete(each);
  for (const [key, { version }] of updated) next.set(key, version);
  return next;
}

const versions = (all: ReadonlyMap<string, Resource>): ReadonlyMap<string, string> => new Map([...all].map(([key, { version }]) => [key, version]));
const sorted = (map: ReadonlyMap<string, string>): unknown => [...map].sort();

test('a client that is told all differences has the snapshot, from wherever it comes', (t) => {
  fc.assert(fc.property(fc.array(resources, { minLength: 1, maxLength: 5 }), resources, (history, start) => {
    let known = versions(start);
    for (const each of history) {
      const told = snapshot(new Map([[ADDRESS_TYPE, each]]), ['east', 'west'], true);
      known = after(known, delta(told, ADDRESS_TYPE, known));
      t.deepEqual(sorted(known), sorted(versions(each)));
      t.deepEqual(delta(told, ADDRESS_TYPE, known), { updated: [], removed: [] });
    }
  }));
});

test('what belongs to a cluster that is not complete is never removed, an import only if all are', (t) => {
  fc.assert(fc.property(resources, resources, clusters, fc.boolean(), (before, now, complete, all) => {
    const { removed } = delta(snapshot(new Map([[ADDRESS_TYPE, now]]), complete, all), ADDRESS_TYPE, versions(before));
    for (const gone of before.keys()) {
      if (now.has(gone)) continue;
      const source = sourceOf(gone);
      t.is(removed.includes(gone), source === undefined || (source === '*' ? all : complete.includes(source)), gone);
    }
  }));
});

test('what a client has already is not told again, and other types are none of its business', (t) => {
  fc.assert(fc.property(resources, resources, (mine, others) => {
    const told = snapshot(new Map([[ADDRESS_TYPE, mine], ['other', others]]), [], false);
    t.deepEqual(delta(told, ADDRESS_TYPE, versions(mine)).updated, []);
    t.deepEqual(delta(told, 'unknown', new Map()), { updated: [], removed: [] });
  }));
});

test('a trust domain’s roots are taken away only when every member is known', (t) => {
  const known = new Map([['west.landbridge', '1']]);
  const own = new Map([[TRUST_BUNDLE_TYPE, new Map([['east.landbridge', { version: '1', bytes: new Uint8Array() }]])]]);
  t.deepEqual(delta(snapshot(own, ['east', 'west'], false, false), TRUST_BUNDLE_TYPE, known).removed, []);
  t.deepEqual(delta(snapshot(own, [], false, true), TRUST_BUNDLE_TYPE, known).removed, ['west.landbridge'], 'a revoked member, while another is not complete');
});

test('a resource’s name says what it depends on', (t) => {
  t.is(sourceOf('west//Pod/shop/a'), 'west');
  t.is(sourceOf('west//Pod/shop/odd/name'), 'west');
  t.is(sourceOf('west/discovery.k8s.io/EndpointSlice/default/kubernetes/10.0.0.1'), 'west');
  t.is(sourceOf('shop/cart.shop.svc.clusterset.local'), '*');
  t.is(sourceOf('shop/cart.shop.svc.cluster.local'), undefined);
});

test('a policy is this cluster’s own, whatever its name looks like', (t) => {
  const known = new Map(['shop/x.clusterset.local', 'shop/plain'].map((key) => [key, '1']));
  t.deepEqual(delta(snapshot(new Map([[AUTHORIZATION_TYPE, new Map()]]), [], false), AUTHORIZATION_TYPE, known).removed, [...known.keys()]);
});
