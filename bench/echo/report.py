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

KERNEL_STACK = 16 * 1024    # what the kernel gives each thread, outside RSS
PACKAGES = ["python3", "python3-uvloop", "python3-gevent", "nodejs", "golang-go", "libuv1-dev", "libev-dev", "gcc"]


def amount(value):
    """Three digits that count, no more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 1 else f"{value:.1f}"


def spread(values, show=amount):
    low, high = show(min(values)), show(max(values))
    return show(statistics.median(values)) + (f" ({low}–{high})" if low != high else "")


def times(value):
    return f"{value:.2f}"


def count_name(count):
    return f"{count:,} connection{'s' * (count > 1)}"


def table(head, rows, left=1):
    rule = [":--" if i < left else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows]) + "\n"


class Figures:
    """All rounds of all cells.  Only figures of one round are compared: they saw the same machine."""

    def __init__(self, kinds, counts):
        self.kinds, self.counts = kinds, counts
        self.rounds = {(kind.key, count): [] for kind in kinds for count in counts}
        self.calls, self.instructions, self.troubles, self.missing = {}, {}, [], []

    def kind(self, key):
        return next((kind for kind in self.kinds if kind.key == key), None)

    def all(self, key, count, what):
        return [run[what] for run in self.rounds.get((key, count), []) if run]

    def ratios(self, key, other, count, what):
        pairs = zip(self.rounds.get((key, count), []), self.rounds.get((other, count), []))
        return [mine[what] / its[what] for mine, its in pairs if mine and its]

    def everything(self, what):
        return [run[what] for runs in self.rounds.values() for run in runs if run]

    def per_connection(self, key):
        """Bytes that one more connection takes, kernel stacks included."""
        first, last = min(self.counts), max(self.counts)
        ends = [[rss + threads * KERNEL_STACK for rss, threads in
                 zip(self.all(key, count, "rss"), self.all(key, count, "threads"))] for count in (first, last)]
        if first == last or not all(ends):
            return None
        return (statistics.median(ends[1]) - statistics.median(ends[0])) / (last - first)


def family(kind):
    return "limit" if kind.key == LIMIT else kind.family


def label(kind):
    return f"**{kind.name}**" if kind.family != "peer" else kind.name


def count_table(figures, count):
    head = ["server", "CPU µs/message", "× epoll", "messages/s", "× epoll", "p50 µs", "p99 µs", "calls/message",
            "RSS MB", "kernel threads", "core busy"]
    rows = []
    for kind in sorted((k for k in figures.kinds if figures.all(k.key, count, "cpu")),
                       key=lambda k: statistics.median(figures.all(k.key, count, "cpu"))):
        def of(what, show=amount, factor=1.0, whole=False):
            values = [value * factor for value in figures.all(kind.key, count, what)]
            return spread(values, show) if whole else show(statistics.median(values))

        def against(what):
            ratios = figures.ratios(kind.key, LIMIT, count, what)
            return spread(ratios, times) if ratios else "–"

        calls = figures.calls.get((kind.key, count))
        rows.append([label(kind), of("cpu", whole=True), against("cpu"), of("rate", "{:,.0f}".format), against("rate"),
                     of("p50"), of("p99"), f"{calls:.2f}" if calls else "–", of("rss", factor=1 / 2**20),
                     of("threads", "{:.0f}".format), of("busy", "{:.0%}".format)])
    return table(head, rows)


def server_table(figures):
    rows = []
    for kind in figures.kinds:
        memory, work = figures.per_connection(kind.key), figures.instructions.get(kind.key)
        if memory or work:
            rows.append([label(kind), f"{max(memory, 0) / 1024:.1f}" if memory else "–", amount(work) if work else "–"])
    return table(["server", "KB per connection", "user instructions per message"], rows)


def duels(figures):
    """Each form of libgreen with each of its peers, and with the limit, if both were there."""
    for kind in figures.kinds:
        for key in [*kind.against, *([LIMIT] if kind.family != "peer" else [])]:
            if kind.family != "peer" and figures.kind(key):
                yield kind, figures.kind(key)


def duel_table(figures, what):
    rows = []
    for kind, peer in duels(figures):
        cells = [figures.ratios(kind.key, peer.key, count, what) for count in figures.counts]
        if any(cells):
            rows.append([kind.name, peer.name, *(spread(cell, times) if cell else "–" for cell in cells)])
    return table(["form", "beside", *map(count_name, figures.counts)], rows, 2)


WORSE = {"cpu": ("more CPU per message", lambda ratios: min(ratios) > 1),
         "rate": ("fewer messages/s", lambda ratios: max(ratios) < 1),
         "p99": ("a longer p99", lambda ratios: min(ratios) > 1)}


def losses(figures):
    """Where a peer was better in every single round; which of the others are ties, so few rounds cannot tell."""
    for kind, peer in duels(figures):
        found = []
        for what, (words, lost) in WORSE.items():
            cells = [(count, figures.ratios(kind.key, peer.key, count, what)) for count in figures.counts]
            where = [f"×{statistics.median(ratios):.2f} with {count:,}" for count, ratios in cells
                     if ratios and lost(ratios)]
            found += [f"{words} ({', '.join(where)})"] if where else []
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
    yield (f"{run['rounds']} rounds of {run['seconds']:g} s for each server and number of connections, the servers of "
           f"a round in random order, each started anew; {run['size']}-byte messages, one in flight on each "
           "connection. Every byte was compared. A figure is the median, in brackets the smallest and the largest; a "
           "ratio is the median of the ratios of the rounds.")
    yield strangers(figures, run)
    yield ("CPU is what the scheduler has counted for the server's threads, kernel included. Where the core is busy "
           "for less than about 95 %, the load client or a turn between the two sets messages/s, not the server: then "
           "compare CPU per message.")
    yield ("System calls: " + (f"counted by {run['counter']}, in a run of their own." if run["counter"] else
                               "not counted, for neither perf nor strace works here (packages linux-perf, strace)."))
    yield ("User instructions: " + ("valgrind's count, the difference of two runs with 10 connections, where the "
                                    "client waits for the server; of C programs only, and not under `green run`, for "
                                    "of interpreters and of Go valgrind would count something else." if run["valgrind"]
                                    else "not counted, for there is no valgrind here."))
    yield f"Versions: {', '.join(versions())}."


HEAD = """\
# Echo servers side by side

