import test from 'ava';
import fc from 'fast-check';
import type { SignedMember } from '../join/member-list.ts';
import { exampleAuthority, exampleKeys, exampleMember } from '../records/example-records.ts';
import { type Member, openMember, signMember } from '../records/members.ts';
import { encodeRemoved, isUndone, MAX_REMOVED, parseRemoved, type RemovedList, withSeen } from './removed-list.ts';

const keys = exampleKeys();

function signed(cluster: string, epoch: number, changes: Partial<Member> = {}): SignedMember {
  const bytes = signMember(exampleAuthority.privateKey, exampleMember(cluster, keys, { roots: [], ...changes }), { epoch, gen: 0 });
  const opened = openMember(bytes, exampleAuthority.publicKey);
  if (!opened.ok) throw new Error(opened.error);
  return { ...opened.value, bytes };
}

const gone = (cluster: string, epoch: number): SignedMember => signed(cluster, epoch, { revoked: true, removedAt: epoch });

test('what was kept is read again; what another authority signed, or of members, is left out', (t) => {
  const list: RemovedList = new Map([gone('west', 5), gone('north', 6)].map((removed) => [removed.member.cluster, removed]));
  const parsed = parseRemoved(encodeRemoved(list), exampleAuthority.publicKey);
  t.true(parsed.ok);
  if (parsed.ok) t.deepEqual([...parsed.value.values()].map(({ member, epoch }) => [member.cluster, epoch]), [['west', 5], ['north', 6]]);
  const foreign = parseRemoved(encodeRemoved(list), exampleKeys().publicKey);
  t.is(foreign.ok && foreign.value.size, 0);
  const live = parseRemoved(encodeRemoved(new Map([['west', signed('west', 5)]])), exampleAuthority.publicKey);
  t.is(live.ok && live.value.size, 0);
});

test('no text makes it throw', (t) => {
  const texts = fc.oneof(fc.string(), fc.json(), fc.array(fc.base64String()).map((members) => JSON.stringify({ v: 1, members })));
  fc.assert(fc.property(texts, (text) => typeof parseRemoved(text, exampleAuthority.publicKey).ok === 'boolean'));
  t.false(parseRemoved('', exampleAuthority.publicKey).ok);
  t.false(parseRemoved(`[${' '.repeat(1_100_000)}]`, exampleAuthority.publicKey).ok);
});

test('in whatever order records are seen, one that was removed stays so until a newer record has another key', (t) => {
  const other = exampleKeys();
  const records = [signed('west', 1), gone('west', 2), signed('west', 3), gone('west', 4), signed('west', 5, { recordPublicKey: other.publicKey })];
  fc.assert(
    fc.property(fc.shuffledSubarray(records, { minLength: 1 }), (seen) => {
      const list = seen.reduce<RemovedList>(withSeen, new Map());
      const newest = Math.max(...seen.filter(({ member }) => member.revoked).map(({ epoch }) => epoch));
      const cameBack = seen.findIndex(({ epoch }) => epoch === 5) > seen.findIndex(({ member }) => member.revoked);
      const wanted = newest === Number.NEGATIVE_INFINITY || (seen.some(({ epoch }) => epoch === 5) && cameBack && seen.slice(seen.findIndex(({ epoch }) => epoch === 5)).every(({ member }) => !member.revoked));
      return wanted ? !list.has('west') : list.get('west')?.member.revoked === true;
    }),
  );
  t.true(isUndone(gone('west', 2), signed('west', 3)));
  t.false(isUndone(gone('west', 2), signed('west', 1)), 'a replay');
  t.false(isUndone(gone('west', 2), signed('west', 3, { recordPublicKey: other.publicKey })), 'another key');
});

test('with more than fit, those that were removed first are forgotten', (t) => {
  let list: RemovedList = new Map();
  for (let n = 0; n < MAX_REMOVED + 3; n++) list = withSeen(list, { ...gone('west', 1), member: { ...gone('west', 1).member, cluster: `c${n}` } });
  t.is(list.size, MAX_REMOVED);
  t.deepEqual([list.has('c2'), list.has('c3')], [false, true]);
});
