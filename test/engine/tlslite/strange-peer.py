"""A TLS 1.3 peer that breaks one rule at a time. Reads `ROLE CASE PORT` from its input, a line for each; answers with a line of JSON."""
import json
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.messages import CertificateVerify, Finished, Message

PATIENCE_SECONDS = 10
ALERT, HANDSHAKE, DATA = 21, 22, 23
KEY_UPDATE = bytes([24, 0, 0, 1, 0])
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
PING = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"12345678"
PONG = bytes([0, 0, 8, 6, 1, 0, 0, 0, 0]) + b"12345678"

with open(sys.argv[1]) as file:
    chain = X509CertChain()
    chain.parsePemList(file.read())
with open(sys.argv[2]) as file:
    key = parsePEMKey(file.read(), private=True)


def settings():
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = (3, 4)
    made.versions = [(3, 4)]
    made.eccCurves = made.keyShares = ["secp256r1"]
    made.dhGroups = []
    made.ticket_count = 0
    return made


class Peer:
    """One connection after its handshake."""

    def __init__(self, connection, raw):
        self.connection = connection
        self.raw = raw

    def seal(self, kind, content):
        """One record of any content."""
        for _ in self.connection._recordLayer.sendRecord(Message(kind, bytearray(content))):
            pass
        self.connection.sock.flush()

    def key_update(self, asks):
        self.seal(HANDSHAKE, bytes([24, 0, 0, 1, asks]))
        self.next_keys()

    def next_keys(self):
        session = self.connection.session
        # For what is written, whatever its name says.
        step = self.connection._recordLayer.calcTLS1_3KeyUpdate_reciever
        session.cl_app_secret, session.sr_app_secret = step(session.cipherSuite, session.cl_app_secret, session.sr_app_secret)

    def sealed(self, kind, content):
        """The bytes of such a record, not sent."""
        out = bytearray()
        layer = self.connection._recordLayer._recordSocket
        real, layer.sock = layer.sock, Collector(out)
        for _ in self.connection._recordLayer.sendRecord(Message(kind, bytearray(content))):
            pass
        layer.sock = real
        return out


class Collector:
    def __init__(self, out):
        self.out = out

    def send(self, data):
        self.out += data
        return len(data)

    def flush(self):
        pass


def flipped(record, at):
    record[at] ^= 1
    return record


def twice(peer):
    record = peer.sealed(DATA, b"PRI")
    peer.raw.sendall(bytes(record + record))


def many_key_updates(peer):
    for _ in range(70):
        peer.key_update(1)


def halves(peer):
    peer.seal(HANDSHAKE, KEY_UPDATE[:2])
    peer.seal(DATA, b"x")


def harmless(peer):
    """What is odd and allowed; the peer answers a PING after it."""
    for _ in range(10):
        peer.seal(DATA, b"")
    for i in range(6):
        peer.key_update(i % 2)
    peer.seal(HANDSHAKE, KEY_UPDATE[:2])
    peer.seal(HANDSHAKE, KEY_UPDATE[2:])
    peer.next_keys()
    layer = peer.connection._recordLayer
    layer.padding_cb = lambda length, kind, most: min(300, most - length - 1)
    for byte in (PREFACE if peer.connection._client else PREFACE[24:]) + PING:
        peer.seal(DATA, bytes([byte]))


