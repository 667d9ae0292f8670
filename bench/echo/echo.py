#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""echo.py - echo servers of many makes side by side: measured and compared, or with --check only tried"""
import json
import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

# pylint: disable=wrong-import-position
import common
import kinds
import measure
import report
import shapes
import tables
import targets

CALLED = (8, 64, 1000, 10000)   # connections with which system calls are counted, of servers with a bar
CHECKED = 10            # connections of --check


def chosen(options):
    wanted = options.only.split(",") if options.only else []
    known = kinds.all_kinds()
    unknown = set(wanted) - {kind.key for kind in known}
    if unknown:
        raise SystemExit(f"echo.py: --only={','.join(sorted(unknown))}: choose from {' '.join(k.key for k in known)}")
    return [kind for kind in known if not wanted or kind.key in wanted or kind.key == kinds.LIMIT]


def split(all_kinds, build):
    """Those that can run here; of the others, by name, the package that is missing."""
    here, missing = [], []
    for kind in all_kinds:
        try:
            kind.prepare(build)
            here.append(kind)
        except kinds.Missing as package:
            missing.append((kind, str(package)))
    return here, missing


# ---- --check: every server answers rightly ----

def answers(build, kind):
    """Ten connections, every byte compared; then messages that no socket takes at once."""
    for connections, requests, size in ((CHECKED, 500, 64), (4, 40, 300000)):
        if kind.serial:
            for _ in range(connections):
                measure.traffic(build, kind, 1, [f"--requests={requests // connections}", f"--size={size}"])
        else:
            measure.traffic(build, kind, connections, [f"--requests={requests}", f"--size={size}"])


def check(options, build):
    passed = failed = 0
    here, missing = split(chosen(options), build)
    for kind in here:
        try:
            answers(build, kind)
            passed += 1
            print(f"passed: {kind.key}", flush=True)
        except common.TROUBLES as trouble:
            failed += 1
            print(f"FAILED: {kind.key}: {trouble}", flush=True)
    for kind, package in missing:
        print(f"skipped: {kind.key}: {package} is not installed")
    print(f"{passed} passed, {failed} failed, {len(missing)} skipped")
    return 1 if failed else 0


# ---- the measurement ----

