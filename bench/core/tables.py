# SPDX-License-Identifier: MIT
"""tables.py - the core figures as tables, plots and words"""
import os
import platform
import statistics

import bars
import charts
from report import TELLING, amount, processor, spread, table, times
from runs import COUNTED_SIZE

LEGEND = {"green": "libgreen", "shim": "unchanged, under green run", "peer": "peers", "limit": "references"}
COUNTS = {"instructions": "user instructions", "calls": "system calls", "allocations": "malloc calls",
          "kernel": "kernel switches"}


class Figures:
    """All rounds of all cells: ROUNDS has a dictionary for each round, from cell to (CPU, time), in ns for one unit.

    KEPT: from a cell to what one that is parked keeps, bytes of three kinds, in each of its rounds.  STARTS: pairs of
    `green run true` and `true`, each (time, CPU) in ms.
    """

    def __init__(self, cases, memory):
        self.cases, self.memory, self.rounds, self.counts, self.kept, self.starts = cases, memory, [], {}, {}, []
        self.troubles, self.missing = [], []

    def cells(self):
        return [(case, cell) for case in self.cases for cell in case.cells]

    def add(self, cell, cpu, wall):
        self.rounds[-1][cell.key] = (cpu, wall)

    def all(self, cell, which=0):
        return [values[cell.key][which] for values in self.rounds if cell.key in values]

    def ratios(self, cell, other):
        return [values[cell.key][0] / values[other.key][0] for values in self.rounds
                if cell.key in values and other.key in values]

    def scalars(self):
        """All rounds of anything, each a dictionary from what it is to a number: what bars judge."""
        times = [{key: pair[0] for key, pair in values.items()} for values in self.rounds]
        kept = [{key: sum(parts)} for key, rounds in self.kept.items() for parts in rounds]
        starts = [{"green run true": green[0], "true": plain[0], "green run true, CPU": green[1], "true, CPU": plain[1]}
                  for green, plain in self.starts]
        return times + kept + starts

    def shared(self):
        """By how much time exceeded CPU time, of all runs: what strangers on the core took, and waits."""
        return [wall / cpu for values in self.rounds for cpu, wall in values.values() if cpu]


def label(cell):
    return f"**{cell.label}**" if cell.family in ("green", "shim") else cell.label


def count_of(figures, cell, what):
    value = figures.counts.get((cell.key, what))
    if value is None:
        return "–"
    return amount(value) if abs(value) >= 0.005 else "0"


def case_table(figures, case):
    there = sorted((cell for cell in case.cells if figures.all(cell)),
                   key=lambda cell: statistics.median(figures.all(cell)))
    counted = [what for what in COUNTS if any((cell.key, what) in figures.counts for cell in there)]
    rows = [[label(cell), spread(figures.all(cell)),
             spread(figures.ratios(cell, case.cells[0]), times) if figures.ratios(cell, case.cells[0]) else "–",
             *(count_of(figures, cell, what) for what in counted)] for cell in there]
    return table([case.unit, "CPU ns", f"× {case.cells[0].label}", *(COUNTS[what] for what in counted)], rows)


def memory_table(figures):
    rows = []
    for cell in sorted((cell for cell in figures.memory if figures.kept.get(cell.key)),
                       key=lambda cell: statistics.median(map(sum, figures.kept[cell.key]))):
        rounds = [[part / 1024 for part in parts] for parts in figures.kept[cell.key]]
        rows.append([label(cell), f"{cell.count:,}", spread([sum(parts) for parts in rounds], times),
                     *(times(statistics.median(column)) for column in zip(*rounds))])
    return table(["parked", "how many", "KB each", "its own pages", "page tables", "other memory of the kernel"], rows)


def start_table(figures):
    rows = [[name, *(spread([pair[which][clock] for pair in figures.starts], times) for clock in (0, 1))]
            for which, name in enumerate(("**green run true**", "true"))]
    rows.append(["difference within a pair", *(spread([green[clock] - plain[clock] for green, plain in figures.starts],
                                                       times) for clock in (0, 1))])
    return table(["command", "ms by the clock", "ms of CPU"], rows)


def bar_rows(wanted, rounds):
    """What became of the bars WANTED in ROUNDS."""
    for bar in wanted:
        pairs, words = bar.judge(rounds), f"at {'least' if bar.least else 'most'} {bar.words}"
        if pairs:
            figure, limit = (statistics.median(column) for column in zip(*pairs))
            yield [bar.what, words, bar.show(limit), bar.show(figure), bar.verdict(pairs)[0]]
        else:
            yield [bar.what, words, "–", "–", "not measured"]


