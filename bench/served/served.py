#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""served.py - whole servers under load, natively and under `green run`, beside peers; with --quick: does each work?"""
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How a database is started the tests know.
sys.path += [str(HERE.parent), str(HERE.parent.parent / "tests/programs"), str(HERE.parent.parent / "tests/preload")]

# pylint: disable=wrong-import-position
import common
import measure
import pages
from contestants import FOLDER
from goals import goals_of
from harness import Failure
from kinds import Missing
from report import versions
from settings import Scale, all_settings, quick_settings
from tables import print_bars


class Bench(common.Bench):
    name = "bench-served"
    troubles = (*common.TROUBLES, Failure)

    def __init__(self, options, build):
        super().__init__(options, build, measure.cores()[0] is not None)
        self.scale = Scale(options.seconds, options.full, options.quick)
        self.most = common.raise_descriptors()
        self.figures = pages.Figures(self.chosen())
        self.packages = self.leave_out_missing()
        rounds = [self.rounds(setting) for setting in self.figures.settings]
        self.again = int(common.REPEATED * sum(self.rounds(setting) * len(setting.kinds)
                                               for setting in self.figures.settings))
        self.run |= {"rounds": max(rounds), "fewest": min(rounds), "seconds": options.seconds,
                     "versions": versions(pages.PACKAGES)}

    def chosen(self):
        known = quick_settings() if self.options.quick else all_settings(self.options.full)
        wanted = self.options.only.split(",") if self.options.only else [setting.key for setting in known]
        if unknown := set(wanted) - {setting.key for setting in known}:
            raise SystemExit(f"served.py: --only={','.join(sorted(unknown))}: choose from "
                             f"{' '.join(setting.key for setting in known)}")
        return [setting for setting in known if setting.key in wanted]

    def leave_out_missing(self):
        """Builds all servers; those that cannot run here go, and are named, as is what needs too many descriptors."""
        missing = {}
        for kind in {kind for setting in self.figures.settings for kind in setting.kinds}:
            try:
                kind.prepare(self.build)
            except Missing as package:
                missing[kind] = str(package)
        for setting in self.figures.settings:
            gone = [kind for kind in setting.kinds if kind in missing]
            self.figures.missing += [f"{setting.title}: {kind.name}: {missing[kind]} is not installed" for kind in gone]
            setting.kinds = [kind for kind in setting.kinds if kind not in gone]
            if setting.count > self.most and not self.options.quick:
                self.figures.missing.append(f"{setting.title}: the limit of descriptors allows {self.most:,}")
                setting.kinds = []
        return sorted(set(missing.values()))

    # ---- the measurement ----

    def rounds(self, setting):
        return self.options.rounds or (1 if self.options.quick else 9 if self.options.full else setting.rounds)

    def take(self, setting, kind):
        run = self.calmest(f"{setting.title}, {kind.name}", setting.take, self.build, kind, self.scale)
        if run:
            self.figures.rounds[-1][setting.key, kind.key] = run

    def round(self, number, progress):
        """Setting by setting, so that what is compared is measured close together."""
        self.figures.rounds.append({})
        for setting in self.figures.settings:
            order = setting.kinds[:] if number < self.rounds(setting) else []
            random.Random(f"{number} {setting.key}").shuffle(order)
            for kind in order:
                progress.step(f"round {number + 1} of {self.rounds(setting)}: {setting.title}, {kind.name}")
                self.take(setting, kind)

    def count(self, setting, kind):
        calls = self.attempt(f"{setting.title}, {kind.name}, system calls", setting.calls, self.build, kind, self.way)
        if calls:
            self.figures.calls[setting.key, kind.key] = calls

    def measure(self):
        counted = [(setting, kind) for setting in self.figures.settings if setting.counted and self.way
                   for kind in setting.kinds]
        steps = sum(len(setting.kinds) * self.rounds(setting) for setting in self.figures.settings) + len(counted)
        progress = self.progress(steps)
        for number in range(self.run["rounds"]):
            self.round(number, progress)
        for setting, kind in counted:
            progress.step(f"system calls: {setting.title}, {kind.name}")
            self.count(setting, kind)
        self.ended(progress)

    # ---- results ----

    def write(self):
        folder = self.build / FOLDER
        (folder / "served.md").write_text(pages.markdown(self.figures, self.run, "served.svg"))
        (folder / "served.svg").write_text(pages.svg(self.figures))
        (folder / "served.json").write_text(json.dumps(pages.as_json(self.figures, self.run), indent=1) + "\n")
        return folder / "served.md"

    def check(self):
        """Every server has answered; how fast does not matter here."""
        self.told(sum(map(len, self.figures.rounds)))

    def summary(self):
        print_bars(goals_of(self.figures.settings), self.figures.scalars())
        self.tell_troubles()


def parse():
    parser = common.arguments("Measures whole servers under load, natively and under `green run`.")
    parser.add_argument("--quick", action="store_true", help="one short round of each shape: does every server work?")
    parser.add_argument("--full", action="store_true", help="nine rounds of a second each, of everything")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="how often each is measured (9; where there is no bar 5, databases 3)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long each time (0.25)")
    parser.add_argument("--again", type=int, metavar="N",
                        help="how often to measure again when other processes were busy meanwhile (2)")
    parser.add_argument("--only", metavar="SETTING,...", help="these settings")
    parser.add_argument("--no-counts", dest="counts", action="store_false", help="no system calls")
    options = parser.parse_args()
    options.seconds = options.seconds or (0.05 if options.quick else 1.0 if options.full else 0.25)
    options.again = (0 if options.quick else 2) if options.again is None else options.again
    options.counts = options.counts and not options.quick
    return options


def main():
    options = parse()
    build = common.begin(options, f"{FOLDER}/small_pthreads")
    return common.carry_out(Bench(options, build), options.quick)


if __name__ == "__main__":
    sys.exit(main())
