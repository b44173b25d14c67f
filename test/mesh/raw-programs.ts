/** Programs of Python that speak with the network as few applications do: as command lines that run in pods. */

const program = (script: string): readonly string[] => ['/usr/bin/python3', '-c', script];

/** Connects in a way that Node.js has no words for, by a socket with a mark (SO_MARK), and writes what the peer said, or the name of the error. */
export function oddCaller(how: 'tcp' | 'mptcp' | 'fast-open', host: string, port: number, mark = 0): readonly string[] {
  const family = host.includes(':') ? 'AF_INET6' : 'AF_INET';
  const connect = how === 'fast-open' ? `s.sendto(b'x', socket.MSG_FASTOPEN, (${JSON.stringify(host)}, ${port}))` : `s.connect((${JSON.stringify(host)}, ${port}))`;
  return program(`
import errno, socket, struct
s = socket.socket(socket.${family}, socket.SOCK_STREAM, ${how === 'mptcp' ? 262 : 0})
for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
    s.setsockopt(socket.SOL_SOCKET, option, struct.pack('ll', 1, 0))
if ${mark}:
    s.setsockopt(socket.SOL_SOCKET, 36, ${mark})
try:
    ${connect}
    print(s.recv(1000).decode())
except OSError as e:
    print('TIMEOUT' if e.errno in (errno.EAGAIN, errno.EINPROGRESS, errno.ETIMEDOUT) else errno.errorcode.get(e.errno, str(e)))
`);
}

/** Connects by a socket that was made in another network namespace, as one that was passed on (unix(7), SCM_RIGHTS), and writes what the peer said, or the name of the error. */
export function strangerCaller(namespacePath: string, host: string, port: number): readonly string[] {
  return program(`
import ctypes, errno, os, socket, struct
libc, home = ctypes.CDLL(None), os.open('/proc/self/ns/net', os.O_RDONLY)
def enter(namespace):
    if libc.setns(namespace, 0x40000000): raise OSError('setns')
enter(os.open(${JSON.stringify(namespacePath)}, os.O_RDONLY))
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
enter(home)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 1, 0))
try:
    s.connect((${JSON.stringify(host)}, ${port}))
    print(s.recv(1000).decode())
except OSError as e:
    print(errno.errorcode.get(e.errno, str(e)))
`);
}

/**
 * Makes a socket, and connects another one, which says `x`. Once the file `go` is there it connects the first one, says
 * `y` by the other, and writes what each was told since. Ready when the other one was answered.
 */
export function earlyCaller(host: string, port: number, go: string): readonly string[] {
  return program(`
import os, socket, time
early, other = (socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(2))
other.connect((${JSON.stringify(host)}, ${port}))
other.send(b'x')
other.recv(1)
print('ready', flush=True)
while not os.path.exists(${JSON.stringify(go)}): time.sleep(0.01)
early.connect((${JSON.stringify(host)}, ${port}))
other.send(b'y')
print(early.recv(1000).decode(), flush=True)
print(other.recv(1).decode(), flush=True)
`);
}

/** Connects one socket to a first place and, dissolved from it (connect(2), AF_UNSPEC), to a second one, and writes what the peers said. */
export function twiceCaller(first: readonly [host: string, port: number], second: readonly [host: string, port: number]): readonly string[] {
  return program(`
import ctypes, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
said = []
for host, port in ((${JSON.stringify(first[0])}, ${first[1]}), (${JSON.stringify(second[0])}, ${second[1]})):
    s.connect((host, port))
    said.append(s.recv(1000).decode())
    if ctypes.CDLL(None).connect(s.fileno(), struct.pack('H14x', socket.AF_UNSPEC), 16): raise OSError('not dissolved')
print(', '.join(said))
`);
}

/** How {@link ender} and {@link enderCaller} end a connection: who is first, and whether the other one is waited for. */
export type Ending = 'client-first' | 'client-leaves' | 'server-first' | 'server-resets';

