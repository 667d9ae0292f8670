#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""core.py - what the core operations of libgreen cost beside those of others; with --quick: does every case run?"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "echo"))  # what both benchmarks need lies there

# pylint: disable=wrong-import-position
import bars
import cases
import measure
import runs
import tables
from echo import TROUBLES, Progress, leave
from kinds import Missing, build_malloc_counter

PACKAGES = ["gcc", "golang-go", "libboost-context-dev", "libboost-fiber-dev", "libev-dev", "libpth-dev", "libst-dev",
            "libuv1-dev", "nodejs", "python3", "python3-gevent", "python3-greenlet", "python3-uvloop", "valgrind"]
QUICK_SIZE = 1000                   # of everything, with --quick
FIRST = 1000                        # units of the run that tells how many fill the time
LEAST, MOST = 100, 20000000         # units of a run
PLAUSIBLE = (0.2, 20e6)             # ns for one unit of anything, on any machine, under load
LEAST_KEPT = 100                    # bytes of anything that is parked
ROUNDS, OTHER_ROUNDS, DEAR_ROUNDS = 9, 5, 3     # of what a bar is about; of the rest; of what takes long of that
DEAR = 1.0                          # seconds, of any run
MEMORY_ROUNDS, OTHER_MEMORY_ROUNDS = 3, 1       # memory hardly varies
COUNTERS = {"instructions": runs.instructions, "allocations": runs.allocations, "kernel": runs.kernel_switches}


