# A server of DNS for tests: by UDP and TCP at port 53 of each address that it is given. Ready when it listens.
#   name-server.py ADDRESS...
# TXT of any name is `<its own address> saw <client's address> <client's port> <id>`, A is 203.0.113.7; other types have no
# record. What names begin with matters: `silent` has no answer; `forged` has others before its own, with wrong ids and
# questions; `many` has three messages by TCP; `big` is truncated by UDP; `only-192-0-2-1` is answered by that server alone; `late`
# has its answer after 3 s by UDP.
import selectors, socket, struct, sys, time

TXT, A = 16, 1


def question(message):
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode('latin1'))
        at += 1 + message[at]
    return labels, struct.unpack('!H', message[at + 1:at + 3])[0], message[12:at + 5]


def answer(message, own, peer, is_stream):
    labels, kind, section = question(message)
    text = ('%s saw %s %d %s' % (own, peer[0].replace('::ffff:', ''), peer[1], message[:2].hex())).encode()
    data = {A: bytes([203, 0, 113, 7]), TXT: bytes([len(text)]) + text}.get(kind)
    truncated = labels[:1] == ['big'] and not is_stream
    record = b'' if data is None or truncated else b'\xc0\x0c' + struct.pack('!HHIH', kind, 1, 5, len(data)) + data
    def whole(identity, asked):
        return identity + struct.pack('!HHHHH', 0x8380 if truncated else 0x8180, 1, 1 if record else 0, 0, 0) + asked + record
    real = whole(message[:2], section)
    word = labels[0] if labels else ''
    if word.startswith('silent') or word.startswith('only-') and word[5:].replace('-', '.') != own:
        return []
    if word.startswith('forged'):
        return [whole(bytes([message[0] ^ 1, message[1]]), section), whole(message[:2], bytes([1, 120]) + section[-5:]), real]
    if word.startswith('many') and is_stream:
        return [real] * 3
    return [real]


ready = selectors.DefaultSelector()
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, 53))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        ready.register(s, selectors.EVENT_READ, (address, None))
print('ready', flush=True)
late = []
while True:
    while late and late[0][0] <= time.monotonic():
        _, s, each, peer = late.pop(0)
        s.sendto(each, peer)
    for key, _ in ready.select(late[0][0] - time.monotonic() if late else None):
        s, (own, rest) = key.fileobj, key.data
        if s.type == socket.SOCK_DGRAM:
            message, peer = s.recvfrom(65536)
            for each in answer(message, own, peer, False):
                if question(message)[0][:1] == ['late']:
                    late.append((time.monotonic() + 3, s, each, peer))
                else:
                    s.sendto(each, peer)
        elif rest is None:
            ready.register(s.accept()[0], selectors.EVENT_READ, (own, bytearray()))
        else:
            try:
                chunk = s.recv(65536)
                rest += chunk
                while len(rest) > 1 and len(rest) >= 2 + struct.unpack('!H', rest[:2])[0]:
                    end = 2 + struct.unpack('!H', rest[:2])[0]
                    message, rest[:] = bytes(rest[2:end]), rest[end:]
                    for each in answer(message, own, s.getpeername(), True):
                        s.sendall(struct.pack('!H', len(each)) + each)
            except OSError:
                chunk = b''
            if not chunk:
                ready.unregister(s)
                s.close()
