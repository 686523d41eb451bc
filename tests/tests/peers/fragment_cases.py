"""An echo request in fragments, as somebody tells us to cut it: `fragment_cases.py FROM TO <CASES`.

A line of CASES is one packet: its number, a protocol, and its pieces in the order they are sent. `0-64+` are the first 64
octets, and more follow; `64-192.` are the last; `!` behind it changes every octet of that piece; `=` sends it as a packet
that is a fragment of nothing (offset 0, no more). The number is the packet's identification, and the echo's.
"""
import re
import socket
import sys

from scapy.all import ICMP, IP, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, Raw, raw

WHOLE = 192
source, target = sys.argv[1:3]
v6 = ":" in target
# Packets with their headers as we wrote them: the kernel finds the neighbour and no more.
out = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def echo(number):
    data = bytes(range(WHOLE - 8))
    if v6:
        packet = IPv6(src=source, dst=target) / ICMPv6EchoRequest(id=number, seq=1, data=data)
        return raw(packet)[40:]
    return raw(ICMP(type=8, id=number, seq=1) / Raw(data))


def fragment(number, protocol, offset, more, data):
    if v6:
        head = IPv6ExtHdrFragment(id=number, offset=offset // 8, m=int(more), nh=protocol)
        return raw(IPv6(src=source, dst=target, nh=44) / head / Raw(data))
    flags = "MF" if more else 0
    return raw(IP(src=source, dst=target, id=number, flags=flags, frag=offset // 8, proto=protocol) / Raw(data))


for line in sys.stdin:
    number, protocol, *pieces = line.split()
    whole = echo(int(number))
    # What lies beyond the whole is there to be refused.
    whole += bytes(65536 - len(whole)) + bytes(4096)
    for piece in pieces:
        start, end, kind, other = re.fullmatch(r"(\d+)-(\d+)([+.=])(!?)", piece).groups()
        data = whole[int(start) : int(end)]
        if other:
            data = bytes(octet ^ 0xFF for octet in data)
        out.sendto(fragment(int(number), int(protocol), int(start), kind == "+", data), (target, 0))
print("sent")
