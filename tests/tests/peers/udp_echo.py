"""Sends UDP back to whoever sent it: `udp_echo.py ADDRESS PORT`. Ends with whoever started it."""
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
peer = socket.socket(family, socket.SOCK_DGRAM)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
peer.bind((host, port))
while True:
    data, whence = peer.recvfrom(70000)
    try:
        peer.sendto(data, whence)
    except OSError:
        # The path is narrower than was thought: the next one is cut.
        pass
