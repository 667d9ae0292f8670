# SPDX-License-Identifier: MIT
"""report.py - the figures as tables, ratios and words, in Markdown"""
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

import charts
from kinds import LIMIT, PYTHON
from measure import COUNTED

KERNEL_STACK = 16 * 1024    # what the kernel gives each thread, outside RSS
PACKAGES = ["gcc", "golang-go", "libev-dev", "libpth-dev", "libst-dev", "libuv1-dev", "nodejs", "python3",
            "python3-gevent", "python3-uvloop"]
TELLING = 5     # rounds from which on it says something that one was better in each of them


def amount(value):
    """Three digits that count, no more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"


def spread(values, show=amount):
    low, high = show(min(values)), show(max(values))
    return show(statistics.median(values)) + (f" ({low}–{high})" if low != high else "")


def times(value):
    return f"{value:.2f}"


def small(value):
    """Of what may be next to nothing."""
    return amount(value) if value >= 0.0005 else "0"


def count_name(count):
    return f"{count:,} connection{'s' * (count > 1)}"


def table(head, rows, left=1):
    rule = [":--" if i < left else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows]) + "\n"


class Figures:
    """All rounds of all cells.  Only figures of one round are compared: they saw the same machine."""

    def __init__(self, kinds, shapes):
        self.kinds, self.shapes = kinds, sorted(shapes, key=lambda shape: shape.order())
        self.rounds = {(kind.key, shape): [] for kind in kinds for shape in shapes}
        self.calls, self.instructions, self.allocations, self.troubles, self.missing = {}, {}, {}, [], []

    def plain(self):
        """Those with one short message in flight."""
        return [shape for shape in self.shapes if shape.plain]

    def kind(self, key):
        return next((kind for kind in self.kinds if kind.key == key), None)

    def all(self, key, shape, what):
        return [run[what] for run in self.rounds.get((key, shape), []) if run]

    def ratios(self, key, other, shape, what):
        pairs = zip(self.rounds.get((key, shape), []), self.rounds.get((other, shape), []))
        return [mine[what] / its[what] for mine, its in pairs if mine and its]

    def everything(self, what):
        return [run[what] for runs in self.rounds.values() for run in runs if run]

    def per_connection(self, key):
        """Bytes that one more connection takes, kernel stacks included."""
        there = [shape for shape in self.plain() if self.all(key, shape, "rss")]
        ends = [[rss + threads * KERNEL_STACK for rss, threads in
                 zip(self.all(key, shape, "rss"), self.all(key, shape, "threads"))] for shape in there]
        if len(there) < 2:
            return None
        return (statistics.median(ends[-1]) - statistics.median(ends[0])) / (there[-1].count - there[0].count)


def family(kind):
    return "limit" if kind.key == LIMIT else kind.family


def label(kind):
    return f"**{kind.name}**" if kind.family != "peer" else kind.name


def shape_table(figures, shape):
    head = ["server", "CPU µs/message", "× epoll", "messages/s", "× epoll", "p50 µs", "p99 µs", "p99.9 µs",
            "calls/message", "sleeps/message", "RSS MB", "kernel threads", "core busy"]
    rows = []
    for kind in sorted((k for k in figures.kinds if figures.all(k.key, shape, "cpu")),
                       key=lambda k: statistics.median(figures.all(k.key, shape, "cpu"))):
        def of(what, show=amount, factor=1.0, whole=False):
            values = [value * factor for value in figures.all(kind.key, shape, what)]
            return spread(values, show) if whole else show(statistics.median(values))

        def against(what):
            ratios = figures.ratios(kind.key, LIMIT, shape, what)
            return spread(ratios, times) if ratios else "–"

        calls = figures.calls.get((kind.key, shape))
        rows.append([label(kind), of("cpu", whole=True), against("cpu"), of("rate", "{:,.0f}".format, whole=True),
                     against("rate"), of("p50"), of("p99"), of("p999"), f"{calls:.2f}" if calls else "–",
                     of("switches", small), of("rss", factor=1 / 2**20), of("threads", "{:.0f}".format),
                     of("busy", "{:.0%}".format)])
    return table(head, rows)


def server_table(figures):
    rows = []
    for kind in figures.kinds:
        memory, counts = figures.per_connection(kind.key), (figures.instructions, figures.allocations)
        work, requests = (counted.get(kind.key) for counted in counts)
        if memory or work or requests is not None:
            rows.append([label(kind), f"{max(memory, 0) / 1024:.1f}" if memory else "–", amount(work) if work else "–",
                         "–" if requests is None else small(requests)])
    return table(["server", "KB per connection", "user instructions per message", "malloc calls per message"], rows)


def duels(figures):
    """Each form of libgreen with each of its peers, and with the limit, if both were there."""
    for kind in figures.kinds:
        for key in [*kind.against, *([LIMIT] if kind.family != "peer" else [])]:
            if kind.family != "peer" and figures.kind(key):
                yield kind, figures.kind(key)


def duel_table(figures, what):
    rows = []
    for kind, peer in duels(figures):
        cells = [figures.ratios(kind.key, peer.key, shape, what) for shape in figures.plain()]
        if any(cells):
            rows.append([kind.name, peer.name, *(spread(cell, times) if cell else "–" for cell in cells)])
    return table(["form", "beside", *(shape.name for shape in figures.plain())], rows, 2)


WORSE = {"cpu": ("more CPU per message", lambda ratios: min(ratios) > 1),
         "rate": ("fewer messages/s", lambda ratios: max(ratios) < 1),
         "p99": ("a longer p99", lambda ratios: min(ratios) > 1)}


def losses(figures):
    """Where a peer was better in every single round; which of the others are ties, so few rounds cannot tell."""
    for kind, peer in duels(figures):
        found = []
        for what, (words, lost) in WORSE.items():
            cells = [(shape, figures.ratios(kind.key, peer.key, shape, what)) for shape in figures.shapes]
            where = [f"×{statistics.median(ratios):.2f} with {shape.name}" for shape, ratios in cells
                     if len(ratios) >= TELLING and lost(ratios)]
            found += [f"{words} ({'; '.join(where)})"] if where else []
        if found:
            yield f"- {kind.name}, beside {peer.name}: {'; '.join(found)}"


def versions(packages=tuple(PACKAGES)):
    """Of the Debian packages that are there, as far as this is Debian."""
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return [f"{PYTHON} {platform.python_version()}"]
    return [line for line in done.stdout.splitlines() if len(line.split()) == 2]


def processor():
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def strangers(figures, run):
    """How much of the machine others had."""
    others, stolen = figures.everything("others") or [0], figures.everything("stolen") or [0]
    return (f"The load average was {run['load_before']} before and {run['load_after']} after. Processes that have "
            f"nothing to do with this used {statistics.median(others):.2f} cores while a server was measured, at most "
            f"{max(others):.2f}; the hypervisor took {statistics.median(stolen):.0%} of a core, at most "
            f"{max(stolen):.0%}. {run['repeated']} figures were taken again because of that, and the calmest counted, "
            "not the best. Figures are only as good as the machine is quiet.")


def placed_on(run):
    return ("the server alone on one, the load client alone on another" if run["pinned"] else
            "the only one carries the server and the load client")


def machine_notes(figures, run):
    yield f"{processor()}, {os.cpu_count()} cores ({placed_on(run)}), Linux {platform.release()}; {run['date']}."
    yield (f"{run['judged']} rounds of {run['seconds']:g} s, with 10,000 connections three times as long, for each server "
           f"and shape of traffic that a bar is about, {run['shapes']} for the same servers with other shapes, "
           f"{run['others']} for other servers; the servers of a round in random order, each started anew. Messages have 64 bytes, and one is in flight on each connection, unless it says otherwise. Every byte was "
           "compared. A figure is the median, in brackets the smallest and the largest; a ratio is the median of the "
           "ratios of the rounds.")
    yield strangers(figures, run)
    yield ("CPU is what the scheduler has counted for the server's threads, kernel included. Where the core is busy "
           "for less than about 95 %, the load client or a turn between the two sets messages/s, not the server: then "
           "compare CPU per message. Sleeps are voluntary context switches.")
    yield ("System calls: " + (f"counted by {run['counter']}, in a run of their own." if run["counter"] else
                               "not counted, for neither perf nor strace works here (packages linux-perf, strace)."))
    yield ("User instructions: " + (f"valgrind's count, the difference of two runs with {COUNTED} connections, where "
                                    "the client waits for the server; of C programs only, for of interpreters and of "
                                    "Go valgrind would count something else." if run["valgrind"] else
                                    "not counted, for there is no valgrind here."))
    yield (f"malloc calls: counted by a preloaded library, with {COUNTED} connections, while the clock runs; not of "
           "runtimes that have an allocator of their own.")
    yield f"Versions: {', '.join(versions())}."


HEAD = """\
# Echo servers side by side

