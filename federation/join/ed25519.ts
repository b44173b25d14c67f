/** Ed25519 keys as the join and the records carry them: private keys as PKCS#8 PEM, public keys as the 32 raw bytes in base64url (RFC 8032, RFC 8037). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export interface Ed25519Keys {
  readonly privateKeyPem: string;
  readonly publicKey: string;
}

/** 32 bytes in base64url without padding. */
export const RAW_KEY_PATTERN = '^[A-Za-z0-9_-]{43}$';

export function makeEd25519Keys(): Ed25519Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey: rawPublicKey(publicKey) };
}

export function parsePrivateKey(pem: string): Result<KeyObject> {
  try {
    const key = createPrivateKey({ key: pem, format: 'pem' });
    return key.asymmetricKeyType === 'ed25519' ? ok(key) : err(`the key is ${key.asymmetricKeyType}, not Ed25519`);
  } catch {
    return err('the key is not a private key in PEM');
  }
}

export function parsePublicKey(raw: string): Result<KeyObject> {
  try {
    return ok(createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw }, format: 'jwk' }));
  } catch {
    return err('the key is not an Ed25519 public key in base64url');
  }
}

/** The public half of a private or public key. */
export function rawPublicKey(key: KeyObject): string {
  const jwk = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return jwk.x as string;
}

export function signBytes(privateKey: KeyObject, bytes: Uint8Array): string {
  return sign(null, bytes, privateKey).toString('base64url');
}

export function signatureHolds(publicKey: KeyObject, bytes: Uint8Array, signature: string): boolean {
  return verify(null, bytes, publicKey, Buffer.from(signature, 'base64url'));
}
