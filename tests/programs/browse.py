"""Drives headless Chromium over its debugging pipe: opens a page, runs lines of JavaScript in it, prints what they give.

Usage: browse.py URL SCREENSHOT < script
Each line of the script is an expression; a promise is awaited. A line of JSON comes out for each. `open URL` goes on in a
new tab, of which the picture is then taken.
"""

import json
import os
import subprocess
import sys
import tempfile

url, screenshot = sys.argv[1], sys.argv[2]
ask_read, ask_write = os.pipe()
say_read, say_write = os.pipe()
profile = tempfile.TemporaryDirectory()


def fds():
    # The browser reads from 3 and writes to 4.
    os.dup2(ask_read, 63)
    os.dup2(say_write, 64)
    os.dup2(63, 3)
    os.dup2(64, 4)


flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1100,900",
         "--user-data-dir=" + profile.name]
# Certificates with this key are believed (SHA-256 of the key, in base 64), and no others that the system does not know.
if os.environ.get("KEY"):
    flags.append("--ignore-certificate-errors-spki-list=" + os.environ["KEY"])
browser = subprocess.Popen(["chromium", *flags, "about:blank"], preexec_fn=fds, close_fds=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.close(ask_read)
os.close(say_write)
said = os.fdopen(say_read, "rb")
number = 0


def hear():
    message = bytearray()
    while True:
        byte = said.read(1)
        if byte in (b"\0", b""):
            return json.loads(message)
        message += byte


def ask(method, session=None, **params):
    global number
    number += 1
    message = {"id": number, "method": method, "params": params}
    if session:
        message["sessionId"] = session
    os.write(ask_write, json.dumps(message).encode() + b"\0")
    while True:
        answer = hear()
        if answer.get("id") == number:
            return answer["result"] if "result" in answer else answer


def open_page(url):
    target = ask("Target.createTarget", url=url)["targetId"]
    session = ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    # The page may still be on its way: what is asked of the old document is lost with it.
    while ask("Runtime.evaluate", session, expression="document.readyState + location.href",
              returnByValue=True).get("result", {}).get("value") != "complete" + url:
        pass
    return session


try:
    session = open_page(url)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "open":
            session = open_page(rest)
        elif word:
            given = ask("Runtime.evaluate", session, expression=line, awaitPromise=True, returnByValue=True)
            wrong = given.get("exceptionDetails")
            if "result" not in given:
                sys.exit(json.dumps(given))
            print(json.dumps(wrong["exception"]["description"] if wrong else given["result"].get("value")), flush=True)
    if screenshot != "-":
        import base64
        shot = ask("Page.captureScreenshot", session)["data"]
        with open(screenshot, "wb") as file:
            file.write(base64.b64decode(shot))
finally:
    browser.terminate()
    browser.wait()
