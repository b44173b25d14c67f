import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Lifetime } from './renewal.ts';

/** Looks at the first certificate of a chain that an authority gave: that it is what was asked for, before connections depend on it. */
export function readIssuedLeaf(chainPem: string, identity: SpiffeId, keyPem: string, nowMs: number): Result<Lifetime> {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(chainPem);
  } catch {
    return err('it is no certificate');
  }
  if (leaf.subjectAltName !== `URI:${identity}`) return err('it names somebody else');
  if (!leaf.checkPrivateKey(createPrivateKey(keyPem))) return err('it is for another key');
  const notAfterMs = Date.parse(leaf.validTo);
  if (notAfterMs <= nowMs) return err(`it ended at ${leaf.validTo}`);
  return ok({ notBeforeMs: Date.parse(leaf.validFrom), notAfterMs });
}
