import test from 'ava';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import { revokedUsers } from './revoked-users.ts';

const keys = exampleKeys();
const user = (letter: string): string => `U${letter.repeat(55)}`;
const [NOW, MINUTE] = [1_800_000_000_000, 60_000];

test('users of removed members may not come in, nor those that members had before, once a minute has passed', (t) => {
  const member = exampleMember('west', keys, { userPublicKey: user('A'), formerUsers: [{ publicKey: user('B'), until: NOW - 5 * MINUTE }, { publicKey: user('C'), until: NOW - MINUTE + 1 }] });
  t.deepEqual([...revokedUsers([member], NOW).keys()], [user('B')]);
  t.deepEqual([...revokedUsers([member], NOW + 1).keys()], [user('B'), user('C')]);
  const removed = { ...member, revoked: true, removedAt: NOW };
  const revoked = revokedUsers([removed], NOW);
  t.deepEqual([...revoked.keys()].sort(), [user('A'), user('B'), user('C')], 'of a removed one none, at once');
  // JWTs that were issued until then, and a while later by another clock.
  t.true((revoked.get(user('A')) ?? 0) * 1000 > NOW);
  t.is(revokedUsers([exampleMember('east', keys)], NOW).size, 0);
});