Written by `make bench-echo`, which measures anew. The limit, `epoll by hand`, does nothing but move the data: ratios
are against it. Of CPU and time less is better, of messages more.

## The bars

For a task per connection that reads and writes.

{bars}
"""
DUELS = """\
## Each form beside its peers

CPU per message, the form's divided by the peer's: below 1 the form needs less.

{cpu}
Messages per second, the form's divided by the peer's: above 1 the form answers more.

{rate}"""
LOSSES = """\
## Where libgreen loses

The peer was better in each round, of {rounds} at least, which for equals happens by chance once in {chance} times:

{losses}
"""
MEMORY = """\
A server that serves one connection after the other has figures with one connection only.

## Memory and counts

Memory of one more connection: RSS, and 16 KB for each kernel thread.

{table}"""


def markdown(figures, run, plot_name, bars):
    """BARS: what became of them, as a table."""
    parts = [HEAD.format(bars=bars)]
    parts += [f"**Not measured:** {missing}\n" for missing in figures.missing]
    parts += [f"**Went wrong:** {trouble}\n" for trouble in figures.troubles]
    parts.append(f"![CPU per message]({plot_name})\n")
    parts.append(DUELS.format(cpu=duel_table(figures, "cpu"), rate=duel_table(figures, "rate")))
    parts.append(LOSSES.format(rounds=TELLING, chance=2 ** TELLING,
                               losses="\n".join(losses(figures)) or "- nowhere in this run"))
    parts += [f"## {shape.name}\n\n" + shape_table(figures, shape) for shape in figures.shapes]
    parts.append(MEMORY.format(table=server_table(figures)))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {note}" for note in machine_notes(figures, run)) + "\n")
    return "\n".join(parts)


def svg(figures):
    panels = []
    for shape in figures.shapes:
        cells = [(kind, figures.all(kind.key, shape, "cpu")) for kind in figures.kinds]
        panels.append((shape.name, [(kind.name, family(kind), min(v), statistics.median(v), max(v))
                                    for kind, v in cells if v]))
    return charts.plot("CPU per echoed message, µs: median, smallest and largest of the rounds (logarithmic)",
                       [panel for panel in panels if panel[1]])


def as_json(figures, run):
    cells = [{"server": key, **shape._asdict(), "rounds": runs, "calls_per_message": figures.calls.get((key, shape))}
             for (key, shape), runs in figures.rounds.items() if runs]
    return {"run": run, "missing": figures.missing, "troubles": figures.troubles, "cells": cells,
            "instructions_per_message": figures.instructions, "mallocs_per_message": figures.allocations}
