/**
 * The text that an administrator carries from the founder to the cluster that joins: `lb1.<base64url of JSON>.<CRC-32 in hex>`.
 * The checksum tells a token that was cut or mistyped from one that is refused; it protects nothing else.
 */
import { crc32 } from 'node:zlib';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { firstFault } from './checked-json.ts';
import { HubUrlsSchema, JwtSchema, PemCertificateSchema, RawKeySchema, UserSeedSchema } from './credentials.ts';
import { NamePatternSchema, parseNamePattern } from './name-pattern.ts';

/** A token with sixteen addresses and a chain of four certificates stays below this. */
export const MAX_TOKEN_LENGTH = 32 * 1024;

export const JoinTokenSchema = Type.Object({
  v: Type.Literal(1),
  urls: HubUrlsSchema,
  caPem: PemCertificateSchema,
  /** 32 random bytes; the founder keeps their SHA-256 only. */
  code: RawKeySchema,
  /** The only name that may join, or how it must begin. */
  cluster: NamePatternSchema,
  /** A NATS user that can do nothing but ask for the join. */
  bootstrapJwt: JwtSchema,
  bootstrapSeed: UserSeedSchema,
  authorityPublicKey: RawKeySchema,
  /** Seconds since 1970. */
  exp: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
});

export type JoinToken = Static<typeof JoinTokenSchema>;

const PREFIX = 'lb1';
const FORM = /^lb1\.([A-Za-z0-9_-]+)\.([0-9a-f]{8})$/;

export function encodeJoinToken(token: JoinToken): string {
  const payload = Buffer.from(JSON.stringify(token)).toString('base64url');
  return `${PREFIX}.${payload}.${checksum(payload)}`;
}

/** White space is left out first: terminals and mail programs break long lines. */
export function parseJoinToken(text: string): Result<JoinToken, LandbridgeError> {
  if (text.length > 2 * MAX_TOKEN_LENGTH) return damaged('The join token is longer than any token can be.');
  const compact = text.replace(/\s+/g, '');
  if (compact === '') return damaged('The join token is empty.');
  if (compact.length > MAX_TOKEN_LENGTH) return damaged('The join token is longer than any token can be.');
  if (!compact.startsWith(`${PREFIX}.`)) {
    return damaged(/^lb\d+\./.test(compact) ? 'The join token was made by another version of Landbridge.' : 'This is not a join token, or its beginning is missing: a join token begins with "lb1.".');
  }
  const parts = FORM.exec(compact);
  if (!parts) return damaged('The join token is damaged: its end is missing, or characters were changed.');
  const [, payload, sum] = parts as unknown as [string, string, string];
  if (checksum(payload) !== sum) return damaged('The join token is damaged: its checksum does not fit.');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload, 'base64url').toString());
  } catch {
    return damaged('The join token is damaged: its content can not be read.');
  }
  if (!Value.Check(JoinTokenSchema, value)) return damaged(`The join token has a field that is not valid: ${firstFault(JoinTokenSchema, value)}.`);
  const cluster = parseNamePattern(value.cluster);
  return cluster.ok ? ok(value) : damaged(`The join token names a cluster that can not exist: ${cluster.error}.`);
}

function checksum(payload: string): string {
  return crc32(payload).toString(16).padStart(8, '0');
}

function damaged(message: string): Result<never, LandbridgeError> {
  return err(new LandbridgeError('token-damaged', message, { hint: 'Copy the whole token again; `landbridge token create` prints it as one line.' }));
}
