"""A Linux program that talks TCP under RFC 2385, or without: `md5_peer.py listen|connect ADDRESS PORT PEER [KEY]`.

`listen` accepts one connection within ten seconds and echoes until the peer finishes. `connect` sends 300 kB, reads
them back and finishes. The last line printed says how it went: `echoed N`, `no connection`, or `wrong bytes`.
The kernel signs and checks: TCP_MD5SIG (14) takes a struct of a socket address, the key's length and the key.
"""

import socket
import struct
import sys

TCP_MD5SIG = 14
LIMIT = 4.0


def protect(sock, peer, key):
    family = sock.family
    if family == socket.AF_INET6:
        addr = struct.pack("=HHI16sI", family, 0, 0, socket.inet_pton(family, peer), 0)
    else:
        addr = struct.pack("=HH4s", family, 0, socket.inet_pton(family, peer))
    option = addr.ljust(128, b"\0") + struct.pack("=BBHi80s", 0, 0, len(key), 0, key)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, option)


def echo(sock):
    total = 0
    while data := sock.recv(65536):
        sock.sendall(data)
        total += len(data)
    return total


def ask(sock):
    text = bytes(n % 251 for n in range(300_000))
    sent, back = 0, b""
    sock.setblocking(True)
    while len(back) < len(text):
        sent += sock.send(text[sent : sent + 16384])
        back += sock.recv(65536)
    sock.shutdown(socket.SHUT_WR)
    return len(back) if back == text and sock.recv(1) == b"" else -1


def main():
    how, address, port, peer = sys.argv[1:5]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(LIMIT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if len(sys.argv) > 5:
            protect(sock, peer, sys.argv[5].encode())
        try:
            if how == "listen":
                sock.bind((address, int(port)))
                sock.listen()
                print("listening", flush=True)
                accepted, _ = sock.accept()
                accepted.settimeout(LIMIT)
                total = echo(accepted)
            else:
                sock.connect((address, int(port)))
                total = ask(sock)
        except TimeoutError:
            print("no connection")
            return
    print(f"echoed {total}" if total >= 0 else "wrong bytes")


main()
