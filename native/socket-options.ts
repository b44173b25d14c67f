/** What making a socket takes, whatever its type: numbers of socket(7), ip(7) and ipv6(7), and calls that throw. */
import { checkLibc } from './errno.ts';
import { libc } from './libc.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SO_MARK = 36;
const IPV6_V6ONLY = 26;

export const ON = Buffer.from([1, 0, 0, 0]);
const OFF = Buffer.alloc(4);

/** A socket of this thread's network namespace, not blocking; mark 0 for none. @throws SystemCallError */
export function markedSocket(domain: number, type: number, mark: number): number {
  const socket = checkLibc('socket', libc.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) as number;
  // Only who administers the network may mark.
  return mark === 0 ? socket : owned(socket, () => setOption(socket, 'SO_MARK', SOL_SOCKET, SO_MARK, int(mark)));
}

/** Closes the socket where a further step with it fails. */
export function owned(socket: number, step: () => void): number {
  try {
    step();
    return socket;
  } catch (thrown) {
    libc.close(socket);
    throw thrown;
  }
}

export function setOption(socket: number, name: string, level: number, option: number, value: Buffer): void {
  checkLibc(`setsockopt ${name}`, libc.setsockopt(socket, level, option, value, value.length));
}

/** An IPv6 socket takes IPv4 too, as mapped addresses. @throws SystemCallError */
export function takeBothFamilies(socket: number): void {
  setOption(socket, 'IPV6_V6ONLY', IPPROTO_IPV6, IPV6_V6ONLY, OFF);
}

export function bind(socket: number, address: Buffer, what: string): void {
  checkLibc(what, libc.bind(socket, address, address.length));
}

const integer = Buffer.alloc(4);

/** The value of an option, until the next one is made. */
export function int(value: number): Buffer {
  integer.writeUInt32LE(value);
  return integer;
}
