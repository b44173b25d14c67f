# The application at a destination: answers TCP and UDP on the ports that it is given with the address that it saw.
import selectors, socket, sys

ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(('::', port))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        ready.register(s, selectors.EVENT_READ)
print('ready', flush=True)
while True:
    for key, _ in ready.select():
        s = key.fileobj
        if s.type == socket.SOCK_DGRAM:
            _, peer = s.recvfrom(1000)
            s.sendto(b'witness saw ' + peer[0].encode(), peer)
        else:
            with s.accept()[0] as c:
                try:
                    c.settimeout(1)
                    c.sendall(b'witness saw ' + c.getpeername()[0].encode())
                    c.shutdown(socket.SHUT_WR)
                    # What was sent and is not read would make a reset of the end, which takes the answer with it.
                    c.recv(1000)
                except OSError:
                    pass
