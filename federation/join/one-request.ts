/** A question to the founder by a connection of its own, which ends with the answer. */
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type NatsConnection, NoRespondersError, RequestError } from '@nats-io/transport-node';
import { isHubRefusal } from '../bus/hub-refusal.ts';
import { connectHub, type HubConnectionOptions } from './hub-connection.ts';
import { answerMalformed, founderUnreachable, hubUnreachable } from './join-errors.ts';

export interface OneRequest extends Omit<HubConnectionOptions, 'timeoutMs'> {
  readonly subject: string;
  readonly question: Uint8Array;
}

export interface Asking<T> {
  readonly parse: (answer: Uint8Array) => Result<Result<T, LandbridgeError>>;
  /** Where the hub does not let this user in, or no more. */
  readonly refused: (cause: unknown) => LandbridgeError;
}

/** `refused`: the hub does not let this user in, or no more; `silent`: the hub is there and nobody answers; `unreachable`: there is no hub. */
interface RequestFailure {
  readonly kind: 'refused' | 'silent' | 'unreachable';
  readonly cause: unknown;
}

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;

/** @throws LandbridgeError as `refused` makes it, `founder-unreachable`, `hub-unreachable`, `answer-malformed`, and what the founder refuses with */
export async function askOnce<T>(request: OneRequest, { parse, refused }: Asking<T>, signal: AbortSignal): Promise<T> {
  const answered = await requestOnce(request, signal);
  if (!answered.ok) {
    const { kind, cause } = answered.error;
    if (kind === 'refused') throw refused(cause);
    throw kind === 'silent' ? founderUnreachable(cause) : hubUnreachable(request.urls, cause);
  }
  const answer = parse(answered.value);
  if (!answer.ok) throw answerMalformed(answer.error);
  if (!answer.value.ok) throw answer.value.error;
  return answer.value.value;
}

/** Rejects with the signal's reason only. */
async function requestOnce(request: OneRequest, signal: AbortSignal): Promise<Result<Uint8Array, RequestFailure>> {
  let connection: NatsConnection;
  try {
    connection = await connectHub({ ...request, timeoutMs: CONNECT_TIMEOUT_MS }, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    return err({ kind: isHubRefusal(thrown) ? 'refused' : 'unreachable', cause: thrown });
  }
  const close = (): void => void connection.close();
  signal.addEventListener('abort', close, { once: true });
  // The hub may take the user's rights away before the answer has come.
  const closed = connection.closed();
  try {
    return ok((await connection.request(request.subject, request.question, { timeout: ANSWER_TIMEOUT_MS })).data);
  } catch (thrown) {
    signal.throwIfAborted();
    const end = connection.isClosed() ? await closed : undefined;
    if (isHubRefusal(thrown) || isHubRefusal(end)) return err({ kind: 'refused', cause: thrown });
    return err({ kind: isSilence(thrown) ? 'silent' : 'unreachable', cause: thrown });
  } finally {
    signal.removeEventListener('abort', close);
    await connection.close();
  }
}

function isSilence(thrown: unknown): boolean {
  return thrown instanceof NoRespondersError || thrown instanceof RequestError || (thrown instanceof Error && thrown.name === 'TimeoutError');
}
