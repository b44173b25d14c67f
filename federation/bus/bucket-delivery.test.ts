import { getEventListeners } from 'node:events';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import test from 'ava';
import { BucketDelivery, STREAM, SUBJECT_PREFIX } from './bucket-delivery.ts';
import type { Session } from './nats-link.ts';

/** A consumer whose messages the test makes. */
async function open(heartbeatMs = 60_000, patienceMs = 0): Promise<{ readonly delivery: BucketDelivery; readonly send: (sequence: number) => void }> {
  let deliver: (error: Error | null, message: Msg) => void = () => {};
  const connection = {
    subscribe: (_: string, { callback }: { callback: typeof deliver }) => {
      deliver = callback;
      return { unsubscribe: () => {} };
    },
  };
  const jsm = { consumers: { add: async () => ({ num_pending: 1 }), delete: async () => true } } as unknown as JetStreamManager;
  const delivery = await BucketDelivery.open({ connection, lost: new AbortController().signal } as unknown as Session, jsm, { filter: '>', from: undefined, inboxPrefix: undefined, heartbeatMs, patienceMs: () => patienceMs });
  const send = (sequence: number): void => deliver(null, { subject: `${SUBJECT_PREFIX}west.meta`, reply: `$JS.ACK.${STREAM}.c.1.${sequence}.${sequence}.0.1`, data: new Uint8Array(1), headers: undefined } as unknown as Msg);
  return { delivery, send };
}

test('a reader that waits for each entry leaves nothing behind at the signal that would end it', async (t) => {
  const { delivery, send } = await open();
  await using _ = delivery;
  const { signal } = new AbortController();
  for (let sequence = 1; sequence <= 100; sequence++) {
    const next = delivery.next(false, signal);
    t.is(getEventListeners(signal, 'abort').length, 1);
    send(sequence);
    t.like(await next, { key: 'west.meta', revision: sequence });
  }
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test('an aborted signal ends the wait', async (t) => {
  const { delivery } = await open();
  await using _ = delivery;
  const stop = new AbortController();
  const next = delivery.next(false, stop.signal);
  stop.abort();
  t.deepEqual(await next, { ended: 'aborted', isSilent: false });
});

test('a way that is slow may be silent for longer', async (t) => {
  const [heartbeatMs, patienceMs] = [50, 600];
  const startMs = performance.now();
  const { delivery } = await open(heartbeatMs, patienceMs);
  await using _ = delivery;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 10_000);
  t.like(await delivery.next(false, stop.signal), { isSilent: true });
  clearTimeout(timer);
  t.true(performance.now() - startMs > patienceMs);
});

test('silence is noticed before three heartbeats have passed, and told as such', async (t) => {
  const heartbeatMs = 200;
  const { delivery } = await open(heartbeatMs);
  await using _ = delivery;
  const startMs = performance.now();
  const stop = new AbortController();
  // Its own timer keeps no process alive.
  const timer = setTimeout(() => stop.abort(), 10_000);
  t.deepEqual(await delivery.next(false, stop.signal), { ended: 'heartbeats are missing', isSilent: true });
  clearTimeout(timer);
  t.true(performance.now() - startMs > 2 * heartbeatMs, 'one may be missed');
});
