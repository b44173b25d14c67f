/** A joining cluster's private keys, as it keeps them from before it redeems a token until it has its credentials. */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type from 'typebox';
import { parseText } from './checked-json.ts';
import { PrivateKeyPemSchema, RawKeySchema, UserSeedSchema } from './credentials.ts';
import { type Ed25519Keys, makeEd25519Keys, parsePrivateKey, rawPublicKey } from './ed25519.ts';
import { makeUserKeys, type UserKeys, userPublicKeyOf } from './hub-users.ts';

/** Far more than the keys have. */
const MAX_BYTES = 8 * 1024;

export interface JoinKeys {
  readonly user: UserKeys;
  readonly record: Ed25519Keys;
}

/** Keys are of one clusterset: what is signed for one must not count in another. */
export interface StoredJoinKeys {
  readonly authorityPublicKey: string;
  readonly keys: JoinKeys;
}

const FileSchema = Type.Object({ v: Type.Literal(1), authorityPublicKey: RawKeySchema, userSeed: UserSeedSchema, recordPrivateKeyPem: PrivateKeyPemSchema });

export function makeJoinKeys(): JoinKeys {
  return { user: makeUserKeys(), record: makeEd25519Keys() };
}

/** Content of the key `keys.json` of the Secret landbridge-join-keys. */
export function encodeJoinKeys({ authorityPublicKey, keys }: StoredJoinKeys): string {
  return JSON.stringify({ v: 1, authorityPublicKey, userSeed: keys.user.seed, recordPrivateKeyPem: keys.record.privateKeyPem });
}

export function parseJoinKeys(text: string): Result<StoredJoinKeys> {
  const file = parseText(FileSchema, text, MAX_BYTES);
  if (!file.ok) return file;
  const { value } = file;
  const record = parsePrivateKey(value.recordPrivateKeyPem);
  if (!record.ok) return record;
  let userPublicKey: string;
  try {
    userPublicKey = userPublicKeyOf(value.userSeed);
  } catch {
    return err('the seed is of no NATS user');
  }
  const keys: JoinKeys = { user: { seed: value.userSeed, publicKey: userPublicKey }, record: { privateKeyPem: value.recordPrivateKeyPem, publicKey: rawPublicKey(record.value) } };
  return ok({ authorityPublicKey: value.authorityPublicKey, keys });
}
