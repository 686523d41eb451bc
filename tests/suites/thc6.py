"""Judges thc-ipv6's implementation6 or fragmentation6 against our stack: `thc6.py TOOL TABLE`.

The tools know a reply when they see one, and no more: what else we said, and why we said nothing, is in our capture. Each case
runs by itself between two pings by their number. TABLE holds a line a case: number | what it is | what must be answered | the
reasons of drops that must be counted, in alphabetical order | where that is said. Prints what came; fails where it differs.
$OUTCROP is the program.
"""
import os
import subprocess
import sys

tool, table = sys.argv[1:3]
US, KERNEL, DEVICE = "fd77::2", "fd77::1", "outcrop0"
# The identifier of the pings between cases; their size is the number of the next case.
MARK = 0xBEEF
# implementation6 pings before and after each case; fragmentation6 can be told not to, and its cases have that identifier.
OWN = [MARK] if tool == "fragmentation6" else [MARK, 0xFACE]
CAPTURE = f"{tool}.pcapng"
# Frames of the kernel's own that are not for us.
ELSEWHERE = "ethernet:not-for-us"

with open(table, encoding="utf-8") as file:
    rows = [[cell.strip() for cell in line.split("|")] for line in file if "|" in line]
cases = {int(row[0]): row for row in rows}
# The tool numbers its packets by the second, and what such a case leaves waits for the rest of its packet.
leaving = "|".join(str(number) for number, row in cases.items() if "fragment:" in row[3])

script = f"""ping -6 -c1 -W60 -q {US}
for n in {" ".join(map(str, cases))}; do
    ping -6 -c1 -W60 -q -e {MARK} -s $n {US}
    timeout 60 atk6-{tool} {"-p " if tool == "fragmentation6" else ""}{DEVICE} {US} $n 2>&1 || true
    case $n in {leaving}) sleep 1.1 ;; esac
done
ping -6 -c1 -W60 -q -e {MARK} -s 1000 {US}"""
command = [os.environ["OUTCROP"], "run", "--tap", "--stats", "--capture", CAPTURE, "--", "sh", "-euc", script]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

fields = "ipv6.src ipv6.plen icmpv6.type icmpv6.code icmpv6.echo.identifier tcp.flags.reset frame.comment".split()
command = ["tshark", "-n", "-r", CAPTURE, "-Y", "ipv6", "-T", "fields", "-E", "occurrence=f"]
command += [part for field in fields for part in ("-e", field)]
frames = subprocess.run(command, check=True, capture_output=True, text=True).stdout

answers, reasons, case = {}, {}, None
for frame in frames.splitlines():
    src, plen, kind, code, ident, reset, comment = frame.split("\t")
    if ident and int(ident, 0) in OWN:
        if kind == "128" and int(ident, 0) == MARK:
            case = int(plen) - 8
        continue
    words = comment.split(",")[0].split(" ")
    drop = [word.removeprefix("drop=") for word in words if word.startswith("drop=")]
    if drop and drop != [ELSEWHERE]:
        reasons.setdefault(case, set()).add(drop[0])
    if "why=neighbor-solicitation" in words or not any(word.startswith("why=") for word in words):
        continue
    if kind in ("1", "4"):
        answers.setdefault(case, set()).add(f"error {kind}:{code}")
    elif kind == "129":
        answers.setdefault(case, set()).add("echo")
    elif reset in ("1", "True"):
        answers.setdefault(case, set()).add("reset")

wrong = 0
print("| case | what it is | answer | reasons counted | by |\n|---|---|---|---|---|")
for number, (_, what, *expected, by) in cases.items():
    came = [", ".join(sorted(found.get(number, ()))) for found in (answers, reasons)]
    verdict = "" if came == expected else f" **expected: {expected}**"
    wrong += came != expected
    print(f"| {number} | {what} | {came[0] or 'silence'} | {came[1]} | {by}{verdict} |")
print(f"\n{len(cases) - wrong} of {len(cases)} as expected")
sys.exit(wrong > 0)
