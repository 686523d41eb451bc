# Three stations of one Ethernet, played on three interfaces of this namespace: sends numbered frames in order and says,
# for each interface, which arrived there. The switch between them is somebody else's.
#
# After each frame its sender says "so far" to everybody, and the next is sent when both others have heard that: nothing
# depends on how fast anybody is.
import select
import socket
import struct
import sys
import time

TYPE = 0x88B5
PORTS = sys.argv[1:4]
LIMIT = 60

socks = []
for port in PORTS:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(TYPE))
    s.bind((port, TYPE))
    socks.append(s)


def station(last):
    return bytes([2, 0, 0, 0, 0x5A, last])


ALL = b"\xff" * 6
GROUP = b"\x01\x00\x5e\x00\x00\x09"
LLDP = b"\x01\x80\xc2\x00\x00\x0e"
# (where it is sent, to whom, from whom)
SCRIPT = [
    (0, station(2), station(1)),  # nobody is known: everywhere
    (1, station(1), station(2)),  # known by now: to the first alone
    (0, station(2), station(1)),  # and back
    (2, station(1), station(3)),
    (0, ALL, station(1)),
    (1, GROUP, station(2)),
    (1, LLDP, station(2)),  # ends at the switch
    (0, station(1), station(9)),  # to a station behind the same port
    (2, station(9), station(2)),  # the second has moved to the third port
    (0, station(2), station(1)),  # and is found there
    (1, station(7), ALL),  # nobody is everybody
    (1, station(2), station(8)),
]
heard = [[] for _ in PORTS]


def hear(until):
    """Takes what arrives until every other station has heard frame `until`."""
    missing = {n for n in range(len(socks)) if n != until[0]}
    end = time.monotonic() + LIMIT
    while missing:
        ready, _, _ = select.select(socks, [], [], max(0, end - time.monotonic()))
        if not ready:
            sys.exit("silence on " + ", ".join(PORTS[n] for n in missing))
        for s in ready:
            frame, address = s.recvfrom(2048)
            n = socks.index(s)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            number, marker = struct.unpack(">HB", frame[14:17])
            if not marker:
                heard[n].append(number)
            elif number == until[1]:
                missing.discard(n)


def say(port, dst, src, number, marker):
    frame = dst + src + struct.pack(">HHB", TYPE, number, marker)
    socks[port].send(frame + bytes(60 - len(frame)))


# A new port may not forward at once: the first word is repeated until it is heard.
for attempt in range(LIMIT):
    for n in range(3):
        say(n, ALL, station(0x10 + n), 9000 + n, 2)
    got = set()
    end = time.monotonic() + 1
    while len(got) < 6 and time.monotonic() < end:
        for s in select.select(socks, [], [], 0.1)[0]:
            frame, address = s.recvfrom(2048)
            if address[2] != socket.PACKET_OUTGOING:
                got.add((socks.index(s), struct.unpack(">H", frame[14:16])[0]))
    if len(got) == 6:
        break

for number, (port, dst, src) in enumerate(SCRIPT):
    say(port, dst, src, number, 0)
    # The marker comes from a station of the port's own, so that it teaches nothing about the others.
    say(port, ALL, station(0x10 + port), number, 1)
    hear((port, number))
for port, numbers in zip("abc", heard):
    print(port, *numbers)
