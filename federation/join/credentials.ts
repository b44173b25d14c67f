/** What the founder and each member keep in Secrets to reach the hub. */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { parseText } from './checked-json.ts';
import { parsePrivateKey, RAW_KEY_PATTERN, rawPublicKey } from './ed25519.ts';

/** Far more than any of these files has; a Secret may hold 1 MiB. */
export const MAX_CREDENTIALS_BYTES = 64 * 1024;
export const MAX_HUB_URLS = 16;

/** `tls://host:port`; an IPv6 address stands in brackets. */
export const HubUrlSchema = Type.String({ pattern: '^tls://(\\[[0-9a-fA-F:.]{2,45}\\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$' });
export const HubUrlsSchema = Type.Array(HubUrlSchema, { minItems: 1, maxItems: MAX_HUB_URLS });
export const PemCertificateSchema = Type.String({ pattern: '^-----BEGIN CERTIFICATE-----', maxLength: 16 * 1024 });
export const RawKeySchema = Type.String({ pattern: RAW_KEY_PATTERN });
/** NKeys are base32; the first letters tell the kind (nats-architecture-and-design, ADR-14). */
export const UserSeedSchema = Type.String({ pattern: '^SU[A-Z2-7]{56}$' });
export const UserPublicKeySchema = Type.String({ pattern: '^U[A-Z2-7]{55}$' });
export const JwtSchema = Type.String({ pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$', maxLength: 16 * 1024 });
export const ClusterLabelSchema = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' });
export const PrivateKeyPemSchema = Type.String({ pattern: '^-----BEGIN PRIVATE KEY-----', maxLength: 1024 });

/** What the founder tells the hub by which users it must not let in any more. */
export const HubControlSchema = Type.Object({
  /** Signs the account's JWT. */
  operatorSigningSeed: Type.String({ pattern: '^SO[A-Z2-7]{56}$' }),
  /** A user of the hub's system account that can do nothing but replace it. */
  systemUserJwt: JwtSchema,
  systemUserSeed: UserSeedSchema,
});

/** Key `hub.json` of the Secret landbridge-hub-authority. Whoever holds it decides who is a member. */
export const HubAuthoritySchema = Type.Object({
  urls: HubUrlsSchema,
  caPem: PemCertificateSchema,
  accountPublicKey: Type.String({ pattern: '^A[A-Z2-7]{55}$' }),
  accountSigningSeed: Type.String({ pattern: '^SA[A-Z2-7]{56}$' }),
  authorityPrivateKeyPem: PrivateKeyPemSchema,
  authorityPublicKey: RawKeySchema,
  /** Hubs that version 0.1 made have none. */
  control: Type.Optional(HubControlSchema),
  /** How many servers of the hub keep each record: 1 where left out. */
  replicas: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(3), Type.Literal(5)])),
});

/** Key `credentials.json` of the Secret landbridge-hub-credentials. */
export const HubCredentialsSchema = Type.Object({
  cluster: ClusterLabelSchema,
  urls: HubUrlsSchema,
  caPem: PemCertificateSchema,
  userJwt: JwtSchema,
  /** Of a user of the same key that may only ask the founder; none for the founder, and for members that joined by version 0.1. */
  renewalJwt: Type.Optional(JwtSchema),
  /** Of a user of the same key for the cluster's leaf node; none where the founder was of a version before 0.2 when it issued the others. */
  leafJwt: Type.Optional(JwtSchema),
  userSeed: UserSeedSchema,
  recordPrivateKeyPem: PrivateKeyPemSchema,
  recordPublicKey: RawKeySchema,
  authorityPublicKey: RawKeySchema,
});

export function isHubUrl(text: string): boolean {
  return Value.Check(HubUrlSchema, text);
}

export type HubControl = Static<typeof HubControlSchema>;
export type HubAuthority = Static<typeof HubAuthoritySchema>;
export type HubCredentials = Static<typeof HubCredentialsSchema>;

export function parseHubAuthority(text: string): Result<HubAuthority> {
  const value = parseText(HubAuthoritySchema, text, MAX_CREDENTIALS_BYTES);
  if (!value.ok) return value;
  const pair = keysBelongTogether(value.value.authorityPrivateKeyPem, value.value.authorityPublicKey);
  return pair.ok ? value : err(`authority key: ${pair.error}`);
}

export function parseHubCredentials(text: string): Result<HubCredentials> {
  const value = parseText(HubCredentialsSchema, text, MAX_CREDENTIALS_BYTES);
  if (!value.ok) return value;
  const pair = keysBelongTogether(value.value.recordPrivateKeyPem, value.value.recordPublicKey);
  return pair.ok ? value : err(`record key: ${pair.error}`);
}

/** A key edited by hand would otherwise show itself only as records that every peer refuses. */
function keysBelongTogether(privateKeyPem: string, publicKey: string): Result<true> {
  const key = parsePrivateKey(privateKeyPem);
  if (!key.ok) return key;
  return rawPublicKey(key.value) === publicKey ? ok(true) : err('the public key does not belong to the private key');
}
