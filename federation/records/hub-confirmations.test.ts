import { recordKey } from '@landbridge/core/records.ts';
import test from 'ava';
import type { BusEvent } from '../bus/bus.ts';
import { exampleKeys, exampleMember, service } from './example-records.ts';
import { HubConfirmations } from './hub-confirmations.ts';
import { signMember } from './members.ts';
import { emptyPeers, type PeerState, reducePeers, views } from './peer-table.ts';
import { signRecord } from './record-signature.ts';
import { snapshotSync } from './snapshot-digest.ts';

const authority = exampleKeys();
const west = exampleKeys();
const entry = (key: string, value: Uint8Array): BusEvent => ({ kind: 'entry', key, value, revision: 1 });
const member = entry('members.west', signMember(authority.privateKey, exampleMember('west', west), { epoch: 1, gen: 1 }));
const sync = (gen: number): BusEvent => entry('west.sync', signRecord(west.privateKey, { cluster: 'west', key: 'sync', epoch: 1, gen, body: snapshotSync(new Map()) }));

const known = (...events: readonly BusEvent[]): PeerState => events.reduce((state, event) => reducePeers(state, event, 0), emptyPeers(authority.publicKey));
const isProvisional = (confirmations: HubConfirmations, state: PeerState): boolean | undefined => confirmations.mark(views(state), state).get('west')?.isProvisional;

test('without a mirror nothing is provisional, and nothing is made anew', (t) => {
  const state = known(member, sync(1));
  t.true(views(state).get('west')?.complete);
  t.is(new HubConfirmations().mark(views(state), state), views(state));
});

test('what a mirror says is provisional until the hub shows the same, or newer that is then known', (t) => {
  const confirmations = new HubConfirmations();
  confirmations.mirrorRead();
  const old = known(member, sync(1));
  t.true(isProvisional(confirmations, old));
  t.is(confirmations.mark(views(old), old).get('west'), confirmations.mark(views(old), old).get('west'), 'the same for the same');
  t.true(confirmations.shown(sync(1)));
  t.is(isProvisional(confirmations, old), undefined);
});

test('a hub that lost its newest writes is behind the mirror, until their owner has written them again', (t) => {
  const confirmations = new HubConfirmations();
  confirmations.mirrorRead();
  const young = known(member, sync(1), sync(2));
  confirmations.shown(sync(1));
  t.true(isProvisional(confirmations, young));
  confirmations.shown(sync(2));
  t.is(isProvisional(confirmations, young), undefined);
});

test('a sync of the hub that comes before a record which it names confirms nothing yet', (t) => {
  const confirmations = new HubConfirmations();
  confirmations.mirrorRead();
  const body = service('pay');
  const version = { epoch: 1, gen: 2 };
  const record = entry(`west.${recordKey(body)}`, signRecord(west.privateKey, { cluster: 'west', key: recordKey(body), ...version, body }));
  const whole = entry('west.sync', signRecord(west.privateKey, { cluster: 'west', key: 'sync', epoch: 1, gen: 3, body: snapshotSync(new Map([[recordKey(body), version]])) }));
  const early = known(member, sync(1), whole);
  confirmations.shown(whole);
  t.deepEqual([views(early).get('west')?.complete, isProvisional(confirmations, early)], [true, true]);
  const late = reducePeers(early, record, 0);
  t.is(isProvisional(confirmations, late), undefined);
  t.is(isProvisional(confirmations, known(member, sync(1), sync(4))), undefined, 'what is newer after that needs no hub');
});

test('other records, foreign bytes and other clusters confirm nothing', (t) => {
  const confirmations = new HubConfirmations();
  confirmations.mirrorRead();
  const state = known(member, sync(1));
  for (const event of [entry('west.svc.shop.sync', new Uint8Array()), entry('west.sync', Buffer.from('{')), entry('west.svc.x.sync', (sync(1) as { value: Uint8Array }).value), { kind: 'current' } as const]) t.false(confirmations.shown(event));
  confirmations.shown(entry('east.sync', (sync(1) as { value: Uint8Array }).value));
  t.true(isProvisional(confirmations, state));
});

test('what the hub showed before the mirror was read counts', (t) => {
  const confirmations = new HubConfirmations();
  t.false(confirmations.shown(sync(1)));
  confirmations.mirrorRead();
  t.is(isProvisional(confirmations, known(member, sync(1))), undefined);
});
