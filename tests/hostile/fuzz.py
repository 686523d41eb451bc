"""Malformed and hostile packets for a stack at the other end of a TUN, from a seed.

Runs inside `outcrop run --tcp-echo`, with Debian's python3-scapy. Packets are written to the device as they are, so that
no kernel corrects them on the way. A connection of the kernel's to the stack's echo service lives through all of it.

    fuzz.py SEED COUNT
"""

import os
import random
import socket
import sys

from scapy.all import (
    ICMP,
    IP,
    TCP,
    UDP,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Raw,
    conf,
    fragment,
    fuzz,
)

STACK, STACK6, KERNEL, KERNEL6 = "10.77.0.2", "fd77::2", "10.77.0.1", "fd77::1"
DEVICE, ECHO, PORTS = "outcrop0", 7, [7, 9, 80, 81, 0, 65535]
FLAGS = ["S", "SA", "A", "PA", "FA", "R", "RA", "", "SF", "SR", "FPU", "SFRPAU", "SEC", "SECN"]

seed, count = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
conf.verb = 0


def link(ethertype):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    raw.bind((DEVICE, ethertype))
    return raw


links = {4: link(0x0800), 6: link(0x86DD)}
sent = 0


def put(data):
    """Writes one packet to the device, whatever is in it."""
    global sent
    data = bytes(data)[:1500]
    if not data:
        return
    try:
        links[6 if data[0] >> 4 == 6 else 4].send(data)
        sent += 1
    except OSError:
        # The device's queue is full: the stack is busy with the rest.
        pass


def options():
    """TCP options as the wire may bring them: any kinds, lengths that lie, or both."""
    length = random.choice([0, 4, 8, 12, 20, 40])
    if random.random() < 0.5:
        return random.randbytes(length)
    known = [
        b"\x02\x04" + random.randbytes(2),
        b"\x03\x03" + random.randbytes(1),
        b"\x04\x02",
        b"\x05" + bytes([random.choice([2, 9, 10, 18, 26, 34, 42])]) + random.randbytes(16),
        b"\x08\x0a" + random.randbytes(8),
        b"\x22" + bytes([random.choice([2, 3, 6, 10, 18])]) + random.randbytes(8),
        b"\x1d\x04\x01\x02",
        b"\x13\x12" + random.randbytes(16),
        b"\x02\x00",
        b"\xfd\x01",
        b"\x01",
        b"\x00",
    ]
    made = b"".join(random.choices(known, k=random.randint(1, 5)))[:40]
    return made + b"\x00" * (-len(made) % 4)


def tcp(sport, dport, seq=None, ack=None, flags=None):
    """A TCP segment with options that scapy would not write."""
    body = options()
    head = bytes(
        TCP(
            sport=sport,
            dport=dport,
            seq=random.getrandbits(32) if seq is None else seq,
            ack=random.getrandbits(32) if ack is None else ack,
            flags=random.choice(FLAGS) if flags is None else flags,
            window=random.choice([0, 1, 1024, 65535]),
            urgptr=random.choice([0, 1, 65535]),
            dataofs=5 + len(body) // 4,
        )
    )
    return head + body + random.randbytes(random.choice([0, 0, 1, 100, 1000]))


def over_ip(payload, proto=6, v6=False):
    if v6:
        packet = IPv6(src=KERNEL6, dst=STACK6, nh=proto) / Raw(payload)
        return sum_up(bytes(packet), 40, proto)
    packet = IP(src=KERNEL, dst=STACK, proto=proto) / Raw(payload)
    return sum_up(bytes(packet), 20, proto)


