#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""drive.py - runs the torture natively and under `green run`, at the usual pace and with ticks at 100 us"""

import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

from harness import Failure, check_stats, explain, run  # noqa: E402  pylint: disable=wrong-import-position

WORKERS = 12
# What ends the program itself: half a minute without progress, and the counting at the end.
GRACE = 90
EXPECTED = b"nothing is lost\n"


def parse_options():
    parser = argparse.ArgumentParser(description="Runs the torture natively and under the shim.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (default: build)")
    parser.add_argument("--seconds", type=float, default=4, metavar="N", help="how long each run lasts (default: 4)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(40), metavar="N",
                        help="what decides the order of things (default: at random; it is printed)")
    parser.add_argument("--pace", action="append", default=[], metavar="PACE",
                        help="native, default, or a time for GREEN_TIMESLICE (default: native, default and 100us)")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.pace = options.pace or ["native", "default", "100us"]
    return options


def torture(pace, options):
    """What the run said of itself on stderr."""
    program = os.path.join(options.build, "tests", "torture", "torture")
    command = [program, f"--seed={options.seed}", f"--seconds={options.seconds}", f"--workers={WORKERS}"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("GREEN_") and k != "LD_PRELOAD"}
    if pace not in ("native", "default"):
        env["GREEN_TIMESLICE"] = pace
    green = os.path.join(options.build, "green") if pace != "native" else None
    result = run(command, limit=options.seconds + GRACE, env=env, green=green)
    if result.hang or result.status != 0 or result.stdout != EXPECTED:
        raise Failure("hangs" if result.hang else f"status {result.status}", result)
    if green:
        own = result.stats.get(result.pid)
        # Children that the program forks end by _exit in the middle of it all; its own counters are what matters.
        result.stats = {result.pid: own} if own else {}
        check_stats(result, WORKERS)
    return ", ".join(result.stderr.decode().splitlines()[1:])


def main():
    options = parse_options()
    failed = 0
    print(f"--seed={options.seed} --seconds={options.seconds:g}", flush=True)
    for pace in options.pace:
        try:
            print(f"passed {pace}: {torture(pace, options)}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"failed {pace}: {failure}\n{explain(failure, True)}".rstrip(), flush=True)
    print(f"{len(options.pace) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
