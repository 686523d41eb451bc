"""A headless Chromium at the end of its debugging pipe."""

import base64
import json
import os
import subprocess
import tempfile
import time


class Browser:
    """One browser with one page; `with Browser() as browser`."""

    def __init__(self, width=1100, height=900):
        ask_read, self.ask_write = os.pipe()
        say_read, say_write = os.pipe()
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.number = 0
        self.told = {"!console": [], "!requests": []}

        def pipes():
            # The browser reads from 3 and writes to 4.
            os.dup2(ask_read, 63)
            os.dup2(say_write, 64)
            os.dup2(63, 3)
            os.dup2(64, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
                 f"--window-size={width},{height}", "--user-data-dir=" + self.profile.name]
        # Certificates with this key are believed (SHA-256 of the key, in base 64), and no others that the system does not know.
        if os.environ.get("KEY"):
            flags.append("--ignore-certificate-errors-spki-list=" + os.environ["KEY"])
        self.process = subprocess.Popen(
            ["chromium", *flags, "about:blank"], preexec_fn=pipes, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(ask_read)
        os.close(say_write)
        self.said = os.fdopen(say_read, "rb")
        self.tab()

    def tab(self):
        """Goes on in a new tab."""
        target = self.ask("Target.createTarget", None, url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", None, targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.ask(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def hear(self):
        message = bytearray()
        while True:
            byte = self.said.read(1)
            if byte in (b"\0", b""):
                return json.loads(message)
            message += byte

    def note(self, event):
        """Keeps what the page said by itself."""
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.told["!requests"].append(params["request"]["url"])
        elif event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.told["!console"].append(params)

    def ask(self, method, session="", **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session or self.session
        os.write(self.ask_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.hear()
            if answer.get("id") == self.number:
                return answer["result"] if "result" in answer else answer
            self.note(answer)

    def evaluate(self, expression):
        """The raw answer to an expression; a promise is awaited."""
        return self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)

    def value(self, expression):
        return self.evaluate(expression).get("result", {}).get("value")

    def open(self, url):
        """Opens a page and waits until it is complete; returns the seconds that took."""
        begun = time.monotonic()
        self.ask("Page.navigate", url=url)
        # The page may still be on its way: what is asked of the old document is lost with it.
        while self.value("document.readyState + location.href") != "complete" + url:
            pass
        return time.monotonic() - begun

    def picture(self):
        return base64.b64decode(self.ask("Page.captureScreenshot")["data"])