def sum_up(packet, at, proto):
    """Puts the right TCP checksum in, so that the segment is looked at."""
    if proto != 6 or len(packet) < at + 20:
        return packet
    payload = packet[at : at + 16] + b"\0\0" + packet[at + 18 :]
    pseudo = packet[at - (8 if at == 20 else 32) : at] + bytes([0, proto]) + len(payload).to_bytes(2, "big")
    data = pseudo + payload + b"\0" * (len(payload) % 2)
    total = sum(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return packet[: at + 16] + (~total & 0xFFFF).to_bytes(2, "big") + packet[at + 18 :]


def flipped(data):
    data = bytearray(data)
    for _ in range(random.randint(1, 6)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data[: random.choice([len(data), random.randint(1, len(data))])])


def segments():
    put(over_ip(tcp(random.randint(1024, 65535), random.choice(PORTS)), v6=random.random() < 0.3))


def flips():
    put(flipped(over_ip(tcp(random.randint(1024, 65535), random.choice(PORTS)), v6=random.random() < 0.3)))


def noise():
    data = random.randbytes(random.randint(1, 200))
    put(bytes([random.choice([0x45, 0x4F, 0x60, 0x00, 0xF5])]) + data)


def scapys():
    """Fields drawn by scapy itself, addresses fixed so that the packet arrives."""
    upper = random.choice([TCP(dport=random.choice(PORTS)), UDP(dport=random.choice(PORTS)), ICMP()])
    put(IP(src=KERNEL, dst=STACK, ttl=64) / fuzz(upper) / Raw(random.randbytes(random.randint(0, 64))))


def ip_options():
    body = random.randbytes(random.choice([4, 8, 40]))
    put(IP(src=KERNEL, dst=STACK, ihl=5 + len(body) // 4, proto=6) / Raw(body + tcp(1, 80)))


def fragments():
    """Out of order, overlapping, doubled, or never complete."""
    whole = IP(src=KERNEL, dst=STACK, id=random.getrandbits(16)) / UDP(dport=7, sport=7777) / Raw(b"f" * 800)
    pieces = fragment(whole, fragsize=random.choice([8, 64, 200]))
    random.shuffle(pieces)
    for piece in pieces[: random.randint(1, 6)]:
        if random.random() < 0.2:
            piece[IP].frag += random.choice([-1, 1, 8000])
            piece[IP].frag &= 0x1FFF
            del piece[IP].chksum
        put(piece)


def extensions():
    chain = IPv6(src=KERNEL6, dst=STACK6)
    for _ in range(random.randint(1, 8)):
        chain /= random.choice([IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, IPv6ExtHdrFragment])()
    put(flipped(bytes(chain / Raw(tcp(1, 80)))) if random.random() < 0.5 else chain / Raw(tcp(1, 80)))


def errors(flow):
    """ICMP about the living connection: absurd MTUs, unreachables, with sequence numbers out of the blue."""
    quote = IP(src=STACK, dst=KERNEL) / TCP(sport=ECHO, dport=flow, seq=random.getrandbits(32))
    code = random.choice([0, 1, 2, 3, 4, 9, 13])
    mtu = random.choice([0, 1, 67, 68, 552, 1280, 65535])
    put(IP(src=KERNEL, dst=STACK) / ICMP(type=random.choice([3, 11, 12, 5]), code=code, nexthopmtu=mtu) / quote)
    quote6 = IPv6(src=STACK6, dst=KERNEL6) / TCP(sport=80, dport=1)
    put(IPv6(src=KERNEL6, dst=STACK6) / ICMPv6PacketTooBig(mtu=mtu) / quote6)
    put(IPv6(src=KERNEL6, dst=STACK6) / ICMPv6EchoRequest(data=random.randbytes(8)))


def blind(flow):
    """Into the living connection, by somebody who knows the four numbers of it but no sequence number."""
    put(over_ip(tcp(flow, ECHO, flags=random.choice(["R", "RA", "S", "SA", "A", "PA", "FA"]))))


def main():
    living = socket.create_connection((STACK, ECHO), timeout=20)
    flow = living.getsockname()[1]
    kinds = [segments, flips, noise, scapys, ip_options, fragments, extensions, lambda: errors(flow), lambda: blind(flow)]
    lines = 0
    for turn in range(count):
        kinds[turn % len(kinds)]()
        if turn % 200 == 0:
            lines += 1
            said = f"line {lines} of seed {seed}\n".encode() * 20
            living.sendall(said)
            heard = b""
            while len(heard) < len(said):
                heard += living.recv(65536)
            assert heard == said, f"turn {turn}: the living connection brought something else"
    living.shutdown(socket.SHUT_WR)
    assert living.recv(1) == b"", "the living connection ends as it should"
    print(f"seed {seed}: {sent} packets sent, {lines} exchanges on the living connection")
    assert sent > count / 2, "too many packets were not taken by the device"
    assert os.getppid() > 0


main()
