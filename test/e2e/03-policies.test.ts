import test from 'ava';
import { apply, call, eventually, holdConnection, kubectl, lab, landbridge, untilImported } from './running-lab.ts';

const CLIENT = 'west.landbridge/ns/demo/sa/client';
/** From the moment on that the API server has a policy. */
const CUT_WITHIN_MS = 1000;
const KINDS = 'authorizationpolicies.security.istio.io,peerauthentications.security.istio.io';

const policy = (name: string, spec: object): object => ({ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { name, namespace: 'demo' }, spec });
const from = (source: object): object => ({ from: [{ source }] });
const answers = async (): Promise<boolean> => (await call(['--timeout', '3s'])).status === 0;
const untilAnswered = async (): Promise<boolean> => await eventually('a call to be allowed', async () => ((await answers()) ? true : undefined));
const untilRefused = async (): Promise<boolean> => await eventually('a call to be refused', async () => ((await answers()) ? undefined : true));
const clear = async (): Promise<void> => void (await kubectl('east', '-n', 'demo', 'delete', KINDS, '--all'));

interface Accepted {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** What became of a policy of east. */
async function accepted(kind: string, name: string): Promise<Accepted> {
  return await eventually(`the condition of ${name}`, async () => {
    const { status } = JSON.parse(await kubectl('east', '-n', 'demo', 'get', kind, name, '-o', 'json')) as { status?: { conditions?: (Accepted & { type: string })[] } };
    return status?.conditions?.find(({ type }) => type === 'Accepted');
  });
}

test.serial('a policy in east denies a caller of west by its identity, and nobody once it is gone', async (t) => {
  await untilImported(2);
  t.true(await untilAnswered());
  await apply('east', policy('deny-client', { action: 'DENY', rules: [from({ principals: [CLIENT] })] }));
  t.true(await untilRefused());
  t.like(await accepted('authorizationpolicy', 'deny-client'), { status: 'True', reason: 'Accepted' });
  await clear();
  t.true(await untilAnswered());
});

test.serial('with a policy that allows a namespace, callers of another one are refused', async (t) => {
  await apply('east', policy('allow', { rules: [from({ namespaces: ['elsewhere'] })] }));
  t.true(await untilRefused());
  await apply('east', policy('allow', { rules: [from({ namespaces: ['demo'] })] }));
  t.true(await untilAnswered());
  await clear();
});

test.serial('STRICT refuses plaintext, while tunnels and probes go on', async (t) => {
  const [address = '', node = ''] = (await kubectl('east', '-n', 'demo', 'get', 'pods', '-l', 'app=echo', '-o', 'jsonpath={.items[0].status.podIP} {.items[0].spec.nodeName}')).trim().split(' ');
  const plaintext = async (): Promise<string> => (await lab('node', 'east', node, 'curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', `http://${address}:8080/readyz`)).stdout;
  t.is(await plaintext(), '200');
  await apply('east', { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { name: 'strict', namespace: 'demo' }, spec: { mtls: { mode: 'STRICT' } } });
  await eventually('plaintext to be refused', async () => ((await plaintext()) === '000' ? true : undefined));
  t.true(await answers());
  t.like(await accepted('peerauthentication', 'strict'), { status: 'True', reason: 'Accepted' });
  t.regex(await kubectl('east', '-n', 'demo', 'get', 'pods', '-l', 'app=echo', '--no-headers'), /^(\S+\s+1\/1\s+Running\s+0\s.*\n?)+$/);
  await clear();
});

test.serial('a policy that is added cuts a connection that is open', async (t) => {
  await using held = await holdConnection();
  const ended = held.done.then((outcome) => ({ outcome, atMs: performance.now() }));
  await apply('east', policy('deny-client', { action: 'DENY', rules: [from({ principals: [CLIENT] })] }));
  const writtenMs = performance.now();
  const { outcome, atMs } = await ended;
  t.not(outcome.status, 0, 'the connection was held to its end');
  t.log(`cut ${Math.round(atMs - writtenMs)} ms after the policy was written`);
  t.true(atMs - writtenMs < CUT_WITHIN_MS);
  await clear();
  t.true(await untilAnswered());
});

test.serial('a policy that can not be evaluated denies, says so, and is found', async (t) => {
  await apply('east', policy('octal', { action: 'DENY', rules: [from({ ipBlocks: ['012.0.0.1'] })] }));
  t.true(await untilRefused());
  const { status, reason, message } = await accepted('authorizationpolicy', 'octal');
  t.deepEqual([status, reason], ['True', 'PartiallyInvalid']);
  t.regex(message, /rules\[0\]\.from\[0\]\.source\.ipBlocks: "012\.0\.0\.1"/);
  const check = await landbridge('east', ['check', '-o', 'json']);
  const { checks } = JSON.parse(check.stdout) as { checks: { id: string; state: string; message: string }[] };
  t.deepEqual(checks.filter(({ state }) => state === 'failed').map(({ id }) => id), ['policies-accepted']);
  await clear();
  t.true(await untilAnswered());
  t.is((await landbridge('east', ['check'])).status, 0);
});