class Bench:
    def __init__(self, options, build):
        self.options, self.build = options, build
        wanted = options.only.split(",") if options.only else []
        known = cases.all_cases()
        keys = [*(case.key for case in known), "memory", "start"]
        if unknown := set(wanted) - set(keys):
            raise SystemExit(f"core.py: --only={','.join(sorted(unknown))}: choose from {' '.join(keys)}")
        memory = cases.memory() if not wanted or "memory" in wanted else []
        self.figures = tables.Figures([case for case in known if not wanted or case.key in wanted], memory)
        self.pairs = options.pairs if not wanted or "start" in wanted else 0
        self.judged = bars.keys_of(bars.all_bars())
        self.times, self.dear = {}, set()
        if options.quick:
            runs.Pinned.core = None     # no figure matters, and there is more than one core to be had
        self.packages = self.leave_out_missing()
        self.way = measure.counter() if options.counts else None
        self.run = {"rounds": options.rounds or ROUNDS, "other_rounds": options.rounds or OTHER_ROUNDS,
                    "dear_rounds": options.rounds or DEAR_ROUNDS, "milliseconds": options.milliseconds,
                    "date": time.strftime("%Y-%m-%d"),
                    "pinned": runs.Pinned.core is not None, "load_before": self.load(), "versions": versions(),
                    "counter": self.way and self.way.name,
                    "valgrind": options.counts and bool(shutil.which("valgrind"))}

    @staticmethod
    def load():
        return " ".join(f"{value:.2f}" for value in os.getloadavg())

    def leave_out_missing(self):
        """Builds all programs; cells whose program cannot run here go, and are named."""
        missing = {}
        cells = [*(cell for _, cell in self.figures.cells()), *self.figures.memory]
        for program in {cell.program for cell in cells}:
            try:
                program.prepare(self.build)
            except Missing as package:
                missing[program] = str(package)
        for case in self.figures.cases:
            gone = [cell for cell in case.cells if cell.program in missing]
            self.figures.missing += [f"{case.title}: {cell.label}: {missing[cell.program]} is not installed"
                                     for cell in gone]
            case.cells = [cell for cell in case.cells if cell not in gone]
        self.figures.missing += [f"Memory: {cell.label}: {missing[cell.program]} is not installed"
                                 for cell in self.figures.memory if cell.program in missing]
        self.figures.memory = [cell for cell in self.figures.memory if cell.program not in missing]
        return sorted(set(missing.values()))

    def attempt(self, what, function, *arguments):
        try:
            return function(*arguments)
        except TROUBLES as trouble:
            self.figures.troubles.append(" ".join(f"{what}: {trouble}".split()))
            return None

    # ---- time ----

    def size(self, case):
        return min(case.size, QUICK_SIZE) if self.options.quick else case.size

    def calibrate(self, case, cell):
        """How many units take about as long as a run shall; an even number, for some halve it."""
        begun = time.monotonic()
        if case.times or self.options.quick:
            self.times[cell.key] = QUICK_SIZE if self.options.quick else case.times
        elif first := self.attempt(cell.label, runs.time, self.build, cell, FIRST, self.size(case)):
            wanted = self.options.milliseconds * 1e6 / max(first[0], 0.5)
            self.times[cell.key] = int(min(max(wanted, LEAST), MOST)) // 2 * 2
        if time.monotonic() - begun > DEAR:
            self.dear.add(cell.key)

    def rounds(self, cell):
        if self.options.rounds or cell.key in self.judged:
            return self.run["rounds"]
        return DEAR_ROUNDS if cell.key in self.dear else OTHER_ROUNDS

    def time(self, case, cell):
        if cell.key in self.times:
            result = self.attempt(f"{case.title}, {cell.label}", runs.time, self.build, cell, self.times[cell.key],
                                  self.size(case))
            if result:
                self.figures.add(cell, *result)

    def round(self, number, progress):
        """Case by case, so that what is compared is measured close together."""
        self.figures.rounds.append({})
        for case in self.figures.cases:
            order = [cell for cell in case.cells if number < self.rounds(cell)]
            random.Random(f"{number} {case.key}").shuffle(order)
            for cell in order:
                progress.step(f"round {number + 1} of {self.run['rounds']}: {case.title}, {cell.label}")
                self.time(case, cell)

    # ---- memory, start ----

    def keep(self, cell):
        """What one keeps that is parked, if this machine has the memory for so many."""
        count = min(cell.count, QUICK_SIZE) if self.options.quick else cell.count
        if cell.native:
            count = cell.count = min(count, runs.most_threads())
        if count * cases.GUESSED_BYTES[cell.family] > runs.available():
            self.figures.missing.append(f"Memory: {cell.label}: this machine has too little for {count:,}")
        elif parts := self.attempt(f"Memory, {cell.label}", runs.memory, self.build, cell, count):
            self.figures.kept.setdefault(cell.key, []).append(parts)

    def memory_rounds(self, cell):
        return min(self.run["rounds"], MEMORY_ROUNDS if cell.key in self.judged else OTHER_MEMORY_ROUNDS)

    def keep_all(self, progress):
        for number in range(MEMORY_ROUNDS):
            order = [cell for cell in self.figures.memory if number < self.memory_rounds(cell)]
            random.Random(number).shuffle(order)
            for cell in order:
                progress.step(f"memory, round {number + 1} of {self.memory_rounds(cell)}: {cell.label}")
                self.keep(cell)

    def start(self, progress):
        progress.step("green run true")
        self.figures.starts = self.attempt("start", runs.start_pairs, self.build, self.pairs, random.Random(0)) or []

    # ---- counts ----

    def counted(self):
        """What to count of which cell."""
        for case, cell in self.figures.cells():
            if case.times:
                continue    # whose runs have the same length
            if self.run["valgrind"] and cell.counts_instructions:
                yield "instructions", case, cell
            if self.way:
                yield "calls", case, cell
            if cell.program is not cases.GO and cell.program not in cases.LEAVE_AT_ONCE:
                yield "allocations", case, cell
            yield "kernel", case, cell

    def count(self, what, case, cell):
        if what == "calls":
            value = self.attempt(f"{cell.label}, system calls", runs.system_calls, self.build, cell, case.size,
                                 self.way)
        else:
            value = self.attempt(f"{cell.label}, {tables.COUNTS[what]}", COUNTERS[what], self.build, cell, case.size)
        if value is not None:
            self.figures.counts[cell.key, what] = value

    def measure(self):
        cells, memory = self.figures.cells(), self.figures.memory
        counted = list(self.counted()) if self.options.counts else []
        steps = len(cells) + sum(map(self.memory_rounds, memory)) + len(counted) + 1
        progress = Progress(steps + sum(self.rounds(cell) for _, cell in cells), "bench-core")
        for case, cell in cells:
            progress.step(f"how long: {case.title}, {cell.label}")
            self.calibrate(case, cell)
        progress.steps = steps + sum(self.rounds(cell) for _, cell in cells)
        for number in range(self.run["rounds"]):
            self.round(number, progress)
        self.keep_all(progress)
        if self.pairs:
            self.start(progress)
        if counted:
            build_malloc_counter(self.build)
        for what, case, cell in counted:
            progress.step(f"{tables.COUNTS[what]}: {case.title}, {cell.label}")
            self.count(what, case, cell)
        progress.end()
        self.run["load_after"] = self.load()

    # ---- results ----

    def write(self):
        folder = self.build / cases.FOLDER
        (folder / "core.md").write_text(tables.markdown(self.figures, self.run, "core.svg"))
        (folder / "core.svg").write_text(tables.svg(self.figures))
        (folder / "core.json").write_text(json.dumps(tables.as_json(self.figures, self.run), indent=1) + "\n")
        return folder / "core.md"

    def check(self):
        """Every case has run, and no figure is absurd."""
        for case, cell in self.figures.cells():
            for value in self.figures.all(cell):
                if not PLAUSIBLE[0] < value < PLAUSIBLE[1]:
                    self.figures.troubles.append(f"{case.title}: {cell.label}: {value:g} ns is not plausible")
        for cell in self.figures.memory:
            for parts in self.figures.kept.get(cell.key, []):
                if not sum(parts) > LEAST_KEPT:
                    self.figures.troubles.append(f"Memory: {cell.label}: {sum(parts):g} bytes are not plausible")
        ran = [cell for _, cell in self.figures.cells() if self.figures.all(cell)] + list(self.figures.kept)
        for missing in self.figures.missing:
            print(f"skipped: {missing}")
        for trouble in self.figures.troubles:
            print(f"FAILED: {trouble}")
        print(f"{len(ran)} passed, {len(self.figures.troubles)} failed, {len(self.figures.missing)} skipped")

    def summary(self):
        tables.print_bars(bars.all_bars(), self.figures.scalars())
        for trouble in self.figures.troubles:
            print(f"bench-core: wrong: {trouble}")


