import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { hubProcess, kubectl, landbridge } from './running-lab.ts';

const CANDIDATE = 'north';

async function createToken(cluster: string, ...args: readonly string[]): Promise<string> {
  const outcome = await landbridge('east', ['token', 'create', cluster, ...args]);
  if (outcome.status !== 0) throw new Error(outcome.stderr);
  return outcome.stdout.trim();
}

const join = async (cluster: string, token: string): ReturnType<typeof landbridge> => await landbridge(cluster, ['join', '-'], token);

test.serial('a token for another cluster is refused', async (t) => {
  const outcome = await join(CANDIDATE, await createToken('south'));
  t.is(outcome.status, 65);
  t.regex(outcome.stderr, /south/);
  t.regex(outcome.stderr, /north/);
});

test.serial('a token that was cut in half is refused as damaged', async (t) => {
  const token = await createToken(CANDIDATE);
  const outcome = await join(CANDIDATE, token.slice(0, token.length / 2));
  t.is(outcome.status, 65);
  t.regex(outcome.stderr, /damaged|cut|complete/i);
});

test.serial('a token that expired is refused as expired', async (t) => {
  const created = await landbridge('east', ['token', 'create', CANDIDATE, '--ttl', '10s', '-o', 'json']);
  const { token, expiresAt } = JSON.parse(created.stdout) as { token: string; expiresAt: number };
  await delay(Math.max(0, expiresAt + 100 - Date.now()));
  const outcome = await join(CANDIDATE, token);
  t.is(outcome.status, 65);
  t.regex(outcome.stderr, /expired/);
});

test.serial('with the hub away, joining says so', async (t) => {
  const token = await createToken(CANDIDATE);
  const server = hubProcess();
  process.kill(server, 'SIGSTOP');
  try {
    const outcome = await join(CANDIDATE, token);
    t.is(outcome.status, 69);
    t.regex(outcome.stderr, /hub/i);
  } finally {
    process.kill(server, 'SIGCONT');
  }
});

test.serial('a token joins once; whoever brings it again is told that it was used', async (t) => {
  const token = await createToken(CANDIDATE);
  const first = await join(CANDIDATE, token);
  t.is(first.status, 0, first.stderr);
  const member = await join(CANDIDATE, token);
  t.not(member.status, 0);
  t.regex(member.stderr, /is a member of a clusterset already/);
  // Without its credentials the cluster is a stranger with other keys, as a thief of the token would be.
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'delete', 'secret', 'landbridge-hub-credentials');
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'rollout', 'restart', 'deployment/landbridge-federation');
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'rollout', 'status', 'deployment/landbridge-federation', '--timeout=60s');
  const stranger = await join(CANDIDATE, token);
  t.is(stranger.status, 65);
  t.regex(stranger.stderr, /was used already/);
});

test.serial('only the founder makes tokens', async (t) => {
  const outcome = await landbridge('west', ['token', 'create', 'south']);
  t.is(outcome.status, 77);
  t.regex(outcome.stderr, /landbridge-hub-authority/);
});