Written by `make bench-echo`, which measures anew. The limit, `epoll by hand`, does nothing but move the data: ratios
are against it. Of CPU and time less is better, of messages more.
"""
DUELS = """\
## Each form beside its peers

CPU per message, the form's divided by the peer's: below 1 the form needs less.

{cpu}
Messages per second, the form's divided by the peer's: above 1 the form answers more.

{rate}"""
LOSSES = """\
## Where libgreen loses

The peer was better in each of the {rounds} rounds, which for equals happens by chance once in {chance} times:

{losses}
"""
MEMORY = """\
A server that serves one connection after the other has figures with one connection only.

## Memory and instructions

Memory of one more connection: RSS, and 16 KB for each kernel thread.

{table}"""


def markdown(figures, run, plot_name):
    parts = [HEAD, "\n".join(f"- {note}" for note in machine_notes(figures, run)) + "\n"]
    parts += [f"**Not measured:** {missing}\n" for missing in figures.missing]
    parts += [f"**Went wrong:** {trouble}\n" for trouble in figures.troubles]
    parts.append(f"![CPU per message]({plot_name})\n")
    parts.append(DUELS.format(cpu=duel_table(figures, "cpu"), rate=duel_table(figures, "rate")))
    parts.append(LOSSES.format(rounds=run["rounds"], chance=2 ** run["rounds"],
                               losses="\n".join(losses(figures)) or "- nowhere in this run"))
    parts += [f"## {count_name(count)}\n\n" + count_table(figures, count) for count in figures.counts]
    parts.append(MEMORY.format(table=server_table(figures)))
    return "\n".join(parts)


def svg(figures):
    panels = []
    for count in figures.counts:
        cells = [(kind, figures.all(kind.key, count, "cpu")) for kind in figures.kinds]
        panels.append((count_name(count), [(kind.name, family(kind), min(v), statistics.median(v), max(v))
                                           for kind, v in cells if v]))
    return charts.plot("CPU per echoed message, µs: median, smallest and largest of the rounds (logarithmic)", panels)


def as_json(figures, run):
    cells = [{"server": key, "connections": count, "rounds": runs, "calls_per_message": figures.calls.get((key, count))}
             for (key, count), runs in figures.rounds.items() if runs]
    return {"run": run, "missing": figures.missing, "troubles": figures.troubles, "cells": cells,
            "instructions_per_message": figures.instructions}
