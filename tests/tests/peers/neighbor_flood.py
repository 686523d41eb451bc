"""Floods of a link's own messages: `neighbor_flood.py DEVICE MAC COUNT`, to 10.77.0.2 and fd77::2 at MAC.

From COUNT stations of either family that do not exist: questions for our address, answers nobody asked for, and echo requests
whose answer makes us look for a station that never says a word.
"""
import socket
import struct
import sys

device, mac, count = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((device, 0))
US4 = bytes([10, 77, 0, 2])
US6 = socket.inet_pton(socket.AF_INET6, "fd77::2")
GROUP = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:2")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", total ^ 0xFFFF)


def arp(operation, dst, station, sender, hardware=bytes(6)):
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + station + sender + hardware + US4
    link.send(dst + station + b"\x08\x06" + body)


def six(dst, station, src, to, message):
    pseudo = src + to + struct.pack(">II", len(message), 58)
    message = message[:2] + checksum(pseudo + message) + message[4:]
    head = struct.pack(">IHBB", 0x60000000, len(message), 58, 255)
    link.send(dst + station + b"\x86\xdd" + head + src + to + message)


def ping4(station, src):
    echo = struct.pack(">BBHHH", 8, 0, 0, 7, 7)
    echo = echo[:2] + checksum(echo) + echo[4:]
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, src, US4)
    head = head[:10] + checksum(head) + head[12:]
    link.send(mac + station + b"\x08\x00" + head + echo)


for n in range(count):
    # Three thousand stations at most in each part of the network: it has 65,534.
    station = b"\x02\x00\x00\x07" + struct.pack(">H", n)
    asks4, tells4, pings4 = (struct.pack(">BBH", 10, 77, base + n) for base in (0x1000, 0x4000, 0x8000))
    asks6, tells6, pings6 = (socket.inet_pton(socket.AF_INET6, f"fd77::{kind}:{n:x}") for kind in (7, 8, 9))
    arp(1, b"\xff" * 6, station, asks4)
    six(b"\x33\x33\xff\0\0\x02", station, asks6, GROUP, b"\x87\0\0\0\0\0\0\0" + US6 + b"\x01\x01" + station)
    arp(2, mac, station, tells4, mac)
    six(mac, station, tells6, US6, b"\x88\0\0\0\x20\0\0\0" + tells6 + b"\x02\x01" + station)
    ping4(station, pings4)
    six(mac, station, pings6, US6, struct.pack(">BBHHH", 128, 0, 0, 7, 7))
print("flooded")
