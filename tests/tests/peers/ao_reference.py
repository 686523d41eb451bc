"""RFC 5925 and RFC 5926 from their words: `ao_reference.py < conversation`.

A line is `key RECV_ID ALGORITHM all|ao SECRET` (RECV_ID: the KeyID on the wire) or `segment SRC DST HEX`, all in hex but
the words. Prints how many segments carried a good MAC and fails at the first that does not. HMAC-SHA-1 is hashlib's,
AES-128-CMAC is that of `openssl mac`. Initial numbers are taken from the SYNs; the extension of a number is how
often 2^32 has been passed since its own SYN, so a conversation of less than 4 GiB each way is judged rightly.
"""

import hmac
import ipaddress
import struct
import subprocess
import sys


def cmac(key, text):
    command = ["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{key.hex()}", "-in", "-", "CMAC"]
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    return bytes.fromhex(done.stdout.decode().strip())


def sha1(key, text):
    return hmac.digest(key, text, "sha1")


def traffic_key(algorithm, secret, context):
    if algorithm == "sha1":
        return sha1(secret, b"\x01TCP-AO" + context + b"\x00\xa0")
    key = secret if len(secret) == 16 else cmac(bytes(16), secret)
    return cmac(key, b"\x01TCP-AO" + context + b"\x00\x80")


def options(header):
    at = 20
    while at < len(header) and header[at] != 0:
        size = 1 if header[at] == 1 else header[at + 1]
        yield at, header[at], header[at : at + size]
        at += size


def pseudo_header(src, dst, size):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, 6, size)
    return src + dst + struct.pack("!II", size, 6)


class Conversation:
    def __init__(self):
        self.keys = {}
        self.isns = {}

    def check(self, src, dst, segment):
        sport, dport, seq, ack, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        header, payload = segment[: (offset >> 4) * 4], segment[(offset >> 4) * 4 :]
        ours, theirs = (src, sport), (dst, dport)
        syn, has_ack = flags & 2, flags & 16
        if syn:
            self.isns[ours] = seq
        found = [(at, option) for at, kind, option in options(header) if kind == 29]
        assert len(found) == 1, "one option"
        at, option = found[0]
        algorithm, covers, secret = self.keys[option[2]]
        src_isn = self.isns[ours]
        dst_isn = self.isns[theirs] if not syn or has_ack else 0
        context = src + dst + struct.pack("!HHII", sport, dport, src_isn, dst_isn)
        key = traffic_key(algorithm, secret, context)
        sne = (src_isn + ((seq - src_isn) & 0xFFFFFFFF)) >> 32
        blank = header[at : at + 4] + bytes(len(option) - 4)
        shown = header[20:at] + blank + header[at + len(option) :] if covers == "all" else blank
        fixed = header[:16] + b"\0\0" + header[18:20]
        text = struct.pack("!I", sne) + pseudo_header(src, dst, len(segment)) + fixed + shown + payload
        mac = (sha1 if algorithm == "sha1" else cmac)(key, text)[:12]
        assert mac == option[4:], f"{segment.hex()}: {mac.hex()}"
        return sne


def main():
    talk, count, furthest = Conversation(), 0, 0
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "key":
            key_id, algorithm, covers, secret = rest
            talk.keys[int(key_id, 16)] = (algorithm, covers, bytes.fromhex(secret))
        else:
            src, dst = (ipaddress.ip_address(text).packed for text in rest[:2])
            furthest = max(furthest, talk.check(src, dst, bytes.fromhex(rest[2])))
            count += 1
    print(f"{count} good, extension up to {furthest}")


main()
