"""Asks a multicast group's echo service, then asks as queriers of every version who listens:
`group_ask.py DEVICE GROUP4 GROUP6`. Prints who answered the echo in each family.
"""
import socket
import struct
import sys
import time

from scapy.all import IP, ICMPv6MLQuery, ICMPv6MLQuery2, IPOption_Router_Alert, IPv6, conf
from scapy.all import IPv6ExtHdrHopByHop, RouterAlert
from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3mq

conf.verb = 0
conf.logLevel = 40
device, group4, group6 = sys.argv[1:4]
index = socket.if_nametoindex(device)

ask = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ask.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", b"\0" * 4, b"\0" * 4, index))
ask.settimeout(5)
ask.sendto(b"who is there?", (group4, 7))
print(ask.recvfrom(100)[1][0])
ask = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ask.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
ask.settimeout(5)
ask.sendto(b"who is there?", (group6, 7))
print(ask.recvfrom(100)[1][0])

alert4 = {"ttl": 1, "options": [IPOption_Router_Alert()], "src": "10.77.0.1", "dst": "224.0.0.1"}
head6 = IPv6(src="fe80::1", dst="ff02::1", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()])


def send(packet):
    """Straight into the device: the kernel's routes have no say in who asks."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as raw:
        raw.sendto(bytes(packet), (device, 0x86DD if IPv6 in packet else 0x0800))


# The newest first: an old querier silences the newest words for minutes.
send(IP(**alert4) / IGMPv3(type=0x11, mrcode=2) / IGMPv3mq(gaddr="0.0.0.0"))
send(head6 / ICMPv6MLQuery2(mrd=100))
time.sleep(1)
send(IP(**alert4) / IGMP(type=0x11, mrcode=2, gaddr="0.0.0.0"))
send(head6 / ICMPv6MLQuery(mrd=100))
time.sleep(1)
