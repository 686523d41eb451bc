"""Many hosts that all ask the stack at once: `echo_many.py TARGET4 TARGET6`, each from addresses of this machine.

Every address of the bridge sends an echo request and must be answered, so that the stack has to find each of them. Prints how
many of each family were.
"""
import socket
import struct
import sys
import time

LIMIT = 60


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def request(family, seq):
    if family == socket.AF_INET:
        head = struct.pack(">BBHHH", 8, 0, 0, 7, seq)
        return struct.pack(">BBHHH", 8, 0, checksum(head), 7, seq)
    # The kernel fills in ICMPv6's checksum.
    return struct.pack(">BBHHH", 128, 0, 0, 7, seq)


def ask(family, target, sources):
    proto, reply, head = (1, 0, 20) if family == socket.AF_INET else (58, 129, 0)
    ears = socket.socket(family, socket.SOCK_RAW, proto)
    ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    ears.settimeout(0.1)
    missing = dict(enumerate(sources, 1))
    end = time.monotonic() + LIMIT
    while missing and time.monotonic() < end:
        # Fifty at a time: a stack may look for only so many neighbours at once.
        for seq, source in list(missing.items())[:50]:
            with socket.socket(family, socket.SOCK_RAW, proto) as mouth:
                mouth.bind((source, 0))
                mouth.sendto(request(family, seq), (target, 0))
        try:
            while True:
                got = ears.recv(2048)[head:]
                if got[0] == reply:
                    missing.pop(struct.unpack(">H", got[6:8])[0], None)
        except TimeoutError:
            pass
    return len(sources) - len(missing)


print(ask(socket.AF_INET, sys.argv[1], [f"10.9.{1 + n // 250}.{1 + n % 250}" for n in range(500)]))
print(ask(socket.AF_INET6, sys.argv[2], [f"2001:db8:9::{n + 4096:x}" for n in range(500)]))
