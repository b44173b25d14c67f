/** Parts of a valid join token, for tests. */
import { createUser } from '@nats-io/nkeys';
import { makeEd25519Keys } from './ed25519.ts';
import type { JoinToken } from './join-token.ts';

export function exampleToken(changes: Partial<JoinToken> = {}): JoinToken {
  return {
    v: 1,
    urls: ['tls://hub.example:4222', 'tls://[fd00::1]:4222'],
    caPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    code: Buffer.alloc(32, 7).toString('base64url'),
    cluster: 'west',
    bootstrapJwt: 'eyJh.eyJi.c2ln',
    bootstrapSeed: new TextDecoder().decode(createUser().getSeed()),
    authorityPublicKey: makeEd25519Keys().publicKey,
    exp: 1_900_000_000,
    ...changes,
  };
}
