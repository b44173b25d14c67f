import type { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type AuthorityCertificate, parseAuthorityCertificate } from '../authority-certificate.ts';
import { type ChainDemand, findChain } from '../issuing-chain.ts';
import { parsePemCertificates } from '../pem-certificates.ts';

/** What a signer elsewhere gave. */
export interface IssuedChain {
  readonly leaf: X509Certificate;
  /** What stands between the leaf and a root, its issuer first. */
  readonly intermediates: readonly X509Certificate[];
  /** When the first authority on the way ends. */
  readonly authoritiesEndMs: number;
}

/**
 * Reads what a signer wrote into the object: the leaf first, then whatever of the way to a root it tells, the root itself
 * perhaps among it. Each authority on the way is looked at like one that is plugged in; the leaf is the caller's to look at.
 */
export function readIssuedChain(pem: string, roots: readonly AuthorityCertificate[], demand: ChainDemand): Result<IssuedChain> {
  const certificates = parsePemCertificates(pem);
  if (!certificates.ok) return certificates;
  const [leaf, ...rest] = certificates.value;
  if (leaf === undefined) return err('there is no certificate');
  const others: AuthorityCertificate[] = [];
  for (const { raw } of rest) {
    const authority = parseAuthorityCertificate(raw);
    if (!authority.ok) return authority;
    others.push(authority.value);
  }
  const issuing = [...roots, ...others].find(({ x509 }) => leaf.checkIssued(x509) && leaf.verify(x509.publicKey));
  if (issuing === undefined) return err('none of the roots has signed it, nor any authority that came with it');
  const found = findChain(issuing, others, roots, demand);
  if (!found.ok) return found;
  return ok({ leaf, intermediates: found.value.intermediates.map(({ x509 }) => x509), authoritiesEndMs: found.value.notAfterMs });
}