/** Answers 100 bytes, which name the ending, with 500, and ends so. Ready when it listens. */
export function ender(port: number): readonly string[] {
  return program(`
import socket, struct, threading, time
def serve(c):
    how = c.recv(100, socket.MSG_WAITALL).split()[0].decode()
    c.sendall(b'r' * 500)
    if how == 'server-resets':
        time.sleep(0.1)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    elif how == 'server-first':
        c.shutdown(socket.SHUT_WR)
    if how != 'server-resets':
        while c.recv(1000): pass
        if how == 'client-leaves': time.sleep(0.1)
    c.close()
s = socket.create_server(('0.0.0.0', ${port}))
print('ready', flush=True)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`);
}

/** Calls an {@link ender} with each ending and writes `done`. */
export function enderCaller(host: string, port: number, endings: readonly Ending[]): readonly string[] {
  return program(`
import socket
for how in ${JSON.stringify(endings)}:
    s = socket.create_connection((${JSON.stringify(host)}, ${port}))
    s.sendall(how.encode().ljust(100))
    s.recv(500, socket.MSG_WAITALL)
    if how == 'client-first': s.shutdown(socket.SHUT_WR)
    if how != 'client-leaves':
        try:
            s.recv(1)
        except ConnectionResetError:
            pass
    s.close()
print('done')
`);
}

/** How a connection may be begun. */
export const BEGINNINGS = ['tcp', 'non-blocking', 'fast-open', 'fast-open-connect', 'mptcp', 'v6only', 'bound-address', 'bound-loopback', 'bound-port', 'reused-port', 'bind-without-port', 'bound-device', 'reconnect'] as const;

export interface Beginning {
  readonly how: (typeof BEGINNINGS)[number];
  readonly host: string;
  readonly port: number;
  /** What sockets are bound to that are bound to an address, or where `reconnect` goes first. */
  readonly source: string;
}

/**
 * Begins connections one after the other, sends `x` on each, and writes a line for each: `own address > peer's address
 * port what the peer said`, or the name of the error. `firstPort`: of those that sockets are bound to.
 */
export function beginner(beginnings: readonly Beginning[], firstPort = 20_000): readonly string[] {
  return program(`
import ctypes, errno, json, select, socket, struct
def begin(at, how, host, port, source):
    peer = (host, port)
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_STREAM, 262 if how == 'mptcp' else 0)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        s.setsockopt(socket.SOL_SOCKET, option, struct.pack('ll', 1, 0))
    if how == 'v6only':
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if how == 'reused-port':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if how == 'bind-without-port':
        s.setsockopt(socket.IPPROTO_IP, 24, 1) # IP_BIND_ADDRESS_NO_PORT
    if how == 'bound-device':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
    if how == 'fast-open-connect':
        s.setsockopt(socket.IPPROTO_TCP, 30, 1) # TCP_FASTOPEN_CONNECT
    if how in ('bound-address', 'bound-loopback', 'bind-without-port'):
        s.bind((source, 0))
    if how in ('bound-port', 'reused-port'):
        s.bind(('', ${firstPort} + at))
    if how == 'reconnect':
        # To another place before: what that was must not be told afterwards.
        s.connect_ex((source, 9))
        if ctypes.CDLL(None, use_errno=True).connect(s.fileno(), struct.pack('=H14x', socket.AF_UNSPEC), 16) != 0:
            raise OSError(ctypes.get_errno(), 'disconnect')
    if how == 'fast-open':
        s.sendto(b'x', socket.MSG_FASTOPEN, peer)
    elif how == 'non-blocking':
        s.setblocking(False)
        error = s.connect_ex(peer)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, 'connect')
        if not select.select([], [s], [], 1)[1]:
            raise OSError(errno.ETIMEDOUT, 'connect')
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, 'connect')
        s.setblocking(True)
        s.send(b'x')
    else:
        s.connect(peer)
        s.send(b'x')
    said = s.recv(1000)
    own, other = s.getsockname(), s.getpeername()
    s.close()
    return '%s > %s %d %s' % (own[0], other[0], other[1], said.decode())
for at, each in enumerate(json.loads(${JSON.stringify(JSON.stringify(beginnings))})):
    try:
        print(begin(at, **each))
    except OSError as e:
        print('TIMEOUT' if e.errno in (errno.EAGAIN, errno.EINPROGRESS, errno.ETIMEDOUT) else errno.errorcode.get(e.errno, str(e)))
`);
}