def bar_table(wanted, rounds):
    return table(["figure", "bar", "that is", "measured", "verdict"], list(bar_rows(wanted, rounds)), 2)


def print_bars(wanted, rounds):
    print("\nBars:")
    for what, words, limit, measured, verdict in bar_rows(wanted, rounds):
        print(f"  {what} {words}: {measured}, bar {limit}: {verdict.replace('**', '')}")


def losses(figures):
    """Where a peer was better in every single round."""
    for case in figures.cases:
        mine = case.cells[0]
        found = [(cell, figures.ratios(mine, cell)) for cell in case.cells if cell.family == "peer"]
        better = [f"{cell.label} (×{statistics.median(ratios):.2f})" for cell, ratios in found
                  if len(ratios) >= TELLING and min(ratios) > 1]
        if better:
            yield f"- {case.title}, {mine.label}: {'; '.join(better)}"


def machine_notes(figures, run):
    shared = figures.shared() or [1]
    placed = "one of them for what is measured" if run["pinned"] else "not pinned"
    yield (f"{processor()}, {os.cpu_count()} cores, {placed}, Linux {platform.release()}; {run['date']}.")
    yield (f"{run['rounds']} rounds of what a bar is about, {run['other_rounds']} of the rest, {run['dear_rounds']} of "
           "that if a run takes more than a second; within a round and a table in random order, each run a process of "
           f"its own of about {run['milliseconds']:g} ms after a tenth of that to warm up. A figure is the median of the "
           "rounds, in brackets the smallest and the largest; a ratio is the median of the ratios within the rounds.")
    yield ("Times are CPU time of the whole process, kernel included, so that what strangers do on the core counts "
           f"little. It was by a factor of {statistics.median(shared):.2f} shorter than the clock's, at most "
           f"{max(shared):.1f}. The load average was {run['load_before']} before and {run['load_after']} after. Caches "
           "are shared with those strangers: figures are only as good as the machine is quiet.")
    if figures.counts:
        yield ("Counts are differences of two runs, so that start and end do not count, with "
               f"{COUNTED_SIZE:,} timers armed where times have more. User instructions: "
               + ("valgrind's, of C and C++ programs only, not under `green run`. " if run["valgrind"] else
                  "there is no valgrind here. ")
               + f"System calls: {run['counter'] or 'neither perf nor strace works here'}. "
               + "Requests for memory: malloc and its kin, of programs that use libc's.")
    else:
        yield "Nothing was counted in this run."
    yield f"Versions: {', '.join(run['versions'])}."


HEAD = """\
# Core figures side by side

Written by `make bench-core`, which measures anew. Less is better everywhere.

## The bars

{bars}
"""
MEMORY = """\
## Memory of one that is parked

Pages and page tables are the process's own; the rest is how the kernel's slabs and stacks grew meanwhile, on the whole
machine.

"""


def markdown(figures, run, plot_name):
    parts = [HEAD.format(bars=bar_table(bars.all_bars(), figures.scalars()))]
    parts += [f"**Not measured:** {missing}\n" for missing in figures.missing]
    parts += [f"**Went wrong:** {trouble}\n" for trouble in figures.troubles]
    parts.append(f"## Where libgreen loses\n\nThe peer was better in each round, of {TELLING} at least:\n\n"
                 + ("\n".join(losses(figures)) or "- nowhere in this run") + "\n")
    parts.append(f"![CPU time of each]({plot_name})\n")
    parts += [f"## {case.title}\n\n{case.words}\n\n" + case_table(figures, case) for case in figures.cases
              if any(map(figures.all, case.cells))]
    if any(figures.kept.values()):
        parts.append(MEMORY + memory_table(figures))
    if figures.starts:
        parts.append(f"## Start\n\n{len(figures.starts)} pairs, in random order.\n\n" + start_table(figures))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {note}" for note in machine_notes(figures, run)) + "\n")
    return "\n".join(parts)


def svg(figures):
    panels = []
    for case in figures.cases:
        rows = [(cell.label, cell.family, min(v), statistics.median(v), max(v)) for cell in case.cells
                if (v := figures.all(cell))]
        if rows:
            panels.append((f"{case.title}: ns for one {case.unit}", rows))
    return charts.plot("CPU time: median, smallest and largest of the rounds (logarithmic)", panels, LEGEND)


def as_json(figures, run):
    return {"run": run, "missing": figures.missing, "troubles": figures.troubles,
            "rounds": [{key: {"cpu": cpu, "wall": wall} for key, (cpu, wall) in values.items()}
                       for values in figures.rounds],
            "kept": figures.kept, "starts": figures.starts,
            "counts": [{"cell": key, "what": what, "of_one": value} for (key, what), value in figures.counts.items()]}
