"""Sends numbered datagrams and checks what comes back: `udp_ask.py ADDRESS PORT COUNT SIZE`.

Prints how many came back; ends with 1 if one came back changed. A datagram is sent again while nothing comes back and
the kernel says that it is too long for the path, so that path MTU discovery is seen to recover.
"""
import random
import socket
import sys

host, port, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
v6 = ":" in host
ask = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
ask.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
# IP_MTU_DISCOVER, IP_PMTUDISC_WANT; IPV6_MTU_DISCOVER, the same.
ask.setsockopt(*((41, 23, 1) if v6 else (0, 10, 1)))
ask.settimeout(0.3)
ask.connect((host, port))
back = 0
for number in range(count):
    data = number.to_bytes(4, "big") + random.Random(number).randbytes(size - 4)
    try:
        ask.send(data)
        while True:
            got = ask.recv(70000)
            if got[:4] == data[:4]:
                break
        if got != data:
            sys.exit(f"datagram {number} came back changed")
        back += 1
    except (TimeoutError, OSError):
        pass
print(back)
