import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { HubCredentials } from './credentials.ts';
import { memberInboxPrefix, memberRequestSubject, renewalInboxPrefix } from './hub-users.ts';
import { parseMemberAnswer, type UserJwts } from './member-messages.ts';
import { askOnce } from './one-request.ts';

/**
 * Asks the founder once, as the user that may do nothing else: so it works after the member's other JWT has ended too.
 * @throws LandbridgeError `user-refused` where the hub does not let this cluster in, `founder-unreachable`, `hub-unreachable`, and what the founder refuses with
 */
export async function askFounder(credentials: HubCredentials, question: Uint8Array, signal: AbortSignal): Promise<UserJwts | undefined> {
  const { cluster, urls, caPem, userJwt, renewalJwt, userSeed: seed } = credentials;
  const inboxPrefix = renewalJwt === undefined ? memberInboxPrefix(cluster) : renewalInboxPrefix(cluster);
  return await askOnce({ urls, caPem, jwt: renewalJwt ?? userJwt, seed, inboxPrefix, name: `ask ${cluster}`, subject: memberRequestSubject(cluster), question }, { parse: parseMemberAnswer, refused: (cause) => userRefused(cluster, cause) }, signal);
}

function userRefused(cluster: string, cause: unknown): LandbridgeError {
  return new LandbridgeError('user-refused', `The hub does not let cluster "${cluster}" in.`, { hint: 'It was revoked, or the hub was made anew: landbridge status in the founder tells which. landbridge leave ends the membership here.', cause });
}
