/** The three kinds of NATS user in the hub's account, and what each may do. */
import type { Permissions, User } from '@nats-io/jwt';
import { encodeUser } from '@nats-io/jwt';
import { createUser, fromSeed } from '@nats-io/nkeys';
import type { HubAuthority } from './credentials.ts';

export const REDEEM_SUBJECT = 'landbridge.join.redeem';
/** JetStream's stream of the bucket `fed`. */
const STREAM = 'KV_fed';
/** A redeem request holds a few certificates. */
export const MAX_REDEEM_BYTES = 128 * 1024;

export interface UserKeys {
  readonly seed: string;
  readonly publicKey: string;
}

type Issuer = Pick<HubAuthority, 'accountPublicKey' | 'accountSigningSeed'>;

export function makeUserKeys(): UserKeys {
  const pair = createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}

export function userPublicKeyOf(seed: string): string {
  return fromSeed(new TextEncoder().encode(seed)).getPublicKey();
}

/**
 * Where a user receives replies. All users share one account, so with the usual `_INBOX` each could read the replies to all others.
 * A connection of the user must be opened with this as its inbox prefix.
 */
export const memberInboxPrefix = (cluster: string): string => `_INBOX_${cluster}`;
export const bootstrapInboxPrefix = (userPublicKey: string): string => `_INBOX_JOIN_${userPublicKey}`;

/** Reads the whole bucket, writes the cluster's own keys. A consumer is made, watched and removed; no stream is ever changed. */
export function memberPermissions(cluster: string): Permissions {
  return {
    pub: {
      allow: [
        `$KV.fed.${cluster}.>`,
        '$JS.API.INFO',
        `$JS.API.STREAM.INFO.${STREAM}`,
        `$JS.API.STREAM.MSG.GET.${STREAM}`,
        `$JS.API.DIRECT.GET.${STREAM}`,
        `$JS.API.DIRECT.GET.${STREAM}.>`,
        `$JS.API.CONSUMER.CREATE.${STREAM}.>`,
        `$JS.API.CONSUMER.INFO.${STREAM}.>`,
        `$JS.API.CONSUMER.DELETE.${STREAM}.>`,
        `$JS.FC.${STREAM}.>`,
      ],
    },
    sub: { allow: [`${memberInboxPrefix(cluster)}.>`] },
  };
}

export function bootstrapPermissions(userPublicKey: string): Permissions {
  return { pub: { allow: [REDEEM_SUBJECT] }, sub: { allow: [`${bootstrapInboxPrefix(userPublicKey)}.>`] } };
}

const CLIENTS_ONLY: Partial<User> = { allowed_connection_types: ['STANDARD'] };

export function issueMemberUser(issuer: Issuer, cluster: string, userPublicKey: string): Promise<string> {
  return issue(issuer, cluster, userPublicKey, { ...CLIENTS_ONLY, ...memberPermissions(cluster) });
}

/** May do all in the account: makes the bucket, writes member records, answers joins. */
export function issueFounderUser(issuer: Issuer, cluster: string, userPublicKey: string): Promise<string> {
  return issue(issuer, cluster, userPublicKey, CLIENTS_ONLY);
}

/** @param expiresAt seconds since 1970; the hub closes the connection then. */
export function issueBootstrapUser(issuer: Issuer, cluster: string, userPublicKey: string, expiresAt: number): Promise<string> {
  const limits: Partial<User> = { payload: MAX_REDEEM_BYTES, subs: 4 };
  return issue(issuer, `join-${cluster}`, userPublicKey, { ...CLIENTS_ONLY, ...limits, ...bootstrapPermissions(userPublicKey) }, expiresAt);
}

function issue(issuer: Issuer, name: string, userPublicKey: string, user: Partial<User>, exp?: number): Promise<string> {
  const options = { signer: new TextEncoder().encode(issuer.accountSigningSeed), ...(exp === undefined ? {} : { exp }) };
  return encodeUser(name, userPublicKey, issuer.accountPublicKey, user, options);
}
