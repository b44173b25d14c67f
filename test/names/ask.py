# Asks for the TXT of names as its steps say, and writes a JSON list of what came of each.
#   ask.py FAMILY BIND STEP...
# FAMILY is 4, 6 or stream; BIND an address and port, or `-`. All steps are done with one socket:
#   connect=HOST      answers where it is connected to (getpeername) then, or the name of the error
#   send=NAME         sends a query by where it is connected to
#   to=HOST=NAME      sends a query to HOST, or answers the name of the error; nothing where it went
#   take              answers what came, as [name, host it came from, text], or the name of the error
#   wait              sleeps as long as a server may take to answer
#   pause             writes `ready` and goes on at SIGUSR1
import errno, json, signal, socket, struct, sys, time

family, bound, steps = sys.argv[1], sys.argv[2], sys.argv[3:]
kind = socket.SOCK_STREAM if family == 'stream' else socket.SOCK_DGRAM
six = family == '6' or (family == 'stream' and any(':' in step for step in steps))
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
s.settimeout(3)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
if bound != '-':
    host, port = bound.rsplit(' ', 1)
    s.bind((host, int(port)))
count, rest = 0x1000, b''


def query(name):
    global count
    count += 1
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.'))
    message = struct.pack('!HHHHHH', count, 0x100, 1, 0, 0, 0) + labels + b'\0' + struct.pack('!HH', 16, 1)
    return struct.pack('!H', len(message)) + message if kind == socket.SOCK_STREAM else message


def take():
    global rest
    if kind == socket.SOCK_DGRAM:
        message, source = s.recvfrom(65536)
    else:
        while len(rest) < 2 or len(rest) < 2 + struct.unpack('!H', rest[:2])[0]:
            chunk = s.recv(65536)
            if not chunk:
                return 'END'
            rest += chunk
        end = 2 + struct.unpack('!H', rest[:2])[0]
        message, rest, source = rest[2:end], rest[end:], s.getpeername()
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode('latin1'))
        at += 1 + message[at]
    code = message[3] & 15
    text = message[at + 18:].decode('latin1') if struct.unpack('!H', message[6:8])[0] else 'rcode %d' % code
    return ['.'.join(labels), '%s %d' % source[:2], text]


def do(step):
    word, _, rest_of_step = step.partition('=')
    if word == 'connect':
        s.connect((rest_of_step, 53))
        return '%s %d' % s.getpeername()[:2]
    if word == 'send':
        s.sendall(query(rest_of_step))
    elif word == 'to':
        host, _, name = rest_of_step.partition('=')
        s.sendto(query(name), (host, 53))
    elif word == 'wait':
        time.sleep(6.1)
    elif word == 'pause':
        print('ready', flush=True)
        signal.sigwait({signal.SIGUSR1})
    elif word == 'take':
        return take()


said = []
for step in steps:
    try:
        what = do(step)
    except socket.timeout:
        what = 'TIMEOUT'
    except OSError as e:
        what = errno.errorcode.get(e.errno, str(e))
    if what is not None:
        said.append(what)
print(json.dumps(said))
