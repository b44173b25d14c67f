import test from 'ava';
import { exampleAuthority, exampleKeys, exampleMember, exampleMemberBytes } from './example-records.ts';
import { openMember } from './members.ts';
import { signEnvelope } from './record-signature.ts';

const keys = exampleKeys();

test('a member record by the authority opens', (t) => {
  const opened = openMember(exampleMemberBytes('west', keys, 4), exampleAuthority.publicKey);
  t.deepEqual(opened, { ok: true, value: { member: exampleMember('west', keys), epoch: 1, gen: 4 } });
});

test('nobody else can make a member', (t) => {
  t.false(openMember(exampleMemberBytes('west', keys), exampleKeys().publicKey).ok);
  const bySelf = signEnvelope(keys.privateKey, { cluster: 'members', key: 'west', epoch: 1, gen: 1, body: exampleMember('west', keys) as never });
  t.false(openMember(bySelf, exampleAuthority.publicKey).ok);
});

test('the record must be a member record, for the cluster in its key', (t) => {
  const { privateKey, publicKey } = exampleAuthority;
  const body = exampleMember('west', keys) as never;
  t.false(openMember(signEnvelope(privateKey, { cluster: 'west', key: 'west', epoch: 1, gen: 1, body }), publicKey).ok);
  t.false(openMember(signEnvelope(privateKey, { cluster: 'members', key: 'east', epoch: 1, gen: 1, body }), publicKey).ok);
  t.false(openMember(signEnvelope(privateKey, { cluster: 'members', key: 'west', epoch: 1, gen: 1, body: null }), publicKey).ok);
  t.false(openMember(signEnvelope(privateKey, { cluster: 'members', key: 'west', epoch: 1, gen: 1, body: { cluster: 'west' } }), publicKey).ok);
  t.false(openMember(new Uint8Array(3), publicKey).ok);
});
