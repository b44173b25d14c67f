import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { apply, call, eventually, holdConnection, hubProcess, kubectl, landbridge } from './running-lab.ts';

const CANDIDATE = 'north';
/** The Secret of the candidate while it was a member, as JSON. */
let credentials = '';
/** Of the shortest life that there is; made first, so that nobody waits for its end. */
let expiring: { readonly token: string; readonly expiresAt: number };

async function restartFederation(): Promise<void> {
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'rollout', 'restart', 'deployment/landbridge-federation');
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'rollout', 'status', 'deployment/landbridge-federation', '--timeout=60s');
}

async function createToken(cluster: string, ...args: readonly string[]): Promise<string> {
  const outcome = await landbridge('east', ['token', 'create', cluster, ...args]);
  if (outcome.status !== 0) throw new Error(outcome.stderr);
  return outcome.stdout.trim();
}

interface SeenStatus {
  readonly hub: { readonly state: string };
  readonly members: readonly { readonly cluster: string; readonly revoked: boolean }[];
}

async function statusOf(cluster: string): Promise<SeenStatus> {
  const outcome = await landbridge(cluster, ['status', '-o', 'json']);
  if (outcome.status !== 0) throw new Error(outcome.stderr);
  return JSON.parse(outcome.stdout) as SeenStatus;
}

const hubStateOf = async (cluster: string): Promise<string> => (await statusOf(cluster)).hub.state;
const membersOf = async (cluster: string): Promise<SeenStatus['members']> => (await statusOf(cluster)).members;

const join = async (cluster: string, token: string): ReturnType<typeof landbridge> => await landbridge(cluster, ['join', '-'], token);

test.before(async () => {
  const created = await landbridge('east', ['token', 'create', CANDIDATE, '--ttl', '10s', '-o', 'json']);
  if (created.status !== 0) throw new Error(created.stderr);
  expiring = JSON.parse(created.stdout) as typeof expiring;
});

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

test.serial('a token that expired is refused as expired', async (t) => {
  await delay(Math.max(0, expiring.expiresAt + 100 - Date.now()));
  const outcome = await join(CANDIDATE, expiring.token);
  t.is(outcome.status, 65);
  t.regex(outcome.stderr, /expired/);
});

test.serial('a member lists what leaving would delete, leaves, and joins again', async (t) => {
  const joined = await join(CANDIDATE, await createToken(CANDIDATE));
  t.is(joined.status, 0, joined.stderr);
  const plan = await landbridge(CANDIDATE, ['leave', '--plan']);
  t.is(plan.status, 0, plan.stderr);
  t.regex(plan.stdout, /Nothing was written\.\n$/);
  const rotated = await landbridge(CANDIDATE, ['rotate']);
  t.is(rotated.status, 0, rotated.stdout + rotated.stderr);
  const left = await landbridge(CANDIDATE, ['leave']);
  t.is(left.status, 0, left.stdout + left.stderr);
  t.is(await hubStateOf(CANDIDATE), 'none');
  t.false((await membersOf('east')).some(({ cluster, revoked }) => cluster === CANDIDATE && !revoked));
});

test.serial('a token joins once; whoever brings it again is told that it was used', async (t) => {
  const token = await createToken(CANDIDATE);
  const first = await join(CANDIDATE, token);
  t.is(first.status, 0, first.stderr);
  const member = await join(CANDIDATE, token);
  t.not(member.status, 0);
  t.regex(member.stderr, /is a member of a clusterset already/);
  credentials = await kubectl(CANDIDATE, '-n', 'landbridge-system', 'get', 'secret', 'landbridge-hub-credentials', '-o', 'json');
  // Without its credentials the cluster is a stranger with other keys, as a thief of the token would be.
  await kubectl(CANDIDATE, '-n', 'landbridge-system', 'delete', 'secret', 'landbridge-hub-credentials');
  await restartFederation();
  const stranger = await join(CANDIDATE, token);
  t.is(stranger.status, 65);
  t.regex(stranger.stderr, /was used already/);
});

test.serial('the founder revokes a member: its calls are refused within 10 seconds and live connections cut within 30, all have it as none, and its name is held', async (t) => {
  // A member again, by the keys that it had.
  const { metadata: { name, namespace }, data } = JSON.parse(credentials) as { metadata: { name: string; namespace: string }; data: object };
  await apply(CANDIDATE, { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data });
  await restartFederation();
  await eventually('a call from the member', async () => ((await call([], undefined, undefined, CANDIDATE)).status === 0 ? true : undefined), 90_000);
  await using held = await holdConnection(CANDIDATE);
  const heldMs = held.done.then(() => performance.now());

  const startedMs = performance.now();
  const revoked = await landbridge('east', ['revoke', CANDIDATE]);
  const toldMs = performance.now() - startedMs;
  t.is(revoked.status, 0, revoked.stderr);
  t.regex(revoked.stdout, /The hub has closed its connection/);
  await eventually('calls to be refused', async () => ((await call([], undefined, undefined, CANDIDATE)).status === 0 ? undefined : true));
  const refusedMs = performance.now() - startedMs;
  const cutMs = (await heldMs) - startedMs;
  t.log(`the command took ${toldMs.toFixed(0)} ms; the live connection was cut ${cutMs.toFixed(0)} ms after it began, calls were refused after ${refusedMs.toFixed(0)} ms at most`);
  t.true(refusedMs - toldMs < 10_000);
  t.true(cutMs - toldMs < 30_000);
  for (const cluster of ['east', 'west']) t.false((await membersOf(cluster)).some((member) => member.cluster === CANDIDATE && !member.revoked), cluster);
  const again = await landbridge('east', ['token', 'create', CANDIDATE]);
  t.is(again.status, 65);
  t.regex(again.stderr, /cluster-name-held/);
  t.is((await landbridge('west', ['revoke', 'east'])).status, 77);
});

test.serial('only the founder makes tokens', async (t) => {
  const outcome = await landbridge('west', ['token', 'create', 'south']);
  t.is(outcome.status, 77);
  t.regex(outcome.stderr, /landbridge-hub-authority/);
});
