#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""core.py - what the core operations of libgreen cost beside those of others; with --quick: does every case run?"""
import json
import random
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

# pylint: disable=wrong-import-position
import common
import bars
import cases
import runs
import tables
from kinds import Missing, build_malloc_counter
from report import versions

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


class Bench(common.Bench):
    name = "bench-core"

    def __init__(self, options, build):
        if options.quick:
            runs.Pinned.core = None     # no figure matters, and there is more than one core to be had
        super().__init__(options, build, runs.Pinned.core is not None)
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
        self.packages = self.leave_out_missing()
        self.run |= {"rounds": options.rounds or ROUNDS, "other_rounds": options.rounds or OTHER_ROUNDS,
                     "dear_rounds": options.rounds or DEAR_ROUNDS, "milliseconds": options.milliseconds,
                     "versions": versions(PACKAGES)}

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
        progress = self.progress(steps + sum(self.rounds(cell) for _, cell in cells))
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
        self.ended(progress)

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
        self.told(sum(bool(self.figures.all(cell)) for _, cell in self.figures.cells()) + len(self.figures.kept))

    def summary(self):
        tables.print_bars(bars.all_bars(), self.figures.scalars())
        self.tell_troubles()


def parse():
    parser = common.arguments("Measures the core operations of libgreen beside those of others.")
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
    build = common.begin(options, f"{cases.FOLDER}/green_core")
    return common.carry_out(Bench(options, build), options.quick)


if __name__ == "__main__":
    sys.exit(main())
