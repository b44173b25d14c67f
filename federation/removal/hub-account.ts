/** Keeps the hub from letting users of removed members in: by the list of revocations in the account's JWT. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type Account, decode, type User } from '@nats-io/jwt';
import Type from 'typebox';
import { Value } from 'typebox/value';
import type { HubAuthority, HubControl } from '../join/credentials.ts';
import { ANY_CLAIMS_UPDATE_SUBJECT, claimsLookupSubject, claimsUpdateSubject, controlInboxPrefix, NO_LIMIT, signAccount } from '../join/hub-accounts.ts';
import { connectHub } from '../join/hub-connection.ts';
import { userPublicKeyOf } from '../join/hub-users.ts';

const CONNECT_TIMEOUT_MS = 5000;
const ANSWER_TIMEOUT_MS = 5000;
/** An account with as many revocations as there can be, and room. */
const MAX_ANSWER_BYTES = 256 * 1024;

const UpdateAnswerSchema = Type.Object({
  data: Type.Optional(Type.Object({ code: Type.Integer() })),
  error: Type.Optional(Type.Object({ code: Type.Optional(Type.Integer()), description: Type.Optional(Type.String({ maxLength: 1000 })) })),
});

/**
 * Has the hub know exactly these revocations; connections of users that are new among them are closed by it at once.
 * Whether it had to be told. @throws LandbridgeError `hub-unreachable`, `hub-refused`, both retryable
 */
export async function ensureRevocations(authority: HubAuthority & { readonly control: HubControl }, revoked: ReadonlyMap<string, number>, signal: AbortSignal): Promise<boolean> {
  const { urls, caPem, accountPublicKey, accountSigningSeed, control } = authority;
  const inboxPrefix = controlInboxPrefix(userPublicKeyOf(control.systemUserSeed));
  try {
    await using connection = closing(await connectHub({ urls, caPem, jwt: control.systemUserJwt, seed: control.systemUserSeed, inboxPrefix, name: 'landbridge founder', timeoutMs: CONNECT_TIMEOUT_MS }, signal));
    const ask = async (subject: string, payload = ''): Promise<Uint8Array> => (await connection.request(subject, payload, { timeout: ANSWER_TIMEOUT_MS })).data;
    const isKnown = async (): Promise<boolean> => {
      const answer = await ask(claimsLookupSubject(accountPublicKey));
      return sameRevocations(parseLookUp(answer), revoked) && letsLeavesIn(answer);
    };
    if (await isKnown()) return false;
    const answer = parseUpdateAnswer(await ask(updateSubject(control, accountPublicKey), await signAccount({ accountPublicKey, accountSigningSeed, operatorSigningSeed: control.operatorSigningSeed }, revoked)));
    if (!answer.ok) throw refused(answer.error);
    // A server keeps what it has, and says that all is well, where that was signed later than what it is given.
    if (!(await isKnown())) throw refused('it keeps an account that was signed later than now: compare the clocks');
    return true;
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof LandbridgeError) throw thrown;
    throw new LandbridgeError('hub-unreachable', `The hub can not be told which users it must not let in: ${thrown instanceof Error ? thrown.message : String(thrown)}.`, { cause: thrown, retryable: true });
  }
}

/** Where this user may send the account. Those of hubs that version 0.1 made may send any, and only there. */
function updateSubject({ systemUserJwt }: HubControl, account: string): string {
  const own = claimsUpdateSubject(account);
  return decode<User>(systemUserJwt).nats.pub?.allow?.includes(own) === true ? own : ANY_CLAIMS_UPDATE_SUBJECT;
}

function refused(reason: string): LandbridgeError {
  return new LandbridgeError('hub-refused', `The hub does not take the list of users that it must not let in: ${reason}.`, { hint: 'See that nats.conf has the resolver that landbridge hub init wrote.', retryable: true });
}

export function parseUpdateAnswer(bytes: Uint8Array): Result<true> {
  const value = parseJson(bytes);
  if (!Value.Check(UpdateAnswerSchema, value)) return err('its answer can not be read');
  if (value.data?.code === 200) return ok(true);
  return err(value.error?.description ?? 'it does not say why');
}

/** Revocations in the account's JWT that the hub has; empty where it has none that can be read. What it says decides nothing but whether to tell it. */
export function parseLookUp(bytes: Uint8Array): ReadonlyMap<string, number> {
  const { revocations = {} } = parseAccount(bytes) ?? {};
  return new Map(Object.entries(revocations).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}

/** Whether the account is one that version 0.2 has signed: before, none let leaf nodes in. */
export function letsLeavesIn(bytes: Uint8Array): boolean {
  return parseAccount(bytes)?.limits?.leaf === NO_LIMIT;
}

function parseAccount(bytes: Uint8Array): Partial<Account> | undefined {
  if (bytes.length > MAX_ANSWER_BYTES) return undefined;
  try {
    return decode<Account>(new TextDecoder().decode(bytes)).nats ?? undefined;
  } catch {
    // Foreign bytes.
    return undefined;
  }
}

function sameRevocations(known: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): boolean {
  return known.size === wanted.size && [...wanted].every(([user, until]) => known.get(user) === until);
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > MAX_ANSWER_BYTES) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function closing<T extends { close(): Promise<void> }>(connection: T): T & AsyncDisposable {
  return Object.assign(connection, { [Symbol.asyncDispose]: async () => await connection.close() });
}
