# SPDX-License-Identifier: MIT
"""pages.py - the figures of whole servers as tables, plots and words"""
import os
import platform
import statistics

import charts
from goals import goals_of
from report import amount, family, label, placed_on, processor, small, spread, strangers, table, times
from tables import bar_table

PACKAGES = ["gcc", "libmicrohttpd-dev", "mariadb-server", "python3", "python3-gevent", "python3-uvloop", "sysbench",
            "tinyproxy-bin", "wrk"]
LEGEND = {**charts.LEGEND, "peer": "natively, and peers"}


def whole(value):
    return f"{value:,.0f}"


# Of a figure: how a table calls it, how it is shown, and whether it is compared to the base.
COLUMNS = {
    "cpu": ("CPU µs/{unit}", amount, True),
    "rate": ("{units}/s", whole, True),
    "mean": ("mean µs", amount, False),
    "p50": ("p50 µs", amount, False),
    "p99": ("p99 µs", amount, True),
    "p999": ("p99.9 µs", amount, False),
    "calls": ("calls/{unit}", times, False),
    "switches": ("sleeps/{unit}", small, False),
    "threads": ("kernel threads", whole, False),
    "per_cpu": ("{units} per CPU second", whole, True),
    "busy": ("core busy", "{:.0%}".format, False),
    "total": ("KB/{unit}", times, True),
    "pages": ("its own pages", times, False),
    "tables": ("page tables", times, False),
    "kernel": ("other memory of the kernel", times, False),
}


class Figures:
    """ROUNDS has a dictionary for each round, from (setting, kind) to the figures of one run.

    CALLS: system calls, counted in runs of their own.
    """

    def __init__(self, settings):
        self.settings, self.rounds, self.calls, self.troubles, self.missing = settings, [], {}, [], []

    def all(self, setting, kind, what):
        if what == "calls":
            return [self.calls[setting.key, kind.key]] if (setting.key, kind.key) in self.calls else []
        return [values[setting.key, kind.key][what] for values in self.rounds if (setting.key, kind.key) in values]

    def ratios(self, setting, mine, other, what):
        """Of rounds that have both: only those saw the same machine."""
        pairs = [(values.get((setting.key, mine)), values.get((setting.key, other))) for values in self.rounds]
        return [mine[what] / other[what] for mine, other in pairs if mine and other and other[what]]

    def everything(self, what):
        return [run[what] for values in self.rounds for run in values.values()]

    def scalars(self):
        """All rounds as bars judge them, system calls as one more."""
        rounds = [{f"{setting} {kind} {what}": value for (setting, kind), run in values.items() for what, value in
                   run.items()} for values in self.rounds]
        return [*rounds, {f"{setting} {kind} calls": value for (setting, kind), value in self.calls.items()}]

    def there(self, setting):
        """The kinds that have figures, the best first."""
        first = setting.columns[0]
        found = [(statistics.median(values), number, kind) for number, kind in enumerate(setting.kinds)
                 if (values := self.all(setting, kind, first))]
        return [kind for *_, kind in sorted(found, reverse=first == "rate")]


def column_name(setting, what):
    return COLUMNS[what][0].format(unit=setting.unit, units=setting.units)


def setting_table(figures, setting):
    there = figures.there(setting)
    columns = [what for what in setting.columns if any(figures.all(setting, kind, what) for kind in there)]
    head = ["server"]
    for what in columns:
        head += [column_name(setting, what)] + [f"× {setting.base_name}"] * COLUMNS[what][2]
    rows = []
    for kind in there:
        row = [label(kind)]
        for what in columns:
            _, show, compared = COLUMNS[what]
            values = figures.all(setting, kind, what)
            row.append((spread(values, show) if compared else show(statistics.median(values))) if values else "–")
            if compared:
                ratios = figures.ratios(setting, kind.key, setting.base, what)
                row.append(spread(ratios, times) if ratios else "–")
        rows.append(row)
    return table(head, rows)


def notes(figures, run):
    yield f"{processor()}, {os.cpu_count()} cores ({placed_on(run)}), Linux {platform.release()}; {run['date']}."
    yield (f"{run['rounds']} rounds of {run['seconds']:g} s for each server where there is a bar, {run['fewest']} or "
           "more for the rest; the servers of a round in random order, each started anew. A figure is "
           "the median, in brackets the smallest and the largest; a ratio is the median of the ratios within the "
           "rounds. Every byte that the load client got was compared, and of HTTP a page before and after; under "
           "`green run` it was checked that the shim carried the threads.")
    yield strangers(figures, run)
    yield ("CPU is what the scheduler has counted for the whole server, kernel and ended threads included. Where the "
           "core is busy for less than about 95 %, the load client or a turn between the two sets how much is "
           "answered, not the server: then compare CPU. Connections are all busy at once, so that a latency is mostly the queue "
           "before the server. Sleeps are voluntary context switches.")
    yield ("System calls: " + (f"counted by {run['counter']}, in a run of their own." if run["counter"] else
                               "not counted in this run."))
    yield f"Versions: {', '.join(run['versions'])}."


HEAD = """\
# Whole servers under load

Written by `make bench-served`, which measures anew. Of CPU, time and memory less is better, of answers more.

## The bars

{bars}
"""


def markdown(figures, run, plot_name):
    parts = [HEAD.format(bars=bar_table(goals_of(figures.settings), figures.scalars()))]
    parts += [f"**Not measured:** {missing}\n" for missing in figures.missing]
    parts += [f"**Went wrong:** {trouble}\n" for trouble in figures.troubles]
    parts.append(f"![CPU of each]({plot_name})\n")
    for setting in figures.settings:
        if figures.there(setting):
            words = f"{setting.words}\n\n" if setting.words else ""
            parts.append(f"## {setting.title}\n\n{words}" + setting_table(figures, setting))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {note}" for note in notes(figures, run)) + "\n")
    return "\n".join(parts)


def svg(figures):
    panels = []
    for setting in figures.settings:
        what = setting.columns[0]
        rows = [(kind.name, family(kind), min(values), statistics.median(values), max(values))
                for kind in figures.there(setting) if min(values := figures.all(setting, kind, what)) > 0]
        if rows:
            panels.append((f"{setting.title}: {column_name(setting, what)}", rows))
    return charts.plot("Whole servers: median, smallest and largest of the rounds (logarithmic)", panels, LEGEND)


def as_json(figures, run):
    return {"run": {**run, "versions": list(run["versions"])}, "missing": figures.missing, "troubles": figures.troubles,
            "rounds": [[{"setting": setting, "server": kind, **values} for (setting, kind), values in round_.items()]
                       for round_ in figures.rounds],
            "calls": [{"setting": setting, "server": kind, "of_one": value}
                      for (setting, kind), value in figures.calls.items()]}
