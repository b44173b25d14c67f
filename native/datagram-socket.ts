/** UDP sockets inside of network namespaces, and datagrams from an address of one's choice, which Node.js can not send. */
import koffi from 'koffi';
import { checkLibc } from './errno.ts';
import { FileDescriptor } from './libc.ts';
import { atFreeHost, type Families, loopbackAddress } from './loopback-hosts.ts';
import { addressOf, nativeMemory } from './memory.ts';
import { inNetworkNamespace } from './network-namespace.ts';
import { encodeIpv6Address, encodeMappedAddress, isMappedIpv4 } from './socket-address.ts';
import { AF_INET, AF_INET6, bind, IPPROTO_IP, IPPROTO_IPV6, markedSocket, owned, SOCK_DGRAM, takeBothFamilies } from './socket-options.ts';

const library = koffi.load(null);
const callSend = library.func('int64_t sendmsg(int fd, int64_t message, int flags)');
const callSendTo = library.func('int64_t send(int fd, int64_t bytes, size_t size, int flags)');
const callConnect = library.func('int connect(int fd, const void *address, uint32_t length)');

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const IP_PKTINFO = 8;
const IPV6_PKTINFO = 50;

export interface DatagramSocketOptions {
  /** Of the first socket; the others have those that follow. */
  readonly firstPort: number;
  readonly count: number;
  readonly families: Families;
  /** SO_MARK. */
  readonly mark: number;
}

/** Makes UDP sockets on the loopback interface of a network namespace, all at the first address where no port is taken. @throws SystemCallError `EADDRINUSE` where there is none */
export function datagramSocketsOnLoopback(namespace: number, { firstPort, count, families, mark }: DatagramSocketOptions): FileDescriptor[] {
  const bindAt = (host: number): FileDescriptor[] => {
    const sockets: FileDescriptor[] = [];
    try {
      for (let port = firstPort; port < firstPort + count; port++) {
        const socket = new FileDescriptor(markedSocket(families === 'both' ? AF_INET6 : AF_INET, SOCK_DGRAM, mark));
        sockets.push(socket);
        if (families === 'both') takeBothFamilies(socket.number);
        bind(socket.number, loopbackAddress(host, port, families), `bind 127.0.0.${host}:${port}`);
      }
      return sockets;
    } catch (thrown) {
      for (const socket of sockets) socket[Symbol.dispose]();
      throw thrown;
    }
  };
  return inNetworkNamespace(namespace, () => atFreeHost(bindAt));
}

/** Makes a UDP socket inside a network namespace that is connected to a peer: it takes datagrams from nobody else, and has a port that the kernel chose. `ip`: 16 bytes. @throws SystemCallError */
export function datagramSocketTo(namespace: number, ip: Uint8Array, port: number, mark: number): number {
  const socket = inNetworkNamespace(namespace, () => markedSocket(isMappedIpv4(ip) ? AF_INET : AF_INET6, SOCK_DGRAM, mark));
  const address = encodeMappedAddress(ip, port);
  return owned(socket, () => void checkLibc('connect', callConnect(socket, address, address.length) as number));
}

/** struct msghdr and struct iovec (recvmsg(2)), on machines of 64 bits. */
const MESSAGE_BYTES = 56;
const VECTOR_BYTES = 16;
/** struct cmsghdr, and a struct in6_pktinfo, padded. */
const CONTROL_HEADER_BYTES = 16;
const CONTROL_BYTES = CONTROL_HEADER_BYTES + 24;
const MAX_ADDRESS_BYTES = 28;

/** One call at a time: what it is made of stays where it is. */
const memory = nativeMemory(MESSAGE_BYTES + VECTOR_BYTES + CONTROL_BYTES + MAX_ADDRESS_BYTES);
const [vectorAt, controlAt, addressAt] = [MESSAGE_BYTES, MESSAGE_BYTES + VECTOR_BYTES, MESSAGE_BYTES + VECTOR_BYTES + CONTROL_BYTES];
memory.bytes.fill(0);
memory.bytes.writeBigUInt64LE(BigInt(memory.address + addressAt), 0);
memory.bytes.writeBigUInt64LE(BigInt(memory.address + vectorAt), 16);
memory.bytes.writeBigUInt64LE(1n, 24);
memory.bytes.writeBigUInt64LE(BigInt(memory.address + controlAt), 32);

/**
 * Sends a datagram as from an address of the socket's namespace, whatever the socket is bound to; its port is the
 * socket's. Addresses are 16 bytes. `isDual`: whether the socket takes both families. Returns whether the kernel took
 * it: it is lost otherwise, as a datagram may be.
 */
export function sendDatagram(fd: number, payload: Uint8Array, { from, to, port, isDual }: { readonly from: Uint8Array; readonly to: Uint8Array; readonly port: number; readonly isDual: boolean }): boolean {
  const { bytes } = memory;
  const address = isDual ? encodeIpv6Address(to, port) : encodeMappedAddress(to, port);
  bytes.set(address, addressAt);
  bytes.writeUInt32LE(address.length, 8);
  bytes.writeBigUInt64LE(BigInt(addressOf(payload)), vectorAt);
  bytes.writeBigUInt64LE(BigInt(payload.length), vectorAt + 8);
  bytes.writeBigUInt64LE(BigInt(writeSource(from)), 40);
  return (callSend(fd, memory.address, MSG_DONTWAIT | MSG_NOSIGNAL) as number) === payload.length;
}

/** struct in_pktinfo or in6_pktinfo in its struct cmsghdr; returns the length of both, padded. */
function writeSource(from: Uint8Array): number {
  const { bytes } = memory;
  const isIpv4 = isMappedIpv4(from);
  const data = controlAt + CONTROL_HEADER_BYTES;
  bytes.fill(0, controlAt, addressAt);
  bytes.writeBigUInt64LE(BigInt(CONTROL_HEADER_BYTES + (isIpv4 ? 12 : 20)), controlAt);
  bytes.writeInt32LE(isIpv4 ? IPPROTO_IP : IPPROTO_IPV6, controlAt + 8);
  bytes.writeInt32LE(isIpv4 ? IP_PKTINFO : IPV6_PKTINFO, controlAt + 12);
  // ipi_spec_dst is behind the index of an interface, ipi6_addr before it; 0 is none.
  if (isIpv4) bytes.set(from.subarray(12, 16), data + 4);
  else bytes.set(from.subarray(0, 16), data);
  return CONTROL_HEADER_BYTES + (isIpv4 ? 16 : 24);
}

/** Sends a datagram to the peer that the socket is connected to; whether the kernel took it. */
export const sendToPeer = (fd: number, payload: Uint8Array): boolean => (callSendTo(fd, addressOf(payload), payload.length, MSG_DONTWAIT | MSG_NOSIGNAL) as number) === payload.length;
