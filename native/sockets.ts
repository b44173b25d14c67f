import { checkLibc } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';
import { inNetworkNamespace } from './network-namespace.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_NETNS_COOKIE = 71;
const LOOPBACK = [127, 0, 0, 1];

/** Makes a TCP listener on 127.0.0.1 inside a network namespace. @throws SystemCallError */
export function listenOnLoopback(namespace: FileDescriptor, port: number, backlog: number): FileDescriptor {
  return inNetworkNamespace(namespace, () => {
    const socket = tcpSocket(AF_INET);
    try {
      const on = Buffer.from([1, 0, 0, 0]);
      checkLibc('setsockopt SO_REUSEADDR', libc.setsockopt(socket.number, SOL_SOCKET, SO_REUSEADDR, on, on.length));
      const address = Buffer.alloc(16);
      address.writeUInt16LE(AF_INET, 0);
      address.writeUInt16BE(port, 2);
      address.set(LOOPBACK, 4);
      checkLibc(`bind 127.0.0.1:${port}`, libc.bind(socket.number, address, address.length));
      checkLibc('listen', libc.listen(socket.number, backlog));
      return socket;
    } catch (thrown) {
      socket[Symbol.dispose]();
      throw thrown;
    }
  });
}

/** Makes a TCP socket inside a network namespace, to be connected by its owner. @throws SystemCallError */
export function tcpSocketIn(namespace: FileDescriptor, family: 'IPv4' | 'IPv6'): FileDescriptor {
  return inNetworkNamespace(namespace, () => tcpSocket(family === 'IPv4' ? AF_INET : AF_INET6));
}

/** The kernel's number for a network namespace, never used twice (SO_NETNS_COOKIE, Linux 5.14). @throws SystemCallError */
export function networkNamespaceCookie(namespace: FileDescriptor): bigint {
  using socket = tcpSocketIn(namespace, 'IPv4');
  const value = Buffer.alloc(8);
  checkLibc('getsockopt SO_NETNS_COOKIE', libc.getsockopt(socket.number, SOL_SOCKET, SO_NETNS_COOKIE, value, [value.length]));
  return value.readBigUInt64LE();
}

function tcpSocket(domain: number): FileDescriptor {
  return new FileDescriptor(checkLibc('socket', libc.socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
}
