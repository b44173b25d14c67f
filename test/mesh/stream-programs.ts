/** Programs of Python for two pods that speak with each other: command lines whose lines tell what became of it. */

const PRELUDE = `
import array, errno, fcntl, hashlib, os, select, signal, socket, struct, sys
def say(*words): print(*words, flush=True)
def take(s, count):
    taken = b''
    while len(taken) < count:
        part = s.recv(count - len(taken))
        if not part: raise EOFError(len(taken))
        taken += part
    return taken
def drain(s, size=65536):
    count, digest = 0, hashlib.sha256()
    try:
        while part := s.recv(size):
            count += len(part)
            digest.update(part)
        return 'end', count, digest.hexdigest()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e)), count, digest.hexdigest()
def pattern(count): return (b'landbridge 0123456789' * (count // 21 + 1))[:count]
def digest(data): return hashlib.sha256(data).hexdigest()
# Sockets do not block by themselves then, as those of event loops do not.
socket.setdefaulttimeout(60)
# Until the test says that it goes on; blocked from the start, so that it can not come too early.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def wait(): signal.sigwait([signal.SIGUSR1])
# Some words to and fro: after them both directions are past the agent, where both pods ask for it.
def ask(s):
    for _ in range(4):
        s.sendall(b'?')
        take(s, 1)
def answer(s):
    for _ in range(4):
        take(s, 1)
        s.sendall(b'!')
`;

const program = (script: string): readonly string[] => ['/usr/bin/python3', '-c', script];

/** Does `script`, for which `connection()` accepts one. Writes `ready` when it listens. */
export const streamServer = (port: number, script: string): readonly string[] =>
  program(`${PRELUDE}
l = socket.create_server(('0.0.0.0', ${port}))
say('ready')
def connection():
    s, _ = l.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answer(s)
    return s
${script}
`);

/** Does `script`, for which `connection()` makes one. Writes `ready` first. */
export const streamClient = (host: string, port: number, script: string): readonly string[] =>
  program(`${PRELUDE}
say('ready')
def connection():
    s = socket.create_connection(('${host}', ${port}))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ask(s)
    return s
${script}
`);
