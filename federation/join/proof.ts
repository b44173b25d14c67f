/** Proofs that whoever asks holds a cluster's record key. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import Type from 'typebox';
import { parsePrivateKey, signBytes } from './ed25519.ts';

/** An Ed25519 signature in base64url. */
export const ProofSchema = Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' });

/** @throws LandbridgeError `internal` where it is no key */
export function prove(recordPrivateKeyPem: string, bytes: Uint8Array): string {
  const key = parsePrivateKey(recordPrivateKeyPem);
  if (!key.ok) throw new LandbridgeError('internal', `record key: ${key.error}`);
  return signBytes(key.value, bytes);
}
