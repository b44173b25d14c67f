import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { founderBusy } from './join-errors.ts';
import { encodeRedeemRefusal } from './redeem-messages.ts';

/** Joins and what else members ask is rare; more than this at once is a fault or an attack, and each waits for the one before it. */
const MAX_WAITING = 32;

export interface Request {
  readonly bytes: Uint8Array;
  readonly subject: string;
  /** Where the answer is awaited. The hub lets each user hear below its own prefix only. */
  readonly reply: string;
}

/** An answer in every case but an aborted signal. */
export type Answer = (request: Request, signal: AbortSignal) => Promise<Uint8Array>;

/** Answers requests on a subject until the signal is aborted or the connection closed for good; resolves then. The client subscribes again after it reconnected. */
export async function serveRequests(connection: NatsConnection, subject: string, answerTo: Answer, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let waiting = 0;
  const answer = async (message: Msg): Promise<void> => {
    if (waiting >= MAX_WAITING) {
      message.respond(encodeRedeemRefusal(founderBusy()));
      return;
    }
    waiting += 1;
    try {
      message.respond(await answerTo({ bytes: message.data, subject: message.subject, reply: message.reply ?? '' }, signal));
    } catch {
      // Aborted, or the connection closed under the answer: the joiner asks again.
    } finally {
      waiting -= 1;
    }
  };
  const subscription = connection.subscribe(subject);
  const stop = (): void => subscription.unsubscribe();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const message of subscription) void answer(message);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
