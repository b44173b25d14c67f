import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { JoinAuthority } from './authority.ts';
import { REDEEM_SUBJECT } from './hub-users.ts';
import { founderBusy } from './join-errors.ts';
import { encodeRedeemRefusal } from './redeem-messages.ts';

/** Joins are rare; more than this at once is a fault or an attack, and each waits for the one before it. */
const MAX_WAITING = 32;

/** Answers joins until the signal is aborted or the connection closed for good; resolves then. The client subscribes again after it reconnected. */
export async function serveRedeem(connection: NatsConnection, authority: Pick<JoinAuthority, 'redeem'>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let waiting = 0;
  const answer = async (message: Msg): Promise<void> => {
    if (waiting >= MAX_WAITING) {
      message.respond(encodeRedeemRefusal(founderBusy()));
      return;
    }
    waiting += 1;
    try {
      message.respond(await authority.redeem(message.data, signal));
    } catch {
      // Aborted, or the connection closed under the answer: the joiner asks again.
    } finally {
      waiting -= 1;
    }
  };
  const subscription = connection.subscribe(REDEEM_SUBJECT);
  const stop = (): void => subscription.unsubscribe();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const message of subscription) void answer(message);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
