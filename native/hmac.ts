import { LandbridgeError } from '@landbridge/core/errors.ts';
import { nativeMemory } from './memory.ts';
import { digests, mac } from './openssl.ts';

const METHODS = { sha256: digests.sha256, sha384: digests.sha384 } as const;
const MAX_DIGEST_BYTES = 64;
const digest = nativeMemory(MAX_DIGEST_BYTES);
const digestSize = nativeMemory(8);

/**
 * The first bytes of HMAC(key, message) (RFC 2104), as many as fill `into`. By OpenSSL itself, as `createHmac` makes objects
 * for the collector of garbage that take ten times as long as the digest. @throws LandbridgeError `internal`
 */
export function hmacInto(into: Buffer, hash: 'sha256' | 'sha384', key: Buffer, message: Buffer): void {
  const isDone = mac.hmac(METHODS[hash](), key, key.length, message, message.length, digest.address, digestSize.address) !== 0;
  if (!isDone || into.length > digestSize.bytes.readUInt32LE(0)) throw new LandbridgeError('internal', 'OpenSSL made no HMAC');
  digest.bytes.copy(into, 0, 0, into.length);
  digest.bytes.fill(0);
}
