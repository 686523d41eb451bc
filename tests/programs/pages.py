"""The page, looked at: pictures for the book, and how long a long capture takes to open.

Usage: pages.py OUTCROP pictures FOLDER    three widths, light and dark, of fixtures; PNG, for docs/book/src/img
       pages.py OUTCROP speed [ROUNDS]     a capture of 100,000 packets beside one of 1,000: the ratio of page loads
OUTCROP is the built program. Nothing here is a test: pictures are reviewed, and speed depends on the machine.
"""

import os
import struct
import subprocess
import sys
import tempfile

from browser import Browser

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# Name, width, height, dark, what to do first.
PICTURES = [
    ("page-wide", ["retransmission.pcapng"], 1600, 900, False, "document.querySelector('main').scrollIntoView()", "#p13"),
    ("page-middle", ["retransmission.pcapng"], 1024, 900, True, "document.querySelector('main').scrollIntoView()", "#p13"),
    ("page-narrow", ["retransmission.pcapng"], 390, 844, False, "0", ""),
    ("page-narrow-xray", ["retransmission.pcapng"], 390, 844, False, "document.getElementById('read').click()", "#p13"),
    ("page-first", ["pipeline.pcapng"], 1600, 1000, False, "0", ""),
    ("page-what-if", ["retransmission.pcapng", "--what-if", "drop:7"], 1400, 1000, False, "0", ""),
]


def inspect(outcrop, into, capture, *more):
    subprocess.run([outcrop, "inspect", capture, *more, "-o", into], check=True, stdout=subprocess.DEVNULL)


def pictures(outcrop, folder):
    with tempfile.TemporaryDirectory() as work, Browser() as browser:
        page = os.path.join(work, "page.html")
        for name, (fixture, *more), width, height, dark, first, at in PICTURES:
            inspect(outcrop, page, os.path.join(ROOT, "fixtures", fixture), *more)
            browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                        mobile=width < 600)
            scheme = "dark" if dark else "light"
            browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.open("about:blank")
            browser.open("file://" + page + at)
            browser.value(first)
            into = os.path.join(folder, name + ".png")
            with open(into, "wb") as file:
                file.write(browser.picture())
            print(into, os.path.getsize(into), "bytes")


def capture(path, packets):
    """A classic pcap: one end sends full segments, the other acknowledges every third."""
    def packet(ends, seq, ack, flags, payload):
        tcp = struct.pack(">HHIIBBHHH", ends[2], ends[3], seq, ack, 0x50, flags, 65000, 0, 0) + b"x" * payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
        return ip + ends[0] + ends[1] + tcp

    client, server = bytes([10, 77, 0, 1]), bytes([10, 77, 0, 2])
    up, down = (client, server, 40000, 80), (server, client, 80, 40000)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        seq = 1
        for number in range(packets):
            if number == 0:
                data = packet(up, 0, 0, 2, 0)
            elif number == 1:
                data = packet(down, 0, 1, 18, 0)
            elif number % 4 == 2:
                data = packet(up, 1, seq, 16, 0)
            else:
                data = packet(down, seq, 1, 16, 1000)
                seq += 1000
            file.write(struct.pack("<IIII", 1 + number // 4000, number % 4000 * 250, min(len(data), 96), len(data)))
            file.write(data[:96])


def speed(outcrop, rounds):
    counts = (1_000, 100_000)
    times = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as work, Browser() as browser:
        for count in counts:
            capture(os.path.join(work, f"{count}.pcap"), count)
            inspect(outcrop, os.path.join(work, f"{count}.html"), os.path.join(work, f"{count}.pcap"))
        # Interleaved: what else the machine does meets both.
        for _ in range(rounds):
            for count in counts:
                browser.open("about:blank")
                times[count].append(browser.open(f"file://{work}/{count}.html"))
        for count in counts:
            took = sorted(times[count])
            size = os.path.getsize(os.path.join(work, f"{count}.html"))
            print(f"{count:7} packets: median {took[len(took) // 2]:.2f} s ({took[0]:.2f} to {took[-1]:.2f}), {size} bytes")
    low, high = (sorted(times[count])[rounds // 2] for count in counts)
    print(f"ratio {high / low:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2] == "pictures":
        pictures(sys.argv[1], sys.argv[3])
    elif len(sys.argv) in (3, 4) and sys.argv[2] == "speed":
        speed(sys.argv[1], int(sys.argv[3]) if len(sys.argv) == 4 else 5)
    else:
        sys.exit(__doc__)
