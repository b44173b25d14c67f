import { createPublicKey } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { busKey, MEMBERS } from '../bus/bus.ts';
import type { ClusterTable } from '../records/cluster-table.ts';
import { exampleAuthority, exampleKeys, exampleMemberBytes } from '../records/example-records.ts';
import { OwnRecords } from '../records/own-records.ts';
import { emptyPeers, reducePeers } from '../records/peer-table.ts';
import { signRecord } from '../records/record-signature.ts';
import { EpochReminders, isReminder, MAX_REMINDER_BYTES, openReminder } from './epoch-reminder.ts';

const keys = exampleKeys();
const { publicKey } = keys;

const sync = (epoch: number, by = keys, cluster = 'west', key = 'sync'): Uint8Array => signRecord(by.privateKey, { cluster, key, epoch, gen: 1, body: key === 'sync' ? { kind: 'sync', count: 0, digest: '0'.repeat(64) } : null });

/** What a reader knows of west, whose member record comes before its records, or after them. */
function table(epoch: number, isMemberLate = false): ClusterTable | undefined {
  const member = { key: busKey(MEMBERS, 'west'), value: exampleMemberBytes('west', keys) };
  const record = { key: busKey('west', 'sync'), value: sync(epoch) };
  const events = isMemberLate ? [record, member] : [member, record];
  return events.reduce((state, event) => reducePeers(state, { kind: 'entry', ...event, revision: 0 }, 0), emptyPeers(exampleAuthority.publicKey)).tables.get('west');
}

test('a reader shows a cluster its own newest record, where its beats are of an epoch before, ever more seldom', (t) => {
  for (const isMemberLate of [false, true]) {
    const reminders = new EpochReminders();
    const known = table(7, isMemberLate);
    t.is(reminders.reminderFor('west', 7, known, 0), undefined);
    t.is(reminders.reminderFor('west', 8, known, 0), undefined);
    t.is(reminders.reminderFor('west', 6, undefined, 0), undefined);
    const sent = reminders.reminderFor('west', 6, known, 0);
    if (sent === undefined) return t.fail();
    t.true(isReminder(sent));
    t.like(openReminder(sent, 'west', publicKey), { epoch: 7, gen: 1 });
    let lastMs = 0;
    for (const waitMs of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
      t.is(reminders.reminderFor('west', 6, known, lastMs + waitMs - 1), undefined);
      t.deepEqual(reminders.reminderFor('west', 6, known, (lastMs += waitMs)), sent);
    }
    t.is(reminders.reminderFor('west', 6, table(8), lastMs + 9999), undefined, 'one at a time, whatever is known');
    t.not(reminders.reminderFor('west', 6, table(8), (lastMs += 10_000)), undefined);
    t.not(reminders.reminderFor('west', 6, table(8), lastMs + 1000), undefined, 'of another epoch it begins anew');
  }
});

test('only what the cluster itself has signed reminds it, whoever sends it', (t) => {
  const stranger = exampleKeys();
  const forged = [sync(9, stranger), sync(9, keys, 'east'), sync(9, keys, 'west', 'meta'), Buffer.concat([sync(9), Buffer.alloc(MAX_REMINDER_BYTES, 0x20)]), Buffer.from('{}'), new Uint8Array()];
  for (const bytes of forged) t.is(openReminder(bytes, 'west', publicKey), undefined);
  const bytes = sync(9);
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    t.is(openReminder(damaged, 'west', publicKey), undefined, String(at));
  }
});

test('any bytes are read', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2 * MAX_REMINDER_BYTES }), (bytes) => {
    t.is(openReminder(bytes, 'west', publicKey), undefined);
  }));
});

test('whoever writes goes on behind the newest epoch that it is shown; whoever follows leaves that to the leader', (t) => {
  const { privateKey } = keys;
  const example = (follows: boolean): OwnRecords => new OwnRecords({ cluster: 'west', privateKey, publicKey: createPublicKey(privateKey), clock: () => 100, follows });
  fc.assert(fc.property(fc.array(fc.nat(300)), (epochs) => {
    const own = example(false);
    for (const epoch of epochs) {
      const before = own.summary.epoch;
      t.is(own.remember({ epoch, gen: 1 }), epoch > before);
      t.is(own.summary.epoch, epoch > before ? epoch + 1 : before);
    }
  }));
  const follower = example(true);
  t.false(follower.remember({ epoch: 1000, gen: 1 }));
  t.is(follower.summary.epoch, 0);
});
