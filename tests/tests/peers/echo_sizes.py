"""Pings with many sizes over one raw socket: `echo_sizes.py ADDRESS`. Prints how many were answered.

Every size to 3,000 bytes, where packets begin to be cut and each of the first fragments fills, then each 97th to 65,000.
"""
import os
import socket
import struct
import sys

host = sys.argv[1]
v6 = ":" in host
family, proto = (socket.AF_INET6, 58) if v6 else (socket.AF_INET, 1)
ask = socket.socket(family, socket.SOCK_RAW, proto)
ask.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
# Never "don't fragment": the path is narrower than the link.
ask.setsockopt(*((41, 23, 0) if v6 else (0, 10, 0)))
ask.settimeout(2)
ident = os.getpid() & 0xFFFF


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


sizes = list(range(0, 3001)) + list(range(3001, 65001, 97)) + [65000]
pattern = bytes(range(251)) * 260
answered = 0
for number, size in enumerate(sizes):
    seq = number & 0xFFFF
    kind, reply = (128, 129) if v6 else (8, 0)
    body = pattern[:size]
    # The kernel fills in ICMPv6's checksum.
    total = 0 if v6 else checksum(struct.pack(">BBHHH", kind, 0, 0, ident, seq) + body)
    ask.sendto(struct.pack(">BBHHH", kind, 0, total, ident, seq) + body, (host, 0))
    tries = 0
    while True:
        try:
            got = ask.recv(70000)
        except TimeoutError:
            # IPv6: the first one beyond the narrowest link is lost, to tell us of it.
            tries += 1
            if tries > 1:
                raise
            ask.sendto(struct.pack(">BBHHH", kind, 0, total, ident, seq) + body, (host, 0))
            continue
        got = got if v6 else got[20:]
        if got[0] == reply and struct.unpack(">HH", got[4:8]) == (ident, seq):
            break
    if got[8:] != body:
        sys.exit(f"{size} bytes came back changed")
    answered += 1
print(answered == len(sizes))
