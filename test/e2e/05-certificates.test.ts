import test from 'ava';
import { call, eventually, kubectl, landbridge, parseAnswers, untilImported } from './running-lab.ts';

interface Rotation {
  readonly phase: string;
  readonly next: string;
  readonly obstacles: readonly string[];
}

async function rotate(...args: readonly string[]): Promise<Rotation> {
  const { status, stdout, stderr } = await landbridge('east', ['ca', 'rotate', '-o', 'json', ...args]);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Rotation;
}

/** Of the Secret's certificates, which no log may have. */
const rootsOfEast = async (): Promise<string> => JSON.parse(await kubectl('east', '-n', 'landbridge-system', 'get', 'configmap', 'landbridge-ca-root', '-o', 'json')).data['root-cert.pem'] as string;

const answers = async (timeoutMs?: number): Promise<void> => {
  await eventually('an answer', async () => {
    const outcome = await call(['--body', 'x']);
    return outcome.status === 0 && parseAnswers(outcome.stdout).length > 0 ? true : undefined;
  }, timeoutMs);
};
/** Kubelets look for changes of a ConfigMap about once in a minute; agents try again with pauses of up to ten seconds. */
const ROOT_ON_NODES_MS = 180_000;

test.serial('the root of a cluster is changed in three steps, and calls from the other one are answered in each phase', async (t) => {
  await untilImported(2);
  const [before] = (await rootsOfEast()).match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  t.deepEqual(await rotate('--status'), { phase: 'none', next: 'add', obstacles: [] });
  t.is((await rotate()).phase, 'distributing');
  t.is((await rootsOfEast()).split('BEGIN').length, 3);
  await answers();
  const early = await landbridge('east', ['ca', 'rotate']);
  t.is(early.status, 69);
  t.regex(early.stderr, /It is certain only from .*\[rotation-not-ready\]/);
  // All agents, and those of west by its own word, have it; only the time is missing.
  await eventually('all have both roots', async () => ((await rotate('--status')).obstacles.length === 1 ? true : undefined));
  t.is((await rotate('--force')).phase, 'retiring');
  await answers();
  t.regex((await rotate('--status')).obstacles.join(' '), /no certificate of the old root is valid any more/);
  // Before the day is over: whoever still has a certificate of the old root is cut, and gets another one.
  t.is((await rotate('--force')).phase, 'none');
  const after = await rootsOfEast();
  t.is(after.split('BEGIN').length, 2);
  t.false(after.includes(before ?? ''));
  // No force brings the new root to the nodes' files any sooner, by which agents know the authority that they ask.
  await answers(ROOT_ON_NODES_MS);
  const check = await landbridge('east', ['check', '-o', 'json']);
  const { checks } = JSON.parse(check.stdout) as { checks: { id: string; state: string }[] };
  t.is(checks.find(({ id }) => id === 'certificates-issued')?.state, 'ok', check.stdout);
});