interface RawTarget {
  /** Who is said to send. */
  readonly source: string;
  readonly sourcePort?: number;
  readonly host: string;
  readonly port: number;
}

/** Makes `s`, a raw socket, and `segment`, which begins a connection, and `send`. */
const rawSynOf = ({ source, sourcePort = 40000, host, port }: RawTarget): string => `
import socket, struct
def total(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
src, dst = socket.inet_aton(${JSON.stringify(source)}), socket.inet_aton(${JSON.stringify(host)})
def tcp(check): return struct.pack('!HHIIBBHHH', ${sourcePort}, ${port}, 1, 0, 5 << 4, 2, 1024, check, 0)
segment = tcp(total(src + dst + struct.pack('!BBH', 0, 6, 20) + tcp(0)))
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def send(part, flags):
    s.sendto(struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(part), 7, flags, 64, 6, 0, src, dst) + part, (${JSON.stringify(host)}, 0))
`;

/** Begins a connection by a packet that it makes itself, whole or in fragments that hide what it is, and writes `sent`. */
export function rawSyn(target: RawTarget, shape: 'whole' | 'fragments' = 'whole'): readonly string[] {
  return program(`${rawSynOf(target)}
for part, flags in ${shape === 'whole' ? '[(segment, 0)]' : '[(segment[:8], 0x2000), (segment[8:], 1)]'}:
    try:
        send(part, flags)
    except OSError:
        pass
print('sent')
`);
}

/** As {@link rawSyn}, over and over until it is stopped. Ready when the first packet is sent. */
export function rawSynFlood(target: RawTarget): readonly string[] {
  return program(`${rawSynOf(target)}
send(segment, 0)
print('ready', flush=True)
while True:
    send(segment, 0)
`);
}

/**
 * Connects `count` times, one after the other and always from the same port, so that each connection has the tuple of
 * the one before; writes how many were answered with something that begins with `app`.
 */
export function samePortCaller(source: string, sourcePort: number, host: string, port: number, count: number): readonly string[] {
  return program(`
import socket, struct
answered = 0
for _ in range(${count}):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Closed by RST: nothing of it is left that the next one could meet.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.settimeout(1)
    try:
        s.bind((${JSON.stringify(source)}, ${sourcePort}))
        s.connect((${JSON.stringify(host)}, ${port}))
        answered += s.recv(1000).startswith(b'app')
    except OSError:
        pass
    s.close()
print(answered)
`);
}

/** As {@link rawSyn} by IPv6 and from port 40000, behind headers that hide it: destination options (RFC 8200, section 4.6), or a fragment that is not the first. Writes `sent`. */
export function rawSyn6(source: string, host: string, port: number, shape: 'options' | 'later-fragment'): readonly string[] {
  return program(`
import socket, struct
src, dst = (socket.inet_pton(socket.AF_INET6, a) for a in (${JSON.stringify(source)}, ${JSON.stringify(host)}))
segment = struct.pack('!HHIIBBHHH', 40000, ${port}, 1, 0, 5 << 4, 2, 1024, 0, 0)
first, rest = ${shape === 'options' ? "60, struct.pack('!BBBBI', 6, 0, 1, 4, 0) + segment" : "44, struct.pack('!BBHI', 6, 0, 8, 7) + segment[8:]"}
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.sendto(struct.pack('!IHBB16s16s', 6 << 28, len(rest), first, 64, src, dst) + rest, (${JSON.stringify(host)}, 0))
print('sent')
`);
}
