import type { X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** Roots by the one trust domain that each of them may vouch for. */
export type TrustBundles = ReadonlyMap<string, readonly X509Certificate[]>;

/** Certificates from a leaf to the one below a root, both included, at most. */
const MAX_CHAIN = 5;
/** Signatures that are looked at for one peer: it chooses what it sends along, and an authority may have several certificates. */
const MAX_SIGNATURES = 32;

declare const verified: unique symbol;

/** An identity that a peer has proven. Made by {@link verifyChain} only. */
export interface VerifiedPeer {
  readonly id: SpiffeId;
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly [verified]: true;
}

/** Why a certificate is not accepted: `trust-domain` where its domain's roots do not vouch for it. */
export interface PeerFault {
  readonly reason: 'identity' | 'trust-domain' | 'tls-certificate-expired';
  readonly text: string;
}

const fault = (reason: PeerFault['reason'], text: string): Result<never, PeerFault> => err({ reason, text });

/**
 * Verifies that a certificate, the first of the chain, names exactly one SPIFFE ID and chains to a root of that very
 * trust domain (SPIFFE X.509-SVID, sections 2 and 5). Possession of the key is the handshake's to prove. OpenSSL alone
 * would accept a root of any domain for identities of every other.
 */
export function verifyChain(chain: readonly X509Certificate[], bundles: TrustBundles, nowMs: number): Result<VerifiedPeer, PeerFault> {
  const [leaf, ...others] = chain;
  if (leaf === undefined) return fault('identity', 'the peer has no certificate');
  const names = (leaf.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const [uri] = names;
  if (uri === undefined || names.length > 1) return fault('identity', `the peer's certificate has ${names.length} URI names, not one`);
  const identity = parseSpiffeId(uri.slice('URI:'.length));
  if (!identity.ok) return fault('identity', `the peer's certificate: ${identity.error}`);
  if (leaf.ca) return fault('identity', 'the peer presented a certificate authority as its own certificate');
  const roots = bundles.get(identity.value.trustDomain);
  if (roots === undefined || roots.length === 0) return fault('trust-domain', `no root is known for trust domain ${identity.value.trustDomain}`);
  const chained = chainsTo(leaf, others, roots, nowMs);
  if (!chained.ok) return fault(chained.error.reason, `${identity.value.id}: ${chained.error.text}`);
  const { id, trustDomain, namespace, serviceAccount } = identity.value;
  return ok({ id, trustDomain, namespace, serviceAccount } as VerifiedPeer);
}

/** Looks at every way that there is: of an authority that was certified twice, only one certificate may lead to a root that is known. */
function chainsTo(leaf: X509Certificate, others: readonly X509Certificate[], roots: readonly X509Certificate[], nowMs: number): Result<true, PeerFault> {
  let signatures = 0;
  let outOfTime: X509Certificate | undefined;
  const isIssuer = (issuer: X509Certificate, child: X509Certificate): boolean => issuer.ca && child.checkIssued(issuer) && signatures++ < MAX_SIGNATURES && child.verify(issuer.publicKey);
  const leads = (certificate: X509Certificate, below: readonly X509Certificate[]): boolean => {
    if (nowMs < Date.parse(certificate.validFrom) || nowMs > Date.parse(certificate.validTo)) {
      outOfTime ??= certificate;
      return false;
    }
    if (roots.some((root) => nowMs <= Date.parse(root.validTo) && isIssuer(root, certificate))) return true;
    const path = [...below, certificate];
    return path.length < MAX_CHAIN && others.some((other) => !path.some(({ fingerprint256 }) => fingerprint256 === other.fingerprint256) && isIssuer(other, certificate) && leads(other, path));
  };
  if (leads(leaf, [])) return ok(true);
  if (outOfTime !== undefined) return fault('tls-certificate-expired', `a certificate is valid only from ${outOfTime.validFrom} to ${outOfTime.validTo}`);
  return fault('trust-domain', 'the certificate does not chain to a root of its trust domain');
}