class Bench(common.Bench):
    name = "bench-echo"

    def __init__(self, options, build):
        super().__init__(options, build, measure.cores()[0] is not None)
        most = common.raise_descriptors()
        here, missing = split(chosen(options), build)
        self.cells = {cell: rounds for cell, rounds in self.plan(here).items() if cell[1].count <= most}
        self.again = int(common.REPEATED * sum(self.cells.values()))
        self.figures = report.Figures(here, {shape for _, shape in self.cells})
        self.figures.missing = [f"{kind.name}: {package} is not installed" for kind, package in missing]
        self.packages = sorted({package for _, package in missing})
        self.run |= {"rounds": max(self.cells.values()), **options.rounds._asdict(), "seconds": options.seconds}

    def plan(self, here):
        """What is measured how often: what was asked for, or what the bars need and a look at the rest."""
        o = self.options
        if o.connections or o.size or o.pipeline:
            counts = o.connections or shapes.CONNECTIONS
            wanted = [shapes.Shape(count, o.size or shapes.SIZES[0], o.pipeline or 1) for count in counts]
            return shapes.chosen(here, wanted, o.rounds)
        return shapes.plan(here, o.rounds, o.full)

    # ---- runs ----

    def calm(self, kind, shape):
        return self.calmest(f"{kind.name}, {shape.name}", measure.measure_sleeps, self.build, kind, shape.count,
                            shape.load(self.options.seconds))

    def round(self, number, progress):
        """Shape by shape, so that what is compared is measured close together."""
        order = [cell for cell, rounds in self.cells.items() if number < rounds]
        random.Random(number).shuffle(order)
        for kind, shape in sorted(order, key=lambda cell: cell[1].order()):
            progress.step(f"round {number + 1} of {self.run['rounds']}: {shape.name}, {kind.name}")
            self.figures.rounds[kind.key, shape].append(self.calm(kind, shape))

    # ---- counts, in runs of their own ----

    def called(self):
        """Cells whose system calls are counted: what can be attached to in a moment, and is worth it."""
        def wanted(kind, shape):
            if shape.count > shapes.SOME[-1]:
                return kind.key == targets.GREEN
            return shape.plain and shape.count in CALLED if kind.key in shapes.MAIN else shape.count == (1 if kind.serial else 64)

        return [cell for cell in self.cells if self.way and (wanted(*cell) or self.options.connections)]

    def counts(self):
        """(words, kind, where the count goes, its key, function, arguments) of each."""
        figures = self.figures
        for kind, shape in self.called():
            yield (f"system calls, {shape.name}", kind, figures.calls, (kind.key, shape), measure.system_calls,
                   (shape.count, self.way, shape.load(0.2)))
        for kind in figures.kinds if self.options.counts else []:
            if kind.counts_instructions and self.run["valgrind"]:
                yield "instructions", kind, figures.instructions, kind.key, measure.instructions, (shapes.SIZES[0],)
            if not kind.own_malloc:
                yield ("requests for memory", kind, figures.allocations, kind.key, measure.allocations,
                       (["--seconds=0.1"],))

    def measure(self):
        counts = list(self.counts())
        progress = self.progress(sum(self.cells.values()) + len(counts))
        for number in range(self.run["rounds"]):
            self.round(number, progress)
        if self.options.counts:
            self.attempt("requests for memory", kinds.build_malloc_counter, self.build)
        for words, kind, results, key, function, arguments in counts:
            progress.step(f"{words}: {kind.name}")
            value = self.attempt(f"{kind.name}, {words}", function, self.build, kind, *arguments)
            if value is not None:
                results[key] = value
        self.ended(progress)

    # ---- results ----

    def bars(self):
        return targets.all_bars(self.figures.shapes), targets.scalars(self.figures)

    def write(self):
        """The report into the build directory, and with --renew into the source as well."""
        targets = [(self.build / "bench/echo", "echo")] + [(kinds.HERE, "report")] * self.options.renew
        for folder, name in targets:
            (folder / f"{name}.md").write_text(report.markdown(self.figures, self.run, f"{name}.svg",
                                                                  tables.bar_table(*self.bars())))
            (folder / f"{name}.svg").write_text(report.svg(self.figures))
        known = report.as_json(self.figures, self.run)
        (self.build / "bench/echo/echo.json").write_text(json.dumps(known, indent=1) + "\n")
        return targets[-1][0] / f"{targets[-1][1]}.md"

    def summary(self):
        for shape in self.figures.shapes:
            print(f"\n{shape.name}: CPU us/message, times epoll by hand, messages/s, p99 us")
            for kind in self.figures.kinds:
                if cpu := self.figures.all(kind.key, shape, "cpu"):
                    ratios = self.figures.ratios(kind.key, kinds.LIMIT, shape, "cpu") or [0]
                    rate, p99 = (self.figures.all(kind.key, shape, what) for what in ("rate", "p99"))
                    print(f"  {kind.name:46} {report.spread(cpu):>20} {report.spread(ratios, report.times):>18} "
                          f"{report.statistics.median(rate):>9,.0f} {report.statistics.median(p99):>9,.0f}")
        tables.print_bars(*self.bars())
        print(f"\nWhere libgreen loses (the peer was better in each of at least {report.TELLING} rounds):")
        print("\n".join(report.losses(self.figures)) or "- nowhere in this run")
        self.tell_troubles()


def parse():
    parser = common.arguments("Measures echo servers of many makes side by side.")
    parser.add_argument("--check", action="store_true", help="measure nothing: does every server answer rightly?")
    parser.add_argument("--full", action="store_true", help="a second each, of everything")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="how often each server is measured (9; where there is no bar 5, or 3)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each time (0.15)")
    parser.add_argument("--again", type=int, default=2, metavar="N",
                        help="how often to measure again when other processes were busy meanwhile (2)")
    parser.add_argument("--connections", metavar="N,...", help="all servers with so many (1,8,64,1000,10000)")
    parser.add_argument("--size", type=int, metavar="BYTES", help="all servers with messages of this length (64)")
    parser.add_argument("--pipeline", type=int, metavar="N", help="all servers with so many in flight (1)")
    parser.add_argument("--only", metavar="SERVER,...", help="these servers, and the limit")
    parser.add_argument("--no-counts", dest="counts", action="store_false", help="no system calls, no instructions")
    parser.add_argument("--renew", action="store_true", help="write bench/echo/report.md, too")
    options = parser.parse_args()
    same = options.rounds or (shapes.Rounds().judged if options.full else None)
    options.rounds = shapes.Rounds(same, same, same) if same else shapes.Rounds()
    options.seconds = options.seconds or (1.0 if options.full else 0.15)
    options.connections = [int(n) for n in options.connections.split(",")] if options.connections else []
    return options


def main():
    options = parse()
    build = common.begin(options, "bench/load")
    return check(options, build) if options.check else common.carry_out(Bench(options, build), False)


if __name__ == "__main__":
    sys.exit(main())
