import type { X509Certificate } from 'node:crypto';
import type { TrustBundles } from '../identity/peer.ts';

/** TLS 1.3 only, HTTP/2 only: what HBONE asks for. */
export const TLS_VERSION = 'TLSv1.3';
export const ALPN = 'h2';

/**
 * The roots of all trust domains, as OpenSSL's trusted set. It proves only that some root vouches for the peer;
 * verifyPeer() then demands a root of the very domain that the peer names.
 */
export function allRoots(bundles: TrustBundles): string[] {
  return [...new Set([...bundles.values()].flat().map((root: X509Certificate) => root.toString()))];
}
