"""Plays gunicorn's corpus of requests (the files of its source distribution) to a server. Usage: gunicorn.py FOLDER ADDRESS

A request counts as refused if its bytes are answered by a status that is about the message itself, or by none. Files whose
companion sets a limit or a dialect of gunicorn's own are passed over, and so are those of EXPLAINED.
"""

import os
import re
import socket
import sys

folder, address = sys.argv[1:]
ABOUT_THE_MESSAGE = {"400", "411", "413", "414", "417", "431", "501", "505"}
# Where we do otherwise on purpose: file, why.
EXPLAINED = {
    "valid/005": "a fragment is no part of a target (RFC 9112 3.2)",
    "valid/014": "nor are quotation marks of a query (RFC 3986 3.4)",
    "valid/031": "a method nobody knows: 501 (RFC 9110 9.1)",
    "valid/025": "a coding that is not known is answered 501 (RFC 9112 6.1)",
    "valid/025_line": "the same",
    "valid/029": "the same; identity is no coding any more (RFC 9112 7)",
    "valid/030": "the same",
    "valid/rfc9112_smuggle_gzip_chunked_01": "the same",
    "valid/rfc9112_smuggle_te_identity_chunked_01": "the same",
    "valid/rfc9112_target_absolute_userinfo_01": "a name and a password in a target are an error (RFC 9110 4.2.4)",
    "valid/rfc9112_target_authority_connect_01": "no tunnels here: 501 (RFC 9110 9.3.6)",
    "valid/rfc9112_target_authority_ipv6_01": "the same",
    "invalid/007": "a limit of gunicorn's: 8 KiB of one field; ours is the head's",
    "invalid/041": "two media types are the application's business",
}


def ask(data):
    with socket.create_connection((address, 80), 60) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while piece := sock.recv(65536):
                answer += piece
        except OSError:
            pass
    # An echo has begun when what follows is found wrong: it must not be brought to its end.
    if b"transfer-encoding: chunked" in answer.lower() and b"\r\n0\r\n" not in answer:
        return []
    return [status for status in re.findall(r"HTTP/1\.1 (\d{3})", answer.decode("latin-1")) if status != "100"]


played, wrong = 0, []
for kind in ["valid", "invalid"]:
    for name in sorted(os.listdir(os.path.join(folder, kind))):
        path = os.path.join(folder, kind, name)
        case = "%s/%s" % (kind, name.removesuffix(".http"))
        if not name.endswith(".http"):
            continue
        with open(path.removesuffix(".http") + ".py", encoding="utf-8") as file:
            if "cfg.set" in file.read() or case in EXPLAINED:
                continue
        with open(path, "rb") as file:
            data = file.read().replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
        data = data.replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t")
        data = re.sub(rb"\\x([0-9a-f]{2})", lambda hexadecimal: bytes([int(hexadecimal[1], 16)]), data)
        # Only an echo reads bodies. And theirs is a server of its own mind about Host (RFC 9112 3.2: without it, 400).
        data = re.sub(rb"\A(POST|PUT) /\S* HTTP", rb"\1 /_echo HTTP", data)
        if kind == "valid" and b"host:" not in data.lower():
            data = data.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nHost: added\r\n")
        said = ask(data)
        played += 1
        refused = not said or any(status in ABOUT_THE_MESSAGE for status in said)
        if refused != (kind == "invalid"):
            wrong.append(case)
            print("%s: %s for %r" % (case, said, data[:300]))
print("%d requests, %d otherwise, %d explained" % (played, len(wrong), len(EXPLAINED)))
sys.exit(bool(wrong))
