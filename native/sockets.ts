import { checkLibc } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { LOOPBACK_INDEX } from './network-interfaces.ts';
import { inNetworkNamespace } from './network-namespace.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { isIpv4, parseIp } from '@landbridge/core/ip-address.ts';
import { atFreeHost, type Families, loopbackAddress } from './loopback-hosts.ts';
import { encodeMappedAddress, isMappedIpv4, mappedBytes, portOf } from './socket-address.ts';
import { AF_INET, AF_INET6, bind, int, IPPROTO_IP, IPPROTO_IPV6, markedSocket, ON, owned, setOption, SOCK_STREAM, SOL_SOCKET, takeBothFamilies } from './socket-options.ts';
import { socketName } from './stream-socket.ts';

const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const SO_COOKIE = 57;
const SO_BINDTOIFINDEX = 62;
const SO_NETNS_COOKIE = 71;
const IP_TRANSPARENT = 19;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const IPV6_TRANSPARENT = 75;

export interface ListenerOptions {
  readonly port: number;
  /** Of connections that they may be handed. They are bound to IPv4 either way. */
  readonly families: Families;
  /** Connections that wait in each socket; further ones are refused by the kernel. */
  readonly backlog: number;
  /** SO_MARK of the sockets. Accepted ones keep it, whatever marks of arriving packets they may take otherwise. */
  readonly mark: number;
  /** Sockets that share the port, to which the kernel spreads connections (SO_REUSEPORT). */
  readonly count: number;
}

/**
 * Makes TCP listeners on the loopback interface of a network namespace, at the first address where the port is free: they
 * share it with each other and nobody else. Whoever has the same user id can join a shared port, so the first socket
 * must find it free.
 * @throws SystemCallError `EADDRINUSE` where it is free nowhere
 */
export function listenOnLoopback(namespace: number, options: ListenerOptions): FileDescriptor[] {
  return inNetworkNamespace(namespace, () => atFreeHost((host) => listenAt(host, options)));
}

/** As {@link listenOnLoopback}, at 127.0.0.HOST of this thread's network namespace. */
function listenAt(host: number, { port, families, backlog, mark, count }: ListenerOptions): FileDescriptor[] {
  const address = loopbackAddress(host, port, families);
  const sockets: FileDescriptor[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const socket = new FileDescriptor(tcpSocket(families === 'both' ? AF_INET6 : AF_INET, mark));
      sockets.push(socket);
      if (families === 'both') takeBothFamilies(socket.number);
      if (i > 0) setOption(socket.number, 'SO_REUSEPORT', SOL_SOCKET, SO_REUSEPORT, ON);
      bind(socket.number, address, `bind 127.0.0.${host}:${port}`);
      if (i === 0) setOption(socket.number, 'SO_REUSEPORT', SOL_SOCKET, SO_REUSEPORT, ON);
      // Accepted connections have it from here: they must not keep an application from binding the port that they came to. Before bind() it would let two bind before either listens.
      setOption(socket.number, 'SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, ON);
    }
    for (const socket of sockets) checkLibc('listen', libc.listen(socket.number, backlog));
    return sockets;
  } catch (thrown) {
    for (const socket of sockets) socket[Symbol.dispose]();
    throw thrown;
  }
}

/** Makes listeners at an address of this thread's network namespace that share a port (SO_REUSEPORT); port 0 for a free one. @throws SystemCallError */
export function listenHere(ip: string, port: number, backlog: number, count: number): number[] {
  const parsed = parseIp(ip);
  if (!parsed.ok) throw new LandbridgeError('bad-address', parsed.error);
  const sockets: number[] = [];
  let shared = port;
  for (let i = 0; i < count; i++) {
    const socket = tcpSocket(isIpv4(parsed.value) ? AF_INET : AF_INET6, 0);
    sockets.push(socket);
    setOption(socket, 'SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, ON);
    setOption(socket, 'SO_REUSEPORT', SOL_SOCKET, SO_REUSEPORT, ON);
    bind(socket, encodeMappedAddress(mappedBytes(parsed.value), shared), `bind ${ip}:${shared}`);
    if (shared === 0) shared = portOf(socketName(socket, 'local') ?? Buffer.alloc(0));
    checkLibc('listen', libc.listen(socket, backlog));
  }
  return sockets;
}

/** Makes a TCP socket inside a network namespace, marked and without delay, to be connected by its owner. @throws SystemCallError */
export function tcpSocketIn(namespace: number, family: 'IPv4' | 'IPv6', mark: number): number {
  const socket = inNetworkNamespace(namespace, () => tcpSocket(family === 'IPv4' ? AF_INET : AF_INET6, mark));
  return owned(socket, () => setOption(socket, 'TCP_NODELAY', IPPROTO_TCP, TCP_NODELAY, ON));
}

/**
 * Makes a TCP socket that is bound to an address which the namespace does not have, and to a port, so that who is
 * dialled sees that address. `source` as {@link encodeMappedAddress} takes it. Bound to the loopback interface too:
 * what it sends and what answers it never leaves the namespace. A port that is asked for may be that of connections to
 * elsewhere, and of ended ones; connect(2) tells where it is not free for this one. With port 0 the kernel takes one
 * that nobody has.
 * @throws SystemCallError
 */
export function foreignSocketIn(namespace: number, source: Uint8Array, mark: number, port = 0): number {
  const isIpv4 = isMappedIpv4(source);
  const socket = tcpSocketIn(namespace, isIpv4 ? 'IPv4' : 'IPv6', mark);
  return owned(socket, () => {
    // Does all that IP_FREEBIND does, and lets answers to the address arrive.
    if (isIpv4) setOption(socket, 'IP_TRANSPARENT', IPPROTO_IP, IP_TRANSPARENT, ON);
    else setOption(socket, 'IPV6_TRANSPARENT', IPPROTO_IPV6, IPV6_TRANSPARENT, ON);
    setOption(socket, 'SO_BINDTOIFINDEX', SOL_SOCKET, SO_BINDTOIFINDEX, int(LOOPBACK_INDEX));
    if (port !== 0) setOption(socket, 'SO_REUSEADDR', SOL_SOCKET, SO_REUSEADDR, ON);
    bind(socket, encodeMappedAddress(source, port), 'bind to a foreign address');
  });
}

/** The kernel's number for a network namespace, never used twice (SO_NETNS_COOKIE, Linux 5.14). @throws SystemCallError */
export function networkNamespaceCookie(namespace: number): bigint {
  using socket = new FileDescriptor(tcpSocketIn(namespace, 'IPv4', 0));
  return cookie(socket.number, 'SO_NETNS_COOKIE', SO_NETNS_COOKIE);
}

/** The kernel's number for a socket, never used twice (SO_COOKIE, Linux 4.12). @throws SystemCallError */
export const socketCookie = (socket: number): bigint => cookie(socket, 'SO_COOKIE', SO_COOKIE);

function cookie(socket: number, name: string, option: number): bigint {
  const value = Buffer.alloc(8);
  checkLibc(`getsockopt ${name}`, libc.getsockopt(socket, SOL_SOCKET, option, value, [value.length]));
  return value.readBigUInt64LE();
}

const tcpSocket = (domain: number, mark: number): number => markedSocket(domain, SOCK_STREAM, mark);
