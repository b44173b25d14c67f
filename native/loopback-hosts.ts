import { SystemCallError } from './errno.ts';
import { encodeIpv6Address, encodeMappedAddress } from './socket-address.ts';

/** Of what a socket may be handed. It is bound to IPv4 either way. */
export type Families = 'IPv4' | 'both';

/** Addresses 127.0.0.1 and following: as many may hold one port without sharing it. */
const LOOPBACK_HOSTS = 8;

/** 127.0.0 as ::ffff:127.0.0. */
const LOOPBACK = Buffer.from('00000000000000000000ffff7f0000', 'hex');

/** The sockaddr of 127.0.0.HOST, for sockets of one family or both. */
export function loopbackAddress(host: number, port: number, families: Families): Buffer {
  const ip = Buffer.from([...LOOPBACK, host]);
  return families === 'both' ? encodeIpv6Address(ip, port) : encodeMappedAddress(ip, port);
}

/** Tries one host after the other until ports are free there. @throws SystemCallError `EADDRINUSE` where they are free nowhere */
export function atFreeHost<T>(bindAt: (host: number) => T): T {
  for (let host = 1; ; host++) {
    try {
      return bindAt(host);
    } catch (thrown) {
      if (host === LOOPBACK_HOSTS || !(thrown instanceof SystemCallError) || thrown.errno !== 'EADDRINUSE') throw thrown;
    }
  }
}
