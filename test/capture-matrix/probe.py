# Begins traffic as a row of the table says, and writes what came of it: {"said": ..., "from": ...}.
#   probe.py MANNER SOURCE DESTINATION PORT MARK
# `said` is what the peer said, 'sent' where nothing is waited for, or the name of the error, after 'CONNECTED ' where it
# came later; `from` is the address and port of a TCP or UDP socket.
import errno, json, os, socket, struct, sys

manner, source, host, port, mark = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
# As lab/wait.ts has it.
SECONDS = min(5, int(os.environ.get('LANDBRIDGE_PATIENCE') or '1'))
SO_MARK, MSG_FASTOPEN, IPPROTO_MPTCP = 36, 0x20000000, 262
SCTP_INIT = struct.pack('!HHIIBBHIIHHI', 40000, port, 0, 0, 1, 0, 20, 1, 65536, 1, 1, 1)
six = ':' in host
family = socket.AF_INET6 if six else socket.AF_INET


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def opened(kind, protocol=0):
    s = socket.socket(family, kind, protocol)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        s.setsockopt(socket.SOL_SOCKET, option, struct.pack('ll', SECONDS, 0))
    if manner == 'ipv6-only':
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if mark:
        s.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    return s


def raw(protocol, payload, sender):
    src, dst = socket.inet_aton(sender), socket.inet_aton(host)
    s = opened(socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0, src, dst) + payload, (host, 0))
    return 'sent', ''


def syn(sender):
    def segment(check):
        return struct.pack('!HHIIBBHHH', 40000, port, 1, 0, 5 << 4, 2, 1024, check, 0)
    pseudo = socket.inet_aton(sender) + socket.inet_aton(host) + struct.pack('!BBH', 0, 6, 20)
    return raw(6, segment(checksum(pseudo + segment(0))), sender)


def ping():
    kind = (128 if six else 8)
    head = struct.pack('!BBHHH', kind, 0, 0, 7, 1)
    s = opened(socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    s.sendto(struct.pack('!BBHHH', kind, 0, 0 if six else checksum(head), 7, 1), (host, 0))
    s.recv(1000)
    return 'witness answered a ping', ''


def name_of(s):
    return '%s:%d' % s.getsockname()[:2]


def stream(s):
    if manner == 'fast-open':
        s.sendto(b'x', MSG_FASTOPEN, (host, port))
    else:
        s.connect((host, port))
    own = name_of(s)
    try:
        return s.recv(1000).decode('latin1'), own
    except OSError as e:
        return 'CONNECTED ' + named(e), own


def datagram(s):
    s.sendto(b'x', (host, port))
    return s.recv(1000).decode(), name_of(s)


def named(e):
    return 'TIMEOUT' if e.errno in (errno.EAGAIN, errno.EINPROGRESS, errno.ETIMEDOUT) else errno.errorcode.get(e.errno, str(e))


begin = {
    'tcp': lambda: stream(opened(socket.SOCK_STREAM)),
    'ipv6-only': lambda: stream(opened(socket.SOCK_STREAM)),
    'fast-open': lambda: stream(opened(socket.SOCK_STREAM)),
    'mptcp': lambda: stream(opened(socket.SOCK_STREAM, IPPROTO_MPTCP)),
    'raw-syn': lambda: syn(source),
    'spoofed-syn': lambda: syn('192.0.2.99'),
    'udp': lambda: datagram(opened(socket.SOCK_DGRAM)),
    'icmp': ping,
    'sctp': lambda: raw(132, SCTP_INIT, source),
}
try:
    said, own = begin[manner]()
except OSError as e:
    said, own = named(e), ''
print(json.dumps({'said': said, 'from': own}))
