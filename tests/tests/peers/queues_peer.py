"""The kernel's end of a TUN with several queues: many clients at once, and a server that is silent for a while.

Prints `ok` if every byte came back, in order.
"""
import random
import socket
import sys
import time

CLIENTS, ROUNDS, CALLERS = (int(word) for word in sys.argv[1:4])
# Longer than the kernel remembers an idle flow (3 s).
SILENCE = 4.5
STACK, KERNEL = "10.77.0.2", "10.77.0.1"


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        more = sock.recv(count - len(got))
        assert more, f"the end after {len(got)} of {count} bytes"
        got += more
    return bytes(got)


def main():
    chance = random.Random(1)
    server = socket.create_server((KERNEL, 9000), backlog=CALLERS)
    clients = [socket.create_connection((STACK, 7), timeout=60) for _ in range(CLIENTS)]
    for _ in range(ROUNDS):
        said = [chance.randbytes(chance.randint(1, 6000)) for _ in clients]
        for client, what in zip(clients, said):
            client.sendall(what)
        for client, what in zip(clients, said):
            assert exactly(client, len(what)) == what, "other bytes"
    for client in clients:
        client.close()
    callers = []
    for _ in range(CALLERS):
        server.settimeout(60)
        caller, _ = server.accept()
        caller.settimeout(60)
        assert exactly(caller, 5) == b"hello"
        callers.append(caller)
    time.sleep(SILENCE)
    for caller in callers:
        caller.sendall(b"still there?" * 1000)
    for caller in callers:
        assert exactly(caller, 12_000) == b"still there?" * 1000
        caller.close()
    print("ok")


main()
