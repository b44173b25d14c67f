import type { RecordBody } from '@landbridge/core/records.ts';
import type { Version } from '@landbridge/wire/record.ts';
import test from 'ava';
import type { BusEvent } from '../bus/bus.ts';
import { endpoint, endpoints, exampleAuthority, type ExampleKeys, exampleKeys, exampleMemberBytes, meta, service } from './example-records.ts';
import { emptyPeers, type PeerState, reducePeers, views } from './peer-table.ts';
import { MAX_PENDING_BYTES } from './pending-records.ts';
import { signRecord } from './record-signature.ts';
import { snapshotSync } from './snapshot-digest.ts';

const west = exampleKeys();
const empty = emptyPeers(exampleAuthority.publicKey);

const entry = (key: string, value: Uint8Array): BusEvent => ({ kind: 'entry', key, value, revision: 1 });
const member = (gen = 1, changes = {}, keys = west): BusEvent => entry('members.west', exampleMemberBytes('west', keys, gen, changes));
const record = (key: string, epoch: number, gen: number, body: RecordBody | null, keys: ExampleKeys = west): BusEvent =>
  entry(`west.${key}`, signRecord(keys.privateKey, { cluster: 'west', key, epoch, gen, body }));
const sync = (epoch: number, gen: number, live: readonly (readonly [string, number])[], keys = west): BusEvent =>
  record('sync', epoch, gen, snapshotSync(live.map(([key, g]): [string, Version] => [key, { epoch, gen: g }])), keys);
const reduce = (state: PeerState, ...events: readonly BusEvent[]): PeerState => events.reduce((s, event, index) => reducePeers(s, event, 1000 + index), state);
const names = (state: PeerState): readonly string[] => [...(views(state).get('west')?.services.keys() ?? [])];

const CURRENT: BusEvent = { kind: 'current' };
/** The bus has the last value of each key: that which `sync` names is gone. */
const unclosed = [record('meta', 5, 1, meta), sync(5, 3, [['meta', 1], ['svc.shop.cart', 2]]), record('svc.shop.cart', 5, 4, service('cart', 81))];

test('what an owner wrote behind its last snapshot counts once all is read, and is not the whole truth', (t) => {
  const reading = reduce(empty, member(), ...unclosed);
  t.like(views(reading).get('west'), { complete: false, counts: false, isProvisional: undefined }, 'more may be on its way');
  const read = reduce(reading, CURRENT);
  t.like(views(read).get('west'), { complete: false, counts: true, isProvisional: true });
  t.deepEqual(views(read).get('west')?.services.get('shop/cart'), service('cart', 81));
  t.is(reduce(read, CURRENT), read);
  const closed = reduce(read, sync(5, 5, [['meta', 1], ['svc.shop.cart', 4]]));
  t.like(views(closed).get('west'), { complete: true, counts: true, isProvisional: undefined });
});

test('what has been read does not count where its owner never closed a snapshot, nor what came before one that it closed', (t) => {
  t.false(views(reduce(empty, member(), record('svc.shop.cart', 5, 1, service('cart')), CURRENT)).get('west')?.counts);
  const older = reduce(empty, member(), record('svc.shop.old', 4, 1, service('old')), ...unclosed, CURRENT);
  t.deepEqual(names(older), ['shop/cart']);
  const next = reduce(empty, member(), ...unclosed.slice(0, 2), record('svc.shop.cart', 6, 1, service('cart', 82)), CURRENT);
  t.like(views(next).get('west'), { complete: false, counts: true, meta }, 'one that writes all anew has not taken back the rest');
});

test('a member that says nothing has an empty view', (t) => {
  const view = views(reduce(empty, member())).get('west');
  t.is(view?.cluster, 'west');
  t.is(view?.meta, undefined);
  t.is(view?.services.size, 0);
  t.false(view?.complete);
});

