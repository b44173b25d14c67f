import type { X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** Roots by the one trust domain that each of them may vouch for. */
export type TrustBundles = ReadonlyMap<string, readonly X509Certificate[]>;

/** Certificates between leaf and root, both included, at most. */
const MAX_CHAIN = 5;

declare const verified: unique symbol;

/** An identity that a peer has proven. Made by {@link verifyPeer} only. */
export interface VerifiedPeer {
  readonly id: SpiffeId;
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly [verified]: true;
}

/**
 * Verifies that a certificate names exactly one SPIFFE ID and chains to a root of that very trust domain (SPIFFE X.509-SVID,
 * sections 2 and 5). Possession of the key is the handshake's to prove. OpenSSL alone would accept a root of any domain
 * for identities of every other.
 */
export function verifyPeer(leaf: X509Certificate, bundles: TrustBundles, nowMs: number): Result<VerifiedPeer> {
  const names = (leaf.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const [uri] = names;
  if (uri === undefined || names.length > 1) return err(`the peer's certificate has ${names.length} URI names, not one`);
  const identity = parseSpiffeId(uri.slice('URI:'.length));
  if (!identity.ok) return err(`the peer's certificate: ${identity.error}`);
  if (leaf.ca) return err('the peer presented a certificate authority as its own certificate');
  const roots = bundles.get(identity.value.trustDomain);
  if (roots === undefined || roots.length === 0) return err(`no root is known for trust domain ${identity.value.trustDomain}`);
  const chained = chainsTo(leaf, roots, nowMs);
  if (!chained.ok) return err(`${identity.value.id}: ${chained.error}`);
  const { id, trustDomain, namespace, serviceAccount } = identity.value;
  return ok({ id, trustDomain, namespace, serviceAccount } as VerifiedPeer);
}

function chainsTo(leaf: X509Certificate, roots: readonly X509Certificate[], nowMs: number): Result<true> {
  let certificate = leaf;
  for (let depth = 1; depth <= MAX_CHAIN; depth++) {
    if (nowMs < Date.parse(certificate.validFrom) || nowMs > Date.parse(certificate.validTo)) return err(`a certificate is valid only from ${certificate.validFrom} to ${certificate.validTo}`);
    const child = certificate;
    if (roots.some((root) => isIssuer(root, child) && nowMs <= Date.parse(root.validTo))) return ok(true);
    const issuer = certificate.issuerCertificate;
    if (issuer === undefined || issuer.fingerprint256 === certificate.fingerprint256 || !isIssuer(issuer, certificate)) break;
    certificate = issuer;
  }
  return err('the certificate does not chain to a root of its trust domain');
}

function isIssuer(issuer: X509Certificate, child: X509Certificate): boolean {
  return issuer.ca && child.checkIssued(issuer) && child.verify(issuer.publicKey);
}