AFTER = {
    "record of 2^14 + 257 bytes": lambda peer: peer.raw.sendall(bytes([DATA, 3, 3, 0x41, 1]) + bytes(16641)),
    "content of 2^14 + 1 bytes": lambda peer: peer.seal(DATA, bytes(16385)),
    "record without content": lambda peer: peer.raw.sendall(bytes([DATA, 3, 3, 0, 0])),
    "inner plaintext of zeroes": lambda peer: peer.seal(0, bytes(20)),
    "unknown content type": lambda peer: peer.seal(99, b"x"),
    "sealed change_cipher_spec": lambda peer: peer.seal(20, bytes([1])),
    "plain change_cipher_spec": lambda peer: peer.raw.sendall(bytes([20, 3, 3, 0, 1, 1])),
    "plain alert": lambda peer: peer.raw.sendall(bytes([ALERT, 3, 3, 0, 2, 2, 40])),
    "alert in pieces": lambda peer: peer.seal(ALERT, bytes([2])),
    "two alerts in one record": lambda peer: peer.seal(ALERT, bytes([1, 0, 1, 0])),
    "fatal alert": lambda peer: peer.seal(ALERT, bytes([2, 80])),
    "fatal alert that calls itself a warning": lambda peer: peer.seal(ALERT, bytes([1, 40])),
    "KeyUpdate with value 2": lambda peer: peer.seal(HANDSHAKE, bytes([24, 0, 0, 1, 2])),
    "KeyUpdate of 0 bytes": lambda peer: peer.seal(HANDSHAKE, bytes([24, 0, 0, 0])),
    "bytes after KeyUpdate": lambda peer: peer.seal(HANDSHAKE, KEY_UPDATE + bytes([4])),
    "two KeyUpdates in one record": lambda peer: peer.seal(HANDSHAKE, KEY_UPDATE + KEY_UPDATE),
    "data inside KeyUpdate": halves,
    "70 KeyUpdates": many_key_updates,
    "CertificateRequest": lambda peer: peer.seal(HANDSHAKE, bytes([13, 0, 0, 3, 0, 0, 0])),
    "Certificate": lambda peer: peer.seal(HANDSHAKE, bytes([11, 0, 0, 4, 0, 0, 0, 0])),
    "ClientHello again": lambda peer: peer.seal(HANDSHAKE, bytes([1, 0, 0, 2, 3, 3])),
    "Finished again": lambda peer: peer.seal(HANDSHAKE, bytes([20, 0, 0, 32]) + bytes(32)),
    "NewSessionTicket": lambda peer: peer.seal(HANDSHAKE, bytes([4, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 2, 7, 7, 0, 0])),
    "empty handshake record": lambda peer: peer.seal(HANDSHAKE, b""),
    "flipped bit": lambda peer: peer.raw.sendall(bytes(flipped(peer.sealed(DATA, b"hello"), 7))),
    "flipped bit in the tag": lambda peer: peer.raw.sendall(bytes(flipped(peer.sealed(DATA, b"hello"), -1))),
    "record that comes twice": twice,
    "80 empty records": lambda peer: [peer.seal(DATA, b"") for _ in range(80)],
    "harmless oddities": harmless,
}


def hello():
    """A whole ClientHello, as its first record."""
    out = bytearray()

    class Nobody(Collector):
        def recv(self, _):
            return b""

        def sendall(self, data):
            self.send(data)

        def close(self):
            pass

    try:
        TLSConnection(Nobody(out)).handshakeClientCert(chain, key, settings=settings(), alpn=[bytearray(b"h2")])
    except TLSAbruptCloseError:
        pass
    return bytes(out)


def record(kind, content):
    return bytes([kind, 3, 1, len(content) >> 8, len(content) & 255]) + content


