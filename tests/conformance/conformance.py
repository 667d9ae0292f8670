#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""conformance.py - runs other people's thread tests natively and under `green run`, and names what passes natively only

A case counts if it passes in all native runs. It is a regression if it then
fails in most of the green runs and excused.txt does not say why it may.
"""

import argparse
import importlib
import os
import sys
import time

from common import HERE, Context, is_failure

RUNS = 3
SKIPPED = 77
DETAIL_LINES = 30


class Report:
    """What came out of one suite."""

    def __init__(self, name):
        self.name = name
        self.reason = None  # why it was not run
        self.error = None   # what makes its figures worthless
        self.native = 0
        self.green = 0
        self.regressions = []  # (case, outcome, detail)
        self.excused = []      # (case, reason)
        self.unneeded = []     # excused cases that pass
        self.seconds = 0.0


def parse_options():
    parser = argparse.ArgumentParser(description="Runs other people's thread tests natively and under the shim.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (default: build)")
    parser.add_argument("--suite", action="append", default=[], metavar="NAME", help="run this suite (default: all)")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="run CASE, and all that start so")
    parser.add_argument("--fast", action="store_true", help="only what each suite takes for its fast part, once each")
    parser.add_argument("--runs", type=int, metavar="N", help=f"runs in each mode (default: {RUNS}, with --fast 1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="programs at a time (default: 2)")
    parser.add_argument("--report", metavar="FILE", help="write the table to FILE too")
    parser.add_argument("-v", action="store_true", dest="verbose", help="show what the regressions printed")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.runs = options.runs or (1 if options.fast else RUNS)
    return options


def load_suites(options):
    names = sorted(file[6:-3] for file in os.listdir(HERE) if file.startswith("suite_") and file.endswith(".py"))
    unknown = set(options.suite) - set(names)
    if unknown:
        sys.exit(f"conformance.py: no suite {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return [importlib.import_module(f"suite_{name}").Suite() for name in options.suite or names]


def load_excuses():
    """{(suite, case): reason}; a line is `suite | case | reason`."""
    excuses = {}
    with open(os.path.join(HERE, "excused.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                suite, case, reason = (part.strip() for part in line.split("|", 2))
                excuses[suite, case] = reason
    return excuses


def check_active(context):
    """Figures of a run that silently went native are worth nothing."""
    stats = context.stats()
    if not any(one["created"] for one in stats):
        return "the shim was not active: no process made a green thread"
    if any(one["stood_down"] for one in stats):
        return "the shim has stood down"
    if any(one["carriers"] > 1 for one in stats):
        return "a process had more than one carrier"
    return None


def run_once(suite, mode, options, report, only=None):
    """({case: outcome}, {case: detail}) of one run."""
    context = Context(options, suite.name, mode, only or options.only or None)
    try:
        outcomes = suite.run(mode, options.fast, context)
        # A second look at a few cases may be one at programs without threads.
        if mode == "green" and outcomes and not only:
            report.error = report.error or check_active(context)
        return {case: outcome for case, outcome in outcomes.items() if context.wants(case)}, context.details
    finally:
        context.close()


def accepted(native_runs):
    """{case: the text that green must give too} of what passes in every native run."""
    first = native_runs[0]
    return {case: outcome for case, outcome in first.items()
            if outcome != "skip" and not is_failure(outcome) and all(run.get(case) == outcome for run in native_runs)}


class Votes:
    """How often each case failed in the green runs, and how it did last."""

    def __init__(self, expected):
        self.expected = expected
        self.asked = dict.fromkeys(expected, 0)
        self.failed = dict.fromkeys(expected, 0)
        self.last = {}

    def add(self, outcomes, details, cases):
        for case in cases:
            outcome = outcomes.get(case, "fail: it did not run")
            self.asked[case] += 1
            if outcome != self.expected[case]:
                self.failed[case] += 1
                self.last[case] = outcome, details.get(case, "")

    def undecided(self):
        """What failed may have done so by chance until it has failed in two of three runs."""
        return [case for case, count in self.failed.items() if count and self.asked[case] < RUNS]

    def regressions(self):
        return [case for case, count in self.failed.items() if 2 * count > self.asked[case]]


def run_green(suite, expected, options, report):
    votes = Votes(expected)
    for _ in range(options.runs):
        votes.add(*run_once(suite, "green", options, report), expected)
    while votes.undecided():
        again = votes.undecided()
        votes.add(*run_once(suite, "green", options, report, again), again)
    return votes


def run_suite(suite, options, excuses):
    report = Report(suite.name)
    report.reason = suite.needs()
    if report.reason:
        return report
    start = time.monotonic()
    expected = accepted([run_once(suite, "native", options, report)[0] for _ in range(options.runs)])
    votes = run_green(suite, expected, options, report)
    failed = votes.regressions()
    report.native, report.green = len(expected), len(expected) - len(failed)
    for case in failed:
        if (suite.name, case) in excuses:
            report.excused.append((case, excuses[suite.name, case]))
        else:
            report.regressions.append((case, *votes.last[case]))
    report.unneeded = [case for name, case in excuses
                       if name == suite.name and case in expected and not votes.failed[case]]
    report.seconds = time.monotonic() - start
    return report


def table(reports):
    lines = ["| suite | pass natively | pass green | excused | regressions |", "|:--|--:|--:|--:|--:|"]
    for one in reports:
        if one.reason:
            lines.append(f"| {one.name} | not run: {one.reason} | | | |")
        else:
            lines.append(f"| {one.name} | {one.native} | {one.green} | {len(one.excused)} | {len(one.regressions)} |")
    return "\n".join(lines) + "\n"


def print_details(report, verbose):
    if report.error:
        print(f"{report.name}: {report.error}")
    for case, outcome, detail in report.regressions:
        print(f"regression {report.name} {case}: {outcome}")
        if verbose and detail:
            print("".join(f"    {line}\n" for line in detail.splitlines()[-DETAIL_LINES:]), end="")
    for case, reason in report.excused:
        print(f"excused {report.name} {case}: {reason}")
    for case in report.unneeded:
        print(f"note: {report.name} {case} passes, but excused.txt has it")


def print_closing(reports):
    """The line that scripts/closing-lines looks for, and the exit status."""
    passed = sum(one.green for one in reports)
    failed = sum(len(one.regressions) + bool(one.error) for one in reports)
    skipped = sum(len(one.excused) + bool(one.reason) for one in reports)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 0 if passed else SKIPPED


def main():
    options = parse_options()
    if not os.path.exists(os.path.join(options.build, "green")):
        sys.exit(f"conformance.py: there is no {options.build}/green")
    excuses, reports = load_excuses(), []
    for suite in load_suites(options):
        report = run_suite(suite, options, excuses)
        reports.append(report)
        print_details(report, options.verbose)
        print(f"{report.name}: {report.reason or f'{report.seconds:.0f} s'}", flush=True)
    text = table(reports)
    print(text)
    if options.report:
        with open(options.report, "w", encoding="utf-8") as file:
            file.write(text)
    return print_closing(reports)


if __name__ == "__main__":
    sys.exit(main())
