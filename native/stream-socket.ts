/**
 * TCP sockets for data threads: plain numbers in and out, no object for a call. Failures are negative results, and
 * {@link lastErrno} tells why until the next call.
 */
import koffi from 'koffi';
import { errnoOf } from './errno.ts';
import { nativeMemory, viewMemory } from './memory.ts';

const library = koffi.load(null);

const MSG_PEEK = 2;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SHUT_WR = 1;
const SIOCOUTQ = 0x5411;

export const EAGAIN = errnoOf('EAGAIN');
export const EINPROGRESS = errnoOf('EINPROGRESS');
export const ECONNRESET = errnoOf('ECONNRESET');

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const callSocket = library.func('int socket(int domain, int type, int protocol)');
const callRecv = library.func('int recv(int fd, int64_t bytes, int64_t size, int flags)');
const callSend = library.func('int send(int fd, int64_t bytes, int64_t size, int flags)');
const callAccept = library.func('int accept4(int fd, int64_t address, int64_t length, int flags)');
const callConnect = library.func('int connect(int fd, const void *address, int length)');
const callShutdown = library.func('int shutdown(int fd, int how)');
const callClose = library.func('int close(int fd)');
const callSetOption = library.func('int setsockopt(int fd, int level, int name, const void *value, int length)');
const callGetOption = library.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
const callName = { local: library.func('int getsockname(int fd, void *address, void *length)'), peer: library.func('int getpeername(int fd, void *address, void *length)') };
const callIoctl = library.func('int ioctl(int fd, unsigned long request, void *value)');
const errnoLocation = library.func('int64_t __errno_location()');

/** errno of this thread: its place never moves, so that reading costs no call. */
const errno = new Int32Array(viewMemory(errnoLocation() as number, 4));

export const lastErrno = (): number => errno[0] as number;

/** Reads up to `size` bytes to `address`: 0 at the end of the stream, negative for {@link lastErrno}. */
export const receive = (fd: number, address: number, size: number): number => callRecv(fd, address, size, 0) as number;

const peeked = nativeMemory(1);

/** Whether {@link receive} would bring something: bytes, the end or an error. */
export const hasArrived = (fd: number): boolean => (callRecv(fd, peeked.address, 1, MSG_PEEK) as number) >= 0 || lastErrno() !== EAGAIN;

/** Writes what fits into the socket's buffer; negative for {@link lastErrno}. `more`: further bytes follow at once. */
export const send = (fd: number, address: number, size: number, more = false): number => callSend(fd, address, size, more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL) as number;

/** A socket of this thread's network namespace, without delay, to be connected; negative for {@link lastErrno}. */
export function openSocket(family: 'IPv4' | 'IPv6'): number {
  const fd = callSocket(family === 'IPv4' ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number;
  if (fd >= 0) setNoDelay(fd);
  return fd;
}

const accepted = nativeMemory(32);
const acceptedLength = nativeMemory(4);

/** The next connection that waits, not blocking and closed on exec; negative for {@link lastErrno}. */
export function accept(fd: number): number {
  acceptedLength.bytes.writeInt32LE(28);
  return callAccept(fd, accepted.address, acceptedLength.address, SOCK_NONBLOCK | SOCK_CLOEXEC) as number;
}

/** Begins with the sockaddr of the peer of the connection that was accepted last; the next accept writes over it. */
export const acceptedPeer: Buffer = accepted.bytes;

/** `address`: a sockaddr as {@link encodeSocketAddress} makes it. Negative: EINPROGRESS while it goes on. */
export const connect = (fd: number, address: Buffer): number => callConnect(fd, address, address.length) as number;

export const shutdownWrite = (fd: number): number => callShutdown(fd, SHUT_WR) as number;

export const close = (fd: number): number => callClose(fd) as number;

const ON = Buffer.from([1, 0, 0, 0]);
export const setNoDelay = (fd: number): number => callSetOption(fd, IPPROTO_TCP, TCP_NODELAY, ON, 4) as number;

/** struct linger: at {1, 0} whatever closes the last descriptor, the end of the process too, sends RST. */
const LINGER = { reset: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), none: Buffer.alloc(8) };

/**
 * Whether a connection is to be reset when it is closed by nobody's will, so that half a message does not look like a
 * whole one: the kernel sends FIN for a process that is gone (socket(7), SO_LINGER). What is unsent is lost with a reset.
 */
export const setResetOnClose = (fd: number, resets: boolean): number => callSetOption(fd, SOL_SOCKET, SO_LINGER, resets ? LINGER.reset : LINGER.none, 8) as number;

/** Closes a connection by RST. */
export function closeByReset(fd: number): void {
  setResetOnClose(fd, true);
  callClose(fd);
}

const INT_LENGTH = Buffer.from([4, 0, 0, 0]);
const value = Buffer.alloc(4);

/** Bytes that were written and that the peer has not acknowledged (SIOCOUTQ, tcp(7)). */
export const unacknowledged = (fd: number): number => (callIoctl(fd, SIOCOUTQ, value) === 0 ? value.readInt32LE(0) : 0);

/** Takes the error that a connection met (SO_ERROR); 0 for none. */
export function takeError(fd: number): number {
  INT_LENGTH[0] = 4;
  return callGetOption(fd, SOL_SOCKET, SO_ERROR, value, INT_LENGTH) === 0 ? value.readInt32LE(0) : lastErrno();
}

const name = Buffer.alloc(28);
const nameLength = Buffer.alloc(4);

/** The sockaddr of either end, in a buffer that the next call writes over; undefined where the connection is gone. */
export function socketName(fd: number, end: 'local' | 'peer'): Buffer | undefined {
  nameLength.writeInt32LE(name.length);
  return callName[end](fd, name, nameLength) === 0 ? name.subarray(0, nameLength.readInt32LE(0)) : undefined;
}