test('endpoints that a new record has as they were stay the same objects, wherever they stand', (t) => {
  const [a, b, c] = [endpoint('a'), endpoint('b', '10.0.0.2'), endpoint('c', '10.0.0.3')];
  const of = (state: PeerState): readonly unknown[] => views(state).get('west')?.endpoints.get('shop/cart') ?? [];
  const first = reduce(empty, member(), record('eps.shop.cart.0', 5, 1, endpoints('cart', 0, a, b, c)));
  const second = reduce(first, record('eps.shop.cart.0', 5, 2, endpoints('cart', 0, endpoint('n', '10.0.0.9'), a, { ...b, ready: false }, c)));
  const [before, after] = [of(first), of(second)];
  t.is(after.length, 4);
  t.is(after[1], before[0]);
  t.like(after[2], { workload: 'b', ready: false });
  t.is(after[3], before[2]);
  t.is(of(reduce(second, record('eps.shop.cart.0', 6, 1, endpoints('cart', 0, endpoint('n', '10.0.0.9'), a, { ...b, ready: false }, c)))), after);
});

test('a view holds meta, services and the endpoints of all shards in order', (t) => {
  const state = reduce(
    empty,
    member(),
    record('eps.shop.cart.1', 5, 3, endpoints('cart', 1, endpoint('c'))),
    record('meta', 5, 1, meta),
    record('svc.shop.cart', 5, 2, service('cart')),
    record('eps.shop.cart.0', 5, 4, endpoints('cart', 0, endpoint('a'), endpoint('b'))),
  );
  const view = views(state).get('west');
  t.deepEqual(view?.meta, meta);
  t.deepEqual(view?.services.get('shop/cart'), service('cart'));
  t.deepEqual(
    view?.endpoints.get('shop/cart')?.map(({ workload }) => workload),
    ['a', 'b', 'c'],
  );
  t.is(views(state).get('west'), view, 'the same state has the same view');
});

test('newer wins, older and equal change nothing', (t) => {
  const state = reduce(empty, member(), record('svc.shop.cart', 5, 2, service('cart', 2)));
  t.is(reduce(state, record('svc.shop.cart', 5, 1, service('cart', 1))), state);
  t.is(reduce(state, record('svc.shop.cart', 4, 9, null)), state);
  t.is(reduce(state, record('svc.shop.cart', 5, 2, service('cart', 2))), state);
  t.deepEqual(names(reduce(state, record('svc.shop.cart', 6, 1, null))), []);
});

test('a tombstone keeps an older record away', (t) => {
  const state = reduce(empty, member(), record('svc.shop.cart', 5, 2, null));
  t.deepEqual(names(reduce(state, record('svc.shop.cart', 5, 1, service('cart')))), []);
});

test('a snapshot is complete when sync has come and matches', (t) => {
  const records = [record('meta', 5, 1, meta), record('svc.shop.cart', 5, 2, service('cart'))];
  const closing = sync(5, 3, [
    ['meta', 1],
    ['svc.shop.cart', 2],
  ]);
  t.false(views(reduce(empty, member(), ...records)).get('west')?.complete);
  t.false(views(reduce(empty, member(), closing, ...records.slice(1))).get('west')?.complete);
  t.true(views(reduce(empty, member(), ...records, closing)).get('west')?.complete);
  t.true(views(reduce(empty, member(), closing, ...records)).get('west')?.complete);
  t.false(views(reduce(empty, member(), ...records, sync(5, 3, [['meta', 1], ['svc.shop.cart', 9]]))).get('west')?.complete);
});

test('an empty snapshot is complete', (t) => {
  t.true(views(reduce(empty, member(), sync(5, 1, []))).get('west')?.complete);
});

test('a complete snapshot of a later epoch voids what it does not name, and nothing before it does', (t) => {
  const before = reduce(empty, member(), record('svc.shop.old', 5, 1, service('old')), sync(5, 2, [['svc.shop.old', 1]]));
  const during = reduce(before, record('svc.shop.new', 6, 1, service('new')));
  t.deepEqual(names(during), ['shop/new', 'shop/old']);
  const after = reduce(during, sync(6, 2, [['svc.shop.new', 1]]));
  t.deepEqual(names(after), ['shop/new']);
  t.is(reduce(after, record('svc.shop.old', 5, 9, service('old'))), after, 'what is from before can not come back');
});

test('a lost bucket and deletions change nothing', (t) => {
  const state = reduce(empty, member(), record('svc.shop.cart', 5, 1, service('cart')));
  t.is(reduce(state, { kind: 'restart' }, { kind: 'current' }), state);
});

