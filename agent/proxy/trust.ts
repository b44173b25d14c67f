import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { err, type Result } from '@landbridge/core/result.ts';
import { type TrustBundles, type VerifiedPeer, verifyPeer } from '../identity/peer.ts';

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

/** Who is at the other end of a finished handshake, either side's. */
export function peerOf(socket: TLSSocket, bundles: TrustBundles): Result<VerifiedPeer> {
  if (socket.alpnProtocol !== ALPN) return err('the peer does not speak HTTP/2');
  const leaf = socket.getPeerX509Certificate();
  return leaf === undefined ? err('the peer has no certificate') : verifyPeer(leaf, bundles, Date.now());
}
