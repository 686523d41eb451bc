"""A Linux program whose TCP marks and counts: `ecn_peer.py listen|connect|probe ADDRESS PORT TCP_ECN`.

Sets `net.ipv4.tcp_ecn` of its own network namespace first. `listen` accepts one connection and echoes until the peer
finishes; `connect` sends 300 kB, reads them back and finishes. The last line says how many bytes came back, and how
many of its packets the peer has reported as marked: `echoed N delivered_ce M`, or `no connection`. `probe` only says
whether the kernel knows the policy: `known`, or `unknown policy`.
The count is `tcpi_delivered_ce`, 196 octets into `struct tcp_info` of linux/tcp.h.
"""

import socket
import struct
import sys

TCP_INFO = 11
LIMIT = 8.0


def echo(sock):
    total = 0
    while data := sock.recv(65536):
        sock.sendall(data)
        total += len(data)
    return total


def ask(sock):
    text = bytes(n % 251 for n in range(300_000))
    sent, back = 0, b""
    while len(back) < len(text):
        sent += sock.send(text[sent : sent + 16384])
        back += sock.recv(65536)
    return len(back) if back == text else -1


def main():
    how, address, port, policy = sys.argv[1:5]
    try:
        with open("/proc/sys/net/ipv4/tcp_ecn", "w") as setting:
            setting.write(policy)
    except OSError:
        print("unknown policy", flush=True)
        return
    if how == "probe":
        print("known", flush=True)
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(LIMIT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if how == "listen":
                sock.bind((address, int(port)))
                sock.listen()
                print("listening", flush=True)
                peer, _ = sock.accept()
                peer.settimeout(LIMIT)
                total = echo(peer)
            else:
                peer = sock
                peer.connect((address, int(port)))
                total = ask(peer)
        except OSError:
            print("no connection", flush=True)
            return
        info = peer.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
        (marked,) = struct.unpack_from("=I", info, 196)
        print(f"echoed {total} delivered_ce {marked}", flush=True)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)


main()
