# Ways between clients and servers of one network namespace that lose, delay, double and reorder packets, in each direction by
# itself; as sch_netem does, on any kernel that has tun(4). Whoever connects to 10.77.N.2 comes to the same port of 10.77.0.1 by
# way N. A packet that the kernel sends there is read from the device and written back with its two addresses exchanged, which
# leaves all checksums as they are.
#   packet-way.py PORT...     the ports of the servers
# A line of JSON each on the standard input, answered by a line once it holds:
#   {"way": N, "there": PROFILE, "back": PROFILE}, "there" is from the client to the server
#   PROFILE {"delayMs": 300, "jitterMs": 100, "loss": 0.05, "duplicate": 0.01, "reorder": 0.01}, all of it may be left out
# The answer has what was carried so far. Ends with its input.
import fcntl, heapq, json, os, random, select, struct, subprocess, sys, time

ports = {int(port) for port in sys.argv[1:]}
device = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
IFF_TUN, IFF_NO_PI, TUNSETIFF = 0x0001, 0x1000, 0x400454CA
fcntl.ioctl(device, TUNSETIFF, struct.pack('16sH', b'way', IFF_TUN | IFF_NO_PI))
for command in ('link set lo up', 'addr add 10.77.0.1/16 dev way', 'link set way up mtu 1500 txqueuelen 10000'):
    subprocess.run(['ip', *command.split()], check=True)

profiles = {}
count = {'packets': 0, 'lost': 0, 'doubled': 0, 'early': 0, 'dials': 0}
waiting, number = [], 0


def write(packet):
    try:
        os.write(device, packet)
    except BlockingIOError:
        count['lost'] += 1


def take(packet):
    global number
    # IPv4 with TCP.
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != 6:
        return
    header = (packet[0] & 15) * 4
    source, target = struct.unpack('!HH', packet[header:header + 4])
    is_there = target in ports and packet[16:18] == b'\x0a\x4d' and source not in ports
    profile = profiles.get((packet[18], is_there), {})
    count['packets'] += 1
    swapped = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
    if random.random() < profile.get('loss', 0):
        count['lost'] += 1
        return
    if packet[header + 13] & 0x12 == 0x02:
        count['dials'] += 1
    copies = 1
    if random.random() < profile.get('duplicate', 0):
        count['doubled'] += 1
        copies = 2
    for _ in range(copies):
        delay = profile.get('delayMs', 0) + random.uniform(-1, 1) * profile.get('jitterMs', 0)
        if delay > 0 and random.random() < profile.get('reorder', 0):
            count['early'] += 1
            delay = 0
        if delay <= 0:
            write(swapped)
        else:
            number += 1
            heapq.heappush(waiting, (time.monotonic() + delay / 1000, number, swapped))


print('{}', flush=True)
while True:
    timeout = None if not waiting else max(0, waiting[0][0] - time.monotonic())
    readable, _, _ = select.select([device, sys.stdin], [], [], timeout)
    while waiting and waiting[0][0] <= time.monotonic():
        write(heapq.heappop(waiting)[2])
    if device in readable:
        for _ in range(64):
            try:
                take(os.read(device, 65536))
            except BlockingIOError:
                break
    if sys.stdin in readable:
        line = sys.stdin.readline()
        if not line:
            break
        order = json.loads(line)
        for direction in ('there', 'back'):
            profiles[(order['way'], direction == 'there')] = order.get(direction, {})
        print(json.dumps(count), flush=True)