def before(name, port):
    """Cases of the first flight, which need no keys."""
    first = hello()
    body = first[5:]
    # TLS 1.3 as the one version of supported_versions becomes TLS 1.2.
    old = body.replace(bytes([0, 43, 0, 3, 2, 3, 4]), bytes([0, 43, 0, 3, 2, 3, 3]))
    assert old != body
    bytes_of = {
        "half a ClientHello": first[: len(first) // 2],
        "no TLS at all": b"GET / HTTP/1.1\r\n\r\n",
        "first record of 2^14 + 257 bytes": bytes([HANDSHAKE, 3, 1, 0x41, 1]) + bytes(100),
        "first record without content": record(HANDSHAKE, b""),
        "first record of application data": record(DATA, body),
        "change_cipher_spec before all": record(20, bytes([1])) + first,
        "alert before all": record(ALERT, bytes([2, 40])),
        "TLS 1.2 alone": record(HANDSHAKE, old),
        "alert inside the ClientHello": record(HANDSHAKE, body[:50]) + record(ALERT, bytes([1, 90])) + record(HANDSHAKE, body[50:]),
        "bytes after the ClientHello": record(HANDSHAKE, body + bytes([11, 0, 0, 0])),
        "message of 16 MB": record(HANDSHAKE, bytes([1, 255, 255, 255]) + body[4:]),
        "ServerHello": record(HANDSHAKE, bytes([2]) + body[1:]),
        "ClientHello with a length inside that is too long": record(HANDSHAKE, body[:38] + bytes([255]) + body[39:]),
        "ClientHello in records of one byte": b"".join(record(HANDSHAKE, bytes([byte])) for byte in body),
    }[name]
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
        raw.sendall(bytes_of)
        if name.startswith(("half", "first record without")):
            raw.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while len(answer) < 7:
                more = raw.recv(4096)
                if not more:
                    break
                answer += more
        except ConnectionResetError:
            pass
    if answer[:1] == bytes([ALERT]):
        return {"alert": answer[6]}
    return {"alert": None, "answered": answer[:1] == bytes([HANDSHAKE])}


def end_of(connection, wants):
    """What the peer says to it."""
    got = b""
    try:
        while True:
            more = connection.read(max=65536)
            if not more:
                return {"alert": 0}
            got += more
            if wants and PONG in got:
                return {"alert": None, "answered": True}
    except TLSRemoteAlert as alert:
        return {"alert": alert.description}
    except (TLSAbruptCloseError, ConnectionResetError):
        return {"alert": None}


def act(name, connection, raw):
    try:
        AFTER.get(name, lambda _: None)(Peer(connection, raw))
    except OSError:
        pass  # The engine had enough before all was said; what it answers tells the rest.


def as_client(name, port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as raw:
        connection = TLSConnection(raw)
        connection.closeSocket = False
        try:
            connection.handshakeClientCert(chain, key, settings=settings(), alpn=[bytearray(b"h2")])
            act(name, connection, raw)
            return end_of(connection, name == "harmless oddities")
        except TLSRemoteAlert as alert:
            return {"alert": alert.description}


def broken(kind, name, port):
    """A handshake in which a message of this side does not prove what it should."""
    real = kind.create

    def create(self, *args, **more):
        made = real(self, *args, **more)
        name = "verify_data" if kind is Finished else "signature"
        setattr(made, name, bytearray(flipped(bytearray(getattr(made, name)), -1)))
        return made

    kind.create = create
    try:
        return as_client(name, port)
    finally:
        kind.create = real


def as_server(name):
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    listener.settimeout(PATIENCE_SECONDS)
    raw, _ = listener.accept()
    listener.close()
    with raw:
        raw.settimeout(PATIENCE_SECONDS)
        connection = TLSConnection(raw)
        connection.closeSocket = False
        try:
            connection.handshakeServer(certChain=chain, privateKey=key, reqCert=True, settings=settings(), alpn=[bytearray(b"h2")])
            act(name, connection, raw)
            return end_of(connection, name == "harmless oddities")
        except TLSRemoteAlert as alert:
            return {"alert": alert.description}


for line in sys.stdin:
    role, port, name = line.rstrip("\n").split(" ", 2)
    try:
        if role == "server":
            result = as_server(name)
        elif name == "Finished that proves nothing":
            result = broken(Finished, name, int(port))
        elif name == "CertificateVerify that proves nothing":
            result = broken(CertificateVerify, name, int(port))
        elif name in AFTER:
            result = as_client(name, int(port))
        else:
            result = before(name, int(port))
    except Exception as error:  # what went wrong here is a failure of the test
        result = {"error": repr(error)}
    print(json.dumps(result), flush=True)
