"""Opens a page in headless Chromium, runs lines of JavaScript in it, prints what they give.

Usage: browse.py URL SCREENSHOT < script
Each line of the script is an expression; a promise is awaited. A line of JSON comes out for each. Two lines are no
expressions: `!console` gives what the console was told and what went wrong, `!requests` the addresses asked for.
"""

import json
import sys

from browser import Browser

url, screenshot = sys.argv[1], sys.argv[2]
with Browser() as browser:
    browser.open(url)
    for line in sys.stdin:
        line = line.strip()
        if line in browser.told:
            # What was said until now is heard with the answer to this.
            browser.evaluate("0")
            print(json.dumps(browser.told[line]), flush=True)
        elif line:
            given = browser.evaluate(line)
            wrong = given.get("exceptionDetails")
            if "result" not in given:
                sys.exit(json.dumps(given))
            print(json.dumps(wrong["exception"]["description"] if wrong else given["result"].get("value")), flush=True)
    if screenshot != "-":
        with open(screenshot, "wb") as file:
            file.write(browser.picture())
