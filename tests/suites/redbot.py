"""Reads REDbot's reports in HAR and prints what it finds bad; fails if there is anything. Usage: redbot.py FILE.."""

import json
import sys

bad = 0
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        entries = json.load(file)["log"]["entries"]
    notes = [note for entry in entries for note in entry["_red_messages"]]
    levels = [note["level"] for note in notes]
    print("%s: %s" % (name, ", ".join("%d %s" % (levels.count(level), level) for level in sorted(set(levels)))))
    for note in notes:
        if note["level"] == "BAD":
            bad += 1
            print("  %s: %s" % (note["note_id"], note["summary"]))
    bad += not notes
sys.exit(bad > 0)
