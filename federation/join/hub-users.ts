/** The kinds of NATS user in the hub's account, and what each may do. */
import type { Permissions, User } from '@nats-io/jwt';
import { encodeUser } from '@nats-io/jwt';
import { createUser, fromSeed } from '@nats-io/nkeys';
import type { HubAuthority } from './credentials.ts';

export const REDEEM_SUBJECT = 'landbridge.join.redeem';
/** Where the founder hears members; each may speak under its own name only. */
export const MEMBER_REQUESTS = 'landbridge.member.*';
export const memberRequestSubject = (cluster: string): string => `landbridge.member.${cluster}`;
/** A member that renews in time is never without a JWT; after two thirds of its life it begins to ask for the next. */
export const USER_LIFE_SECONDS = 24 * 60 * 60;
/** JetStream's stream of the bucket `fed`. */
const STREAM = 'KV_fed';
/** JetStream's domain at the hub, by which leaf nodes, which have one of their own, name its API. */
export const HUB_DOMAIN = 'hub';
/** Short, since every member hears the beats of all. */
const BEATS = 'lb.hb.';
export const BEAT_SUBJECTS = `${BEATS}*`;
export const beatSubject = (cluster: string): string => `${BEATS}${cluster}`;
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
export const renewalInboxPrefix = (cluster: string): string => `_INBOX_RENEW_${cluster}`;
/** Where the hub delivers to the mirror of a cluster's leaf node. */
export const leafInboxPrefix = (cluster: string): string => `_INBOX_LEAF_${cluster}`;
export const bootstrapInboxPrefix = (userPublicKey: string): string => `_INBOX_JOIN_${userPublicKey}`;

/** Who awaits an answer there: each user hears below one prefix. */
export const senderOf = (reply: string): string => reply.slice(0, Math.max(0, reply.indexOf('.')));

/** Reads the whole bucket and hears all heartbeats, writes the cluster's own keys and its own beats. A consumer is made, watched and removed; no stream is ever changed. */
export function memberPermissions(cluster: string): Permissions {
  return {
    pub: {
      allow: [
        `$KV.fed.${cluster}.>`,
        memberRequestSubject(cluster),
        '$JS.API.INFO',
        `$JS.API.STREAM.INFO.${STREAM}`,
        `$JS.API.STREAM.MSG.GET.${STREAM}`,
        `$JS.API.DIRECT.GET.${STREAM}`,
        `$JS.API.DIRECT.GET.${STREAM}.>`,
        `$JS.API.CONSUMER.CREATE.${STREAM}.>`,
        `$JS.API.CONSUMER.INFO.${STREAM}.>`,
        `$JS.API.CONSUMER.DELETE.${STREAM}.>`,
        `$JS.FC.${STREAM}.>`,
        beatSubject(cluster),
      ],
    },
    sub: { allow: [`${memberInboxPrefix(cluster)}.>`, BEAT_SUBJECTS] },
  };
}

/**
 * What a mirror needs, and nothing that could be written: it makes a consumer, confirms what it was sent, and hears its own deliveries.
 * nats-server hears the answer to the first below `$JSC.R`, which no configuration can change: other clusters' answers are told there too.
 */
export function leafPermissions(cluster: string): Permissions {
  return {
    pub: { allow: [`$JS.${HUB_DOMAIN}.API.CONSUMER.CREATE.${STREAM}`, `$JS.FC.${STREAM}.>`] },
    sub: { allow: [`${leafInboxPrefix(cluster)}.>`, '$JSC.R.>'] },
  };
}

export function bootstrapPermissions(userPublicKey: string): Permissions {
  return { pub: { allow: [REDEEM_SUBJECT] }, sub: { allow: [`${bootstrapInboxPrefix(userPublicKey)}.>`] } };
}

const CLIENTS_ONLY: Partial<User> = { allowed_connection_types: ['STANDARD'] };

/** @param expiresAt seconds since 1970; the hub closes the connection then. Never where left out, for members that can not renew it. */
export function issueMemberUser(issuer: Issuer, cluster: string, userPublicKey: string, expiresAt?: number): Promise<string> {
  return issue(issuer, cluster, userPublicKey, { ...CLIENTS_ONLY, ...memberPermissions(cluster) }, expiresAt);
}

/** May only ask the founder, in the cluster's name: also after the member's other JWT has ended, however long that is ago. */
export function issueRenewalUser(issuer: Issuer, cluster: string, userPublicKey: string): Promise<string> {
  const limits: Partial<User> = { payload: MAX_REDEEM_BYTES, subs: 4 };
  const permissions: Permissions = { pub: { allow: [memberRequestSubject(cluster)] }, sub: { allow: [`${renewalInboxPrefix(cluster)}.>`] } };
  return issue(issuer, cluster, userPublicKey, { ...CLIENTS_ONLY, ...limits, ...permissions });
}

/** Of the same key as the member's user, for the leaf node of its cluster: it ends with the other one, and with the membership. */
export function issueLeafUser(issuer: Issuer, cluster: string, userPublicKey: string, expiresAt?: number): Promise<string> {
  return issue(issuer, `leaf-${cluster}`, userPublicKey, { allowed_connection_types: ['LEAFNODE'], ...leafPermissions(cluster) }, expiresAt);
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
