"""A server with habits, and a proxy that knows CONNECT and whole URLs, for what a client must cope with. Usage: odd_server.py PORT"""

import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

tries = {}
DATA = bytes(range(256)) * 400


class Odd(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_CONNECT(self):
        host, port = self.path.rsplit(":", 1)
        self.send_response(200)
        self.end_headers()
        far = socket.create_connection((host.strip("[]"), int(port)))

        def copy(a, b):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=copy, args=(self.connection, far))
        thread.start()
        copy(far, self.connection)
        thread.join()
        self.close_connection = True

    def forward(self):
        request = urllib.request.Request(self.path, method=self.command)
        for name in ("Accept-Encoding", "Range"):
            if name in self.headers:
                request.add_header(name, self.headers[name])
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            coding = answer.headers.get("Content-Encoding")
            self.say(answer.status, body, Via="1.1 odd", **({"Content_Encoding": coding} if coding else {}))

    def half(self):
        """All of it is announced and half of it sent, until the rest is asked for."""
        at = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if at and self.headers.get("If-Range") == '"half"':
            self.say(206, DATA[at:], Content_Range="bytes %d-%d/%d" % (at, len(DATA) - 1, len(DATA)), ETag='"half"')
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.send_header("ETag", '"half"')
        self.end_headers()
        self.wfile.write(DATA[:50000])
        self.close_connection = True

    def do_GET(self):
        if self.path.startswith("http://"):
            self.forward()
            return
        if self.path == "/half":
            self.half()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        tries[self.path] = tries.get(self.path, 0) + 1
        if self.path == "/hop":
            self.say(302, Location="/jump", Set_Cookie="seen=hop")
        elif self.path == "/jump":
            self.say(307, Location="../echo?x")
        elif self.path == "/round":
            self.say(302, Location="/round")
        elif self.path == "/away":
            self.say(302, Location="http://10.77.0.1:%s/echo" % (int(sys.argv[1]) + 1))
        elif self.path == "/busy" and tries[self.path] < 3:
            self.say(503, b"later", Retry_After="0")
        elif self.path.startswith("/kept"):
            tag = '"%s"' % self.path
            if self.headers.get("If-None-Match") == tag:
                self.say(304, ETag=tag, Cache_Control="max-age=0")
            else:
                life = self.path.rsplit("-", 1)[-1]
                self.say(200, b"try %d\n" % tries[self.path], ETag=tag, Cache_Control="max-age=" + life)
        elif self.path.startswith("/port"):
            self.say(200, b"%d\n" % self.client_address[1])
        elif self.path == "/data":
            start = self.headers.get("Range", "bytes=0-")[6:-1]
            at = int(start)
            if at >= len(DATA):
                self.say(416, Content_Range="bytes */%d" % len(DATA))
            elif at:
                self.say(206, DATA[at:], Content_Range="bytes %d-%d/%d" % (at, len(DATA) - 1, len(DATA)))
            else:
                self.say(200, DATA)
        else:
            shown = [n + "=" + self.headers[n] for n in ("Authorization", "Cookie", "Content-Type", "X-Own", "Accept") if n in self.headers]
            self.say(200, ("%s %s [%s] %s\n" % (self.command, self.path, body[:40].decode(), "; ".join(shown))).encode())

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *args):
        pass


first = ThreadingHTTPServer(("", int(sys.argv[1])), Odd)
second = ThreadingHTTPServer(("", int(sys.argv[1]) + 1), Odd)
threading.Thread(target=second.serve_forever, daemon=True).start()
first.serve_forever()
