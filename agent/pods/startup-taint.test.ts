import test from 'ava';
import pino from 'pino';
import { ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import { liftStartupTaint, STARTUP_TAINT } from './startup-taint.ts';

const silent = pino({ level: 'silent' });
const never = new AbortController().signal;
const OTHER = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', timeAdded: '2026-01-01T00:00:00Z' };
const OURS = { key: STARTUP_TAINT, effect: 'NoSchedule' };

function nodeWith(taints: readonly object[] | undefined, failures: readonly number[] = []): { readonly patches: object[]; readonly client: Parameters<typeof liftStartupTaint>[0] } {
  const patches: object[] = [];
  const left = [...failures];
  return {
    patches,
    client: {
      get: async (path) => ({ metadata: { resourceVersion: `of ${path}` }, spec: taints === undefined ? {} : { taints } }),
      mergePatch: async (_, patch) => {
        const code = left.shift();
        if (code !== undefined) throw new ApiServerError('PATCH', { code, message: '', retryAfterMs: undefined });
        patches.push(patch);
      },
    },
  };
}

test('the taint is removed, others stay, and a change of somebody else is not undone', async (t) => {
  const { client, patches } = nodeWith([OTHER, OURS]);
  await liftStartupTaint(client, 'n 1', silent, never);
  t.deepEqual(patches, [{ metadata: { resourceVersion: 'of /api/v1/nodes/n%201' }, spec: { taints: [OTHER] } }]);
});

test('a node without it is left alone', async (t) => {
  for (const taints of [undefined, [], [OTHER]]) {
    const { client, patches } = nodeWith(taints);
    await liftStartupTaint(client, 'n', silent, never);
    t.deepEqual(patches, []);
  }
});

test('it is tried until it succeeds, or the agent ends', async (t) => {
  const { client, patches } = nodeWith([OURS], [409]);
  await liftStartupTaint(client, 'n', silent, never);
  t.is(patches.length, 1);
  const stop = new AbortController();
  const other = nodeWith([OURS], Array.from({ length: 100 }, () => 403));
  const log = pino({ level: 'warn' }, { write: () => stop.abort() });
  await liftStartupTaint(other.client, 'n', log, stop.signal);
  t.deepEqual(other.patches, []);
});