test('a view says when it last changed, and a new version of the same is no change', (t) => {
  const state = reducePeers(reducePeers(empty, member(), 10), record('svc.shop.cart', 5, 1, service('cart')), 20);
  t.is(views(state).get('west')?.changedAt, 20);
  const same = reducePeers(state, record('svc.shop.cart', 6, 1, service('cart')), 30);
  t.is(views(same).get('west')?.changedAt, 20);
  t.is(views(same).get('west')?.services.get('shop/cart'), views(state).get('west')?.services.get('shop/cart'));
  t.is(views(reducePeers(same, record('svc.shop.cart', 6, 2, null), 40)).get('west')?.changedAt, 40);
});

test('records that come before their member are opened when it comes', (t) => {
  const state = reduce(empty, record('svc.shop.cart', 5, 1, service('cart')), record('svc.shop.evil', 5, 1, service('evil'), exampleKeys()));
  t.is(views(state).size, 0);
  const known = reduce(state, member());
  t.deepEqual(names(known), ['shop/cart']);
  t.is(known.rejected.signature, 1);
});

test('a revoked member has no view, and has it again when taken back', (t) => {
  const state = reduce(empty, member(1), record('svc.shop.cart', 5, 1, service('cart')), member(2, { revoked: true }));
  t.is(views(state).size, 0);
  t.is(reduce(state, member(1)), state, 'an older member record does not undo it');
  t.deepEqual(names(reduce(state, member(3))), ['shop/cart']);
});

test('a member with a new key begins anew; its old records stay until the new snapshot', (t) => {
  const fresh = exampleKeys();
  const before = reduce(empty, member(), record('svc.shop.old', 900, 1, service('old')), record('svc.shop.both', 900, 2, service('both', 1)));
  // The first record of the new key overtakes the member record.
  const rejoined = reduce(before, record('svc.shop.both', 5, 1, service('both', 2), fresh), member(2, {}, fresh));
  t.deepEqual(names(rejoined), ['shop/both', 'shop/old']);
  t.deepEqual(views(rejoined).get('west')?.services.get('shop/both'), service('both', 2));
  t.is(names(reduce(rejoined, record('svc.shop.third', 901, 1, service('third')))).length, 2, 'the old key says nothing more');
  t.deepEqual(names(reduce(rejoined, sync(5, 2, [['svc.shop.both', 1]], fresh))), ['shop/both']);
});

test('what is not believed is counted by reason', (t) => {
  const state = reduce(
    empty,
    member(),
    entry('nodots', new Uint8Array()),
    entry('Not-A-Cluster.meta', new Uint8Array()),
    entry('members.west', new Uint8Array()),
    entry('members.east', exampleMemberBytes('west', west, 7)),
    entry('west.meta', new Uint8Array()),
    record('meta', 5, 1, meta, exampleKeys()),
    entry('west.meta', signRecord(west.privateKey, { cluster: 'west', key: 'svc.shop.cart', epoch: 5, gen: 1, body: service('cart') })),
    record('svc.shop.other', 5, 1, service('cart')),
  );
  t.deepEqual(state.rejected, { key: 2, member: 2, envelope: 1, signature: 1, place: 1, body: 1 });
  t.deepEqual(names(state), []);
});

test('a number past all bounds in an entry is refused, whoever is said to have signed it', (t) => {
  const forged = (cluster: string, key: string): BusEvent =>
    entry(`${cluster}.${key}`, new TextEncoder().encode(`{"v":1,"cluster":"${cluster}","key":"${key}","epoch":9,"gen":1,"sig":"${'A'.repeat(86)}","body":{"kind":"meta","x":1e309}}`));
  const state = reduce(empty, member(), forged('west', 'meta'), forged('members', 'west'), forged('east', 'meta'));
  t.deepEqual(state.rejected, { envelope: 2, member: 1 });
});

test('records that wait for a member are bounded', (t) => {
  const full: PeerState = { ...empty, pending: { clusters: new Map(), bytes: MAX_PENDING_BYTES } };
  const state = reduce(full, record('svc.shop.cart', 5, 1, service('cart')));
  t.is(state.pending, full.pending);
  t.is(state.rejected.full, 1);
});

test('pending bytes are given back when the member comes', (t) => {
  const state = reduce(empty, record('svc.shop.cart', 5, 1, service('cart')), record('svc.shop.cart', 5, 2, service('cart')));
  t.true(state.pending.bytes > 0);
  const known = reduce(state, member());
  t.is(known.pending.bytes, 0);
  t.is(known.tables.get('west')?.records.get('svc.shop.cart')?.gen, 2);
});
