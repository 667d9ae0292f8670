#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""programs.py - runs all comparisons of real programs, each within its time, and joins their tables

Each part writes its table to programs-NAME.md in the current directory; all of them become programs.md there.  With
--renew and without a failure that is what PROGRAMS.md at the top of the tree becomes, too.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

# Seconds that each may take: 29 minutes in all.
PARTS = {"connections": 660, "tools": 300, "drivers": 240, "events": 330, "daily": 210}

INTRO = """# Real programs, natively and under `green run`

Programs that others wrote, as Debian packages them, and short servers over other people's libraries; nothing is
changed or linked anew. Each row is a fresh process, the native and the green one beside each other, with the same
client and the same requests. Every byte of every answer is compared, and each green run has shown by its counters that
all its threads were green.

`make -C build programs-table` makes this page anew; `./bootstrap programs` makes another, programs.md in
build/tests/programs. This one is of {date}: {machine}, {cores} cores, {memory:.0f} GB, Linux {kernel}, {libc}.

{results}

- *kernel threads*: of the process, while all its connections are open and idle
- *RSS*, *kernel stacks*, *page tables*: what the kernel charges the process; stacks are 16 KB for each kernel thread,
  and RSS shows neither them nor page tables
- *CPU a request*: processor time of the program, user and system, divided by the requests
- *waits a request*: how often one of its kernel threads went to sleep (voluntary context switches), divided likewise
- *p50*, *p99*: how long an answer took the client that keeps all connections busy at once
- *wrong*, *missing*: answers that differ in a byte, and that never came
- *ends with*: the exit status after SIGTERM, or the signal that killed it as a negative number

With one connection there is nothing to gain: the row shows what the shim costs. Program and client share the cores,
and on a busy machine a hundred native threads get more of them than one, so requests a second and p99 that differ by a
fifth say nothing; CPython's, Ruby's and Java's native figures differ up to fourfold from run to run. CPU and waits are
steadier.

"""


def run_part(name, limit, options):
    """The part's closing line, or what went wrong in its place."""
    table = f"programs-{name}.md"
    if os.path.exists(table):
        os.unlink(table)
    script = os.path.join(HERE, f"{name}.py")
    process = subprocess.Popen(["timeout", "-k", "10", str(limit), sys.executable, script, "--build", options.build],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    closing = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        closing = line.strip() if re.match(r"\d+ passed, \d+ failed, \d+ skipped$", line) else closing
    status = process.wait()
    if status == 124:
        closing = f"not done in {limit} s"
    return f"{name}: {closing or f'ended with {status}'}", status == 0


def first_line_of(path, name):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(name)), "")


def intro(results):
    return INTRO.format(date=time.strftime("%Y-%m-%d"), libc=" ".join(platform.libc_ver()), kernel=platform.release(),
                        machine=first_line_of("/proc/cpuinfo", "model name") or platform.machine(),
                        cores=len(os.sched_getaffinity(0)),
                        memory=int(first_line_of("/proc/meminfo", "MemTotal").split()[0]) / 1024**2,
                        results="\n".join(f"- {line}" for line in results))


def join(results, parts):
    with open("programs.md", "w", encoding="utf-8") as page:
        page.write(intro(results))
        for name in parts:
            if os.path.exists(f"programs-{name}.md"):
                with open(f"programs-{name}.md", encoding="utf-8") as file:
                    page.write(file.read().strip() + "\n\n")


def parse_options():
    parser = argparse.ArgumentParser(description="Compares real programs natively and under `green run`.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (default: build)")
    parser.add_argument("--renew", action="store_true", help="make PROGRAMS.md at the top of the tree anew")
    parser.add_argument("parts", nargs="*", default=[], metavar="PART", help=f"only these of {', '.join(PARTS)}")
    return parser.parse_args()


def main():
    options = parse_options()
    options.build = os.path.abspath(options.build)
    # A tree need not have all the parts.
    parts = [name for name in options.parts or PARTS if os.path.exists(os.path.join(HERE, f"{name}.py"))]
    done = [run_part(name, PARTS[name], options) for name in parts]
    join([line for line, _ in done], parts)
    good = all(passed for _, passed in done)
    print("\n".join(line for line, _ in done))
    if options.renew and good:
        shutil.copyfile("programs.md", os.path.join(TOP, "PROGRAMS.md"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
