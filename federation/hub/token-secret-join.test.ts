import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { startExampleHub } from './example-hub.ts';
import { exampleMembership, secretsOf } from './example-membership.ts';
import { CREDENTIALS_SECRET } from './kept-credentials.ts';
import { TokenSecretJoin } from './token-secret-join.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { ALONE } from '../leadership/leadership.ts';

const soon = (): AbortSignal => AbortSignal.timeout(120_000);

test.serial('a cluster joins by the token in a Secret, once, and says why it does not', async (t) => {
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  await using west = exampleMembership('west', undefined, { tokenSecret: 'west-token' }).run();
  const reason = (): string => (west.membership.hubState() as { lastError?: string }).lastError ?? '';
  await until('it must say what is missing', () => reason().includes('west-token'));
  const other = (await east.membership.createToken({ cluster: 'north' }, soon())).token;
  await west.secrets.write('west-token', { token: other }, undefined);
  await until('it must say that the token is for another', () => reason().includes('north'));
  t.false(reason().includes(other.slice(4, 60)));

  const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
  await west.secrets.write('west-token', { token: `${token}\n` }, (await west.secrets.read('west-token'))?.resourceVersion);
  await until('it must have joined', () => west.membership.hubState().kind === 'connected');
  const credentials = (await west.secrets.read(CREDENTIALS_SECRET))?.values;
  // The Secret stays where it is, also in the next life.
  await west[Symbol.asyncDispose]();
  await using again = exampleMembership('west', west.secrets, { tokenSecret: 'west-token' }).run();
  await until('it must be a member again', () => again.membership.hubState().kind === 'connected');
  t.deepEqual((await west.secrets.read(CREDENTIALS_SECRET))?.values, credentials);
  // One that left does not come back by itself.
  t.deepEqual(await again.membership.leave({ force: false }, soon()), { kind: 'done' });
  await sleep(1500);
  t.is(again.membership.hubState().kind, 'none');
});

test('a token that was refused is not tried again, and never in the log', async (t) => {
  const secrets = new MemorySecretStore();
  await secrets.write('s', { token: 'lb1.confidential.00000000' }, undefined);
  const lines: string[] = [];
  const tried: string[] = [];
  const joining = new TokenSecretJoin({ secrets, name: 's', leadership: ALONE, log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }), join: async (token) => { tried.push(token); throw new Error('no'); } });
  await joining.attempt(soon());
  await joining.attempt(soon());
  t.deepEqual(tried, ['lb1.confidential.00000000']);
  t.regex(joining.lastError ?? '', /^joining by the token of the Secret s: no$/);
  t.false(lines.join('').includes('confidential'));
});
