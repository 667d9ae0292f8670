# SPDX-License-Identifier: MIT
"""suite_glib.py - the tests that GLib installs: threads, pools, main loops, sockets, processes, D-Bus"""

import glob
import os
import re

from common import failure, missing_package

DESCRIPTIONS = "/usr/share/installed-tests/glib"
PROGRAMS = "/usr/libexec/installed-tests/glib"
PROGRAM_LIMIT = 180
FAST = (
    "async-splice-output-stream asyncqueue atomic bitlock cancellable cond gdbus-threading mutex once onceinit private "
    "socket-service spawn-test task thread thread-pool unix"
).split()

# To root nothing is forbidden, and this one then makes folders in /usr.
NOT_AS_ROOT = ("fileutils",)

# What a line of the Test Anything Protocol says: the result, the name of the case, and a remark.
LINE = re.compile(r"^(not )?ok \d+ (?:- )?([^#\n]*?) *(?:# *(SKIP|TODO)\b.*)?$", re.IGNORECASE | re.MULTILINE)


class Suite:
    name = "glib"

    def needs(self):
        return missing_package(PROGRAMS, "libglib2.0-tests")

    def run(self, mode, fast, context):
        outcomes = {}
        programs = [name for name in (FAST if fast else all_programs()) if wanted(name, context)]
        for found in context.map(lambda name: run_program(name, mode, context), programs):
            outcomes.update(found)
        return outcomes


def all_programs():
    names = sorted(os.path.basename(path).removesuffix(".test") for path in glob.glob(f"{DESCRIPTIONS}/*.test"))
    return [name for name in names if os.geteuid() != 0 or name not in NOT_AS_ROOT]


def wanted(name, context):
    return not context.only or any(case.split(" ")[0] == name for case in context.only)


def homes(directory):
    """Everything that a program could look for, or leave, in the home of who runs it."""
    names = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TMPDIR")
    found = {name: os.path.join(directory, name) for name in names}
    for path in found.values():
        os.makedirs(path, mode=0o700)
    return found


def argv(name):
    with open(f"{DESCRIPTIONS}/{name}.test", encoding="utf-8") as file:
        return next(line for line in file if line.startswith("Exec=")).removeprefix("Exec=").split()


def run_program(name, mode, context):
    """Each case that the program reports, and how the program itself ended."""
    directory = os.path.join(context.scratch, name)
    run = context.run(argv(name), mode, PROGRAM_LIMIT, directory=PROGRAMS, **homes(directory))
    outcomes = read_cases(name, run.stdout.decode(errors="replace"))
    outcomes[name] = ended(run)
    for case, outcome in outcomes.items():
        if outcome not in ("pass", "skip"):
            context.detail(case, f"{run.text()[-3000:]}\n{run.hang or ''}")
    return outcomes


def ended(run):
    if run.hang:
        return failure(f"it hung for {PROGRAM_LIMIT} s")
    return {0: "pass", 77: "skip"}.get(run.status) or failure(f"status {run.status}")


def read_cases(name, text):
    outcomes = {}
    for bad, case, remark in LINE.findall(text):
        outcome = "skip" if remark else "fail" if bad else "pass"
        # Some name themselves after the seed of their random numbers.
        key = f"{name} {re.sub('seed:[0-9]+', 'seed', case)}"
        if outcomes.get(key) != "fail":
            outcomes[key] = outcome
    return outcomes
