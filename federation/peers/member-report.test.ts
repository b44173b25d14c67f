import test from 'ava';
import { exampleView } from '../clusterset/example-cluster.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import { tellings } from './member-events.ts';
import { memberStatus } from './member-object.ts';
import { type MemberReport, type OwnFacts, ownReport, type PeerFacts, peerReport } from './member-report.ts';

const member = exampleMember('west', exampleKeys());
const facts: PeerFacts = { member, view: exampleView('west'), status: { phase: 'ready', sinceMs: 1000, heardMs: 2000, differs: false }, standing: 'first', held: 0, ownState: 'connected', nowMs: 9000 };
const own: OwnFacts = { cluster: 'east', network: '', trustDomain: 'east.landbridge', version: '0.1.0', records: 3, exports: 1, state: 'connected', sinceMs: 1000, isConnected: true };
const conditions = ({ conditions: all }: MemberReport): Record<string, string> => Object.fromEntries(all.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

test('each state has its conditions', (t) => {
  t.deepEqual(conditions(peerReport(facts)), { Ready: 'True Ready', Synced: 'True Synced', Stale: 'False NotStale', ImportsHeld: 'False NoneHeld' });
  const stale = peerReport({ ...facts, status: { phase: 'stale', sinceMs: 1, heardMs: 1, differs: true }, standing: 'last', held: 7 });
  t.is(stale.state, 'Stale');
  t.deepEqual(conditions(stale), { Ready: 'False Stale', Synced: 'False DigestMismatch', Stale: 'True Silent', ImportsHeld: 'True ManyVanished' });
  t.is(peerReport({ ...facts, view: undefined, status: undefined }).state, 'Syncing');
  t.is(peerReport({ ...facts, member: { ...member, revoked: true }, view: undefined, status: undefined }).state, 'Removed');
});

test('a cluster that does not hear itself says so of itself, and that it judges nobody of the others', (t) => {
  t.is(conditions(peerReport({ ...facts, ownState: 'isolated' }))['Ready'], 'Unknown Isolated');
  t.deepEqual(conditions(ownReport({ ...own, state: 'isolated', isConnected: false })), { Ready: 'False Degraded', Degraded: 'True NoHub' });
  t.is(conditions(ownReport({ ...own, state: 'isolated' }))['Degraded'], 'True NotHeard');
  t.is(ownReport({ ...own, state: 'isolated' }).state, 'Degraded');
  t.deepEqual(conditions(ownReport(own)), { Ready: 'True Ready', Degraded: 'False Connected' });
});

test('times in the status are those of the change, and beats do not change it more than once in a minute', (t) => {
  const first = memberStatus(peerReport(facts), undefined, new Date(10_000));
  t.like(first, { state: 'Ready', since: '1970-01-01T00:00:01Z', lastHeard: '1970-01-01T00:00:02Z' });
  const heard = (heardMs: number) => peerReport({ ...facts, status: { phase: 'ready', sinceMs: 5000, heardMs, differs: false } });
  t.deepEqual(memberStatus(heard(61_000), first, new Date(99_000)), first);
  t.is(memberStatus(heard(63_000), first, new Date(99_000)).lastHeard, '1970-01-01T00:01:03Z');
  const stale = memberStatus(peerReport({ ...facts, status: { phase: 'stale', sinceMs: 70_000, heardMs: undefined, differs: false } }), first, new Date(99_000));
  t.like(stale, { state: 'Stale', since: '1970-01-01T00:01:10Z', lastHeard: first.lastHeard });
  t.deepEqual(stale.conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]), [['Ready', '1970-01-01T00:01:39Z'], ['Synced', '1970-01-01T00:00:10Z'], ['Stale', '1970-01-01T00:01:39Z'], ['ImportsHeld', '1970-01-01T00:00:10Z']]);
});

test('changes are told, once, and nothing of what was there at the start', (t) => {
  const ready = peerReport(facts);
  const stale = peerReport({ ...facts, status: { phase: 'stale', sinceMs: 1, heardMs: 1, differs: false }, standing: 'last' });
  const held = peerReport({ ...facts, held: 7 });
  const reasons = (now: MemberReport, before: MemberReport | undefined): string[] => tellings(now, before).map(({ type, reason }) => `${type} ${reason}`);
  t.deepEqual(reasons(stale, undefined), []);
  t.deepEqual(reasons(stale, stale), []);
  t.deepEqual(reasons(stale, ready), ['Warning Stale']);
  t.deepEqual(reasons(ready, stale), ['Normal Ready']);
  t.deepEqual(reasons(held, ready), ['Warning ManyVanished']);
  t.deepEqual(reasons(ready, held), []);
  t.deepEqual(reasons(ownReport({ ...own, state: 'isolated', isConnected: false }), ownReport(own)), ['Warning Degraded']);
  t.regex(tellings(ownReport({ ...own, state: 'isolated', isConnected: false }), ownReport(own))[0]?.message ?? '', /Ready → Degraded\. The hub can not be reached/);
});