def versions():
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return ["not known"]
    return [line for line in done.stdout.splitlines() if len(line.split()) == 2]


def parse():
    parser = argparse.ArgumentParser(description="Measures the core operations of libgreen beside those of others.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (build)")
    parser.add_argument("--quick", action="store_true", help="one short round: does every case run?")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="how often each is measured (9; where there is no bar 5, or 3)")
    parser.add_argument("--milliseconds", type=float, metavar="MS", help="how long each time (30)")
    parser.add_argument("--only", metavar="CASE,...", help="these cases; memory, start")
    parser.add_argument("--pairs", type=int, metavar="N", help="how often to start `green run true` (200)")
    parser.add_argument("--no-counts", dest="counts", action="store_false", help="times only")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else None)
    options.milliseconds = options.milliseconds or 30
    options.pairs = options.pairs or (3 if options.quick else 200)
    options.counts = options.counts and not options.quick
    return options


def main():
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    build = Path(options.build).resolve()
    if not os.access(build / cases.FOLDER / "green_core", os.X_OK):
        print(f"core.py: {build}/{cases.FOLDER}/green_core is not there; build first", file=sys.stderr)
        return 1
    bench, began = Bench(options, build), time.monotonic()
    if bench.packages and not options.quick:
        print(f"bench-core: not measured for want of {' '.join(bench.packages)}; `./bootstrap bench` installs them",
              flush=True)
    bench.measure()
    if options.quick:
        bench.check()
    else:
        bench.summary()
        print(f"\nbench-core: {bench.write()}, {time.monotonic() - began:.0f} s")
    return 1 if bench.figures.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
