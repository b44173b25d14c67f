import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import pino from 'pino';
import { makeMemoryBus } from '../bus/memory-bus.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { ALONE } from '../leadership/leadership.ts';
import { exampleAuthority, exampleKeys, exampleMemberBytes } from './example-records.ts';
import { keepMembers } from './member-keeper.ts';

const log = pino({ level: 'silent' });
const keys = exampleKeys();

test('a lost, older or forged member record is replaced by the newest', async (t) => {
  await using bus = makeMemoryBus();
  const stop = new AbortController();
  const { signal } = stop;
  const has = async (cluster: string, bytes: Uint8Array): Promise<boolean> => Buffer.compare((await bus.get(`members.${cluster}`, signal)) ?? new Uint8Array(), bytes) === 0;
  const [old, newest] = [exampleMemberBytes('west', keys, 1), exampleMemberBytes('west', keys, 2, { revoked: true })];
  const east = exampleMemberBytes('east', exampleKeys());
  await bus.put('members.west', old, signal);
  await bus.put('members.east', east, signal);
  const keeping = keepMembers(bus, { leadership: ALONE, authorityPublicKey: exampleAuthority.publicKey, log }, signal);
  await sleep(20);
  await bus.put('members.west', newest, signal);
  await sleep(20);
  t.true(await has('west', newest), 'a newer record stays');

  for (const forged of [old, new Uint8Array([1]), east]) {
    await bus.put('members.west', forged, signal);
    await until('the newest must come back', () => has('west', newest));
  }
  bus.failPuts(new Error('no room'));
  bus.loseBucket();
  await sleep(20);
  bus.failPuts(undefined);
  await until('both must come back', async () => (await has('west', newest)) && (await has('east', east)));

  await bus.put('members.north', new Uint8Array([1]), signal);
  await sleep(20);
  t.true(await has('north', new Uint8Array([1])), 'what was never a member is left alone');
  stop.abort();
  await keeping;
});

test('who does not lead writes nothing, and once it does what it has seen to be lost', async (t) => {
  await using bus = makeMemoryBus();
  const stop = new AbortController();
  const { signal } = stop;
  const leadership = new ExampleLeadership();
  const west = exampleMemberBytes('west', keys);
  await bus.put('members.west', west, signal);
  const keeping = keepMembers(bus, { leadership, authorityPublicKey: exampleAuthority.publicKey, log }, signal);
  await sleep(20);
  bus.loseBucket();
  await sleep(50);
  t.deepEqual(bus.keys(), []);
  leadership.set(true);
  await until('it must come back', async () => bus.keys().join() === 'members.west');
  stop.abort();
  await keeping;
});
