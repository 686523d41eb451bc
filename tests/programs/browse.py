"""Opens a page in headless Chromium, runs lines of JavaScript in it, prints what they give.

Usage: browse.py URL SCREENSHOT < script
Each line of the script is an expression; a promise is awaited. A line of JSON comes out for each. Some lines are no
expressions: `open URL` goes on in a new tab, of which the picture is then taken; `!console` gives what the console was
told and what went wrong, `!requests` the addresses asked for.
"""

import json
import sys

from browser import Browser

url, screenshot = sys.argv[1], sys.argv[2]
with Browser() as browser:
    # A tab begins there; gone to, it would count as a page of the public network, which may not ask a private one.
    if url != "about:blank":
        browser.open(url)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "open":
            browser.tab()
            browser.open(rest)
        elif word in browser.told:
            # What was said until now is heard with the answer to this.
            browser.evaluate("0")
            print(json.dumps(browser.told[word]), flush=True)
        elif word:
            given = browser.evaluate(line)
            wrong = given.get("exceptionDetails")
            if "result" not in given:
                sys.exit(json.dumps(given))
            print(json.dumps(wrong["exception"]["description"] if wrong else given["result"].get("value")), flush=True)
    if screenshot != "-":
        with open(screenshot, "wb") as file:
            file.write(browser.picture())
