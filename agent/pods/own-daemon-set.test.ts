import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import pino from 'pino';
import { type ApiServerClient, ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import { OwnDaemonSet } from './own-daemon-set.ts';
import type { WatchEvent } from '@landbridge/kubernetes/watch-event.ts';

const NAME = { namespace: 'landbridge-system', name: 'landbridge-agent' };
const THERE = { metadata: { name: NAME.name } };
const DELETING = { metadata: { name: NAME.name, deletionTimestamp: '2026-01-01T00:00:00Z' } };
const refusal = (code: number): ApiServerError => new ApiServerError('GET', { code, message: '', retryAfterMs: undefined });

/** An API server with or without the object, which tells these events; `get` says what the last question is answered with. */
async function isGone({ items, events = [], get }: { readonly items: readonly object[]; readonly events?: readonly WatchEvent[]; readonly get: object | ApiServerError }): Promise<boolean> {
  const stop = new AbortController();
  const told = Promise.withResolvers<void>();
  const client = {
    list: async () => ({ version: '1', next: '', items }),
    watch: async function* () {
      yield* events;
      told.resolve();
      await delay(60_000, undefined, { signal: stop.signal }).catch(() => {});
    },
    get: async () => {
      if (get instanceof ApiServerError) throw get;
      return get;
    },
  } as unknown as ApiServerClient;
  const daemonSet = new OwnDaemonSet(client, NAME, pino({ level: 'silent' }));
  const running = daemonSet.run(stop.signal);
  await told.promise;
  stop.abort();
  await running;
  return await daemonSet.isGone();
}

const deleted: WatchEvent = { kind: 'deleted', object: THERE, version: '2' };

test('an agent that only stops is not uninstalled, whatever the API server says', async (t) => {
  for (const get of [THERE, refusal(0), refusal(401), refusal(403), refusal(500)]) t.false(await isGone({ items: [THERE], get }));
});

test('an agent whose DaemonSet is gone or going is uninstalled, also where its rights went with it', async (t) => {
  t.true(await isGone({ items: [THERE], get: refusal(404) }));
  t.true(await isGone({ items: [THERE], get: DELETING }));
  for (const code of [0, 401, 403]) {
    t.true(await isGone({ items: [THERE], events: [deleted], get: refusal(code) }));
    t.true(await isGone({ items: [THERE], events: [{ kind: 'set', object: DELETING, version: '2' }], get: refusal(code) }));
  }
});

test('an agent whose DaemonSet was made anew is not uninstalled', async (t) => {
  t.false(await isGone({ items: [THERE], events: [deleted], get: THERE }));
});

test('an agent that never saw its DaemonSet is not uninstalled', async (t) => {
  for (const get of [refusal(403), refusal(404)]) t.false(await isGone({ items: [], get }));
});
