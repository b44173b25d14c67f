import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { Certificate } from '../identity/certificate-store.ts';
import type { VerifiedPeer } from '../identity/peer.ts';

/** Who opens tunnels: one captured pod. Tunnels of different sources never share a connection. */
export interface TunnelSource {
  /** Tells sources apart. */
  readonly key: string;
  /** The source's certificate of this moment. @throws LandbridgeError `no-certificate` */
  certificate(signal: AbortSignal): Promise<Certificate>;
  /** A socket, not connected, where the source's own connections would begin. */
  socket(family: 'IPv4' | 'IPv6'): Socket;
}

export interface TunnelTarget {
  /** The application's address behind the tunnel. */
  readonly destination: SocketAddress;
  /** Where the tunnel ends. */
  readonly endpoint: SocketAddress;
  /** The only identity that may answer. */
  readonly identity: SpiffeId;
}

/**
 * The dialling half of HBONE. Contract: no byte of the application leaves before the peer has proven `identity`;
 * both directions end apart (half-close); an abort by either side reaches the other as an abort, not as an end.
 */
export interface TunnelClient extends AsyncDisposable {
  /**
   * @throws LandbridgeError `tunnel-dial` (retryable), `tunnel-identity` (the peer is somebody else: final),
   * `tunnel-refused` (the peer answered with a status other than 200)
   */
  open(source: TunnelSource, target: TunnelTarget, signal: AbortSignal): Promise<Duplex>;
}

/** A stream that a verified peer wants to have. Exactly one of `accept` and `refuse` must be called. */
export interface TunnelRequest {
  readonly peer: VerifiedPeer;
  /** The peer's own socket. */
  readonly remote: SocketAddress;
  readonly destination: SocketAddress;
  accept(): Duplex;
  /** `status`: of HTTP. */
  refuse(status: number): void;
}

/** The accepting half, for one identity. */
export interface TunnelServer extends AsyncDisposable {
  /** Serves on a listening socket, which it closes in the end. */
  listen(fd: number): Promise<void>;
  /** Takes over a new certificate for connections from now on. */
  renew(certificate: Certificate): void;
}
