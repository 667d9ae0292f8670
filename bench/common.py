# SPDX-License-Identifier: MIT
"""common.py - what the benchmarks share: one that tells how far it is and what went wrong, and how it is run"""
import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How runs are measured and told lies beside the echo servers, and what is said of bars beside the core figures.
sys.path += [str(HERE / "echo"), str(HERE / "core")]

import measure  # noqa: E402  pylint: disable=wrong-import-position

REPEATED = 0.1          # of all runs, at most, are taken again because strangers were busy
SPARE_DESCRIPTORS = 100
TROUBLES = (measure.Trouble, OSError, ValueError, subprocess.SubprocessError)


class Progress:
    """A bar on a terminal, else a line now and then; on stderr, for stdout is the result's."""

    def __init__(self, steps, name):
        self.steps, self.name, self.done, self.began, self.shown = max(steps, 1), name, 0, time.monotonic(), 0.0

    def step(self, words):
        share = self.done / self.steps
        self.done += 1
        if sys.stderr.isatty():
            bar = "#" * round(30 * share)
            print(f"\r\033[K[{bar:30}] {share:4.0%} {self.left(share)}{words}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown > 20:
            self.shown = time.monotonic()
            print(f"{self.name}: {share:.0%}, {self.left(share)}{words}", file=sys.stderr, flush=True)

    def left(self, share):
        seconds = (time.monotonic() - self.began) * (1 - share) / share if share > 0.02 else 0
        return f"{seconds / 60:.0f}:{seconds % 60:02.0f} left, " if seconds else ""

    def end(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def raise_descriptors():
    """Servers and load client inherit the limit; returns how many connections it allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 30 if hard == resource.RLIM_INFINITY else hard - SPARE_DESCRIPTORS


class Bench:
    """One benchmark. A subclass has figures (with troubles and missing), packages, measure, summary and write."""

    name = "bench"
    troubles = TROUBLES

    def __init__(self, options, build, pinned):
        self.options, self.build, self.again = options, build, 0
        self.way = measure.counter() if options.counts else None
        self.run = {"pinned": pinned, "date": time.strftime("%Y-%m-%d"), "repeated": 0,
                    "counter": self.way and self.way.name,
                    "valgrind": options.counts and bool(shutil.which("valgrind")), "load_before": load()}

    def attempt(self, what, function, *arguments):
        try:
            return function(*arguments)
        except self.troubles as trouble:
            self.figures.troubles.append(" ".join(f"{what}: {trouble}".split()))
            return None

    def calmest(self, what, function, *arguments):
        """As attempt; taken again while strangers are busy, as often as all of the benchmark may be."""
        run, repeated = measure.calmest(lambda: self.attempt(what, function, *arguments),
                                        min(self.options.again, self.again))
        self.again -= repeated
        self.run["repeated"] += repeated
        return run

    def progress(self, steps):
        return Progress(steps, self.name)

    def ended(self, progress):
        progress.end()
        self.run["load_after"] = load()

    def told(self, passed):
        """What --quick says: every case has run, and how fast does not matter."""
        for missing in self.figures.missing:
            print(f"skipped: {missing}")
        for trouble in self.figures.troubles:
            print(f"FAILED: {trouble}")
        print(f"{passed} passed, {len(self.figures.troubles)} failed, {len(self.figures.missing)} skipped")

    def tell_troubles(self):
        for trouble in self.figures.troubles:
            print(f"{self.name}: wrong: {trouble}")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (build)")
    return parser


def leave(number, _frame):
    raise SystemExit(128 + number)  # by way of every `finally` and `with`, so that no server stays behind


def begin(options, needed):
    """The build directory, if NEEDED is there; from now on a signal ends the benchmark and what it has started."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    build = Path(options.build).resolve()
    if not os.access(build / needed, os.X_OK):
        raise SystemExit(f"{os.path.basename(sys.argv[0])}: {build}/{needed} is not there; build first")
    return build


def carry_out(bench, quick):
    """All of it; returns the status of the program."""
    began = time.monotonic()
    if bench.packages and not quick:
        print(f"{bench.name}: not measured for want of {' '.join(bench.packages)}; `./bootstrap bench` installs them",
              flush=True)
    bench.measure()
    if quick:
        bench.check()
    else:
        bench.summary()
        print(f"\n{bench.name}: {bench.write()}, {time.monotonic() - began:.0f} s")
    return 1 if bench.figures.troubles else 0
