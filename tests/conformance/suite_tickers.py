# SPDX-License-Identifier: MIT
"""suite_tickers.py - a thread that ticks beside one that computes, in CPython and Ruby: as often and as punctual as natively

Lateness depends on how busy the machine is, so native and green runs alternate
and their medians are compared.
"""

import os
import statistics

from common import HERE, failure, missing_package

PROGRAMS = {
    "cpython": ["/usr/bin/python3", os.path.join(HERE, "runtimes", "ticker.py")],
    "ruby": ["/usr/bin/ruby", os.path.join(HERE, "runtimes", "ticker.rb")],
}
PAIRS, SECONDS = 7, 3
PAIRS_FAST, SECONDS_FAST = 3, 1.5
FACTOR = 2
# Below this lateness is a matter of the machine, not of who schedules.
SLACK_US = 1000


class Suite:
    name = "tickers"

    def needs(self):
        reasons = [missing_package(command[0], os.path.basename(command[0])) for command in PROGRAMS.values()]
        return next((reason for reason in reasons if reason), None)

    def run(self, mode, fast, context):
        pairs, seconds = (PAIRS_FAST, SECONDS_FAST) if fast else (PAIRS, SECONDS)
        return {name: judge(name, mode, pairs, seconds, context) for name in PROGRAMS if context.wants(name)}


def ticks(name, mode, seconds, context):
    """How many ticks there were and their median lateness in microseconds; None if the program failed."""
    run = context.run([*PROGRAMS[name], str(seconds)], mode, 20 * seconds + 20)
    if run.hang or run.status != 0:
        context.detail(name, f"status {run.status}\n{run.text()}\n{run.hang or ''}")
        return None
    return tuple(int(word) for word in run.stdout.split())


def judge(name, mode, pairs, seconds, context):
    if mode == "native":
        return "pass" if ticks(name, mode, seconds, context) else failure("it does not tick")
    runs = {"native": [], "green": []}
    for _ in range(pairs):
        for kind, seen in runs.items():
            seen.append(ticks(name, kind, seconds, context))
    if None in runs["native"] + runs["green"]:
        return failure("it does not tick")
    return compare(name, runs, context)


def compare(name, runs, context):
    counts = {kind: statistics.median(count for count, _ in seen) for kind, seen in runs.items()}
    late = {kind: statistics.median(lateness for _, lateness in seen) for kind, seen in runs.items()}
    context.detail(name, "\n".join(f"{kind}: {counts[kind]:.0f} ticks, {late[kind]:.0f} us late; {runs[kind]}" for kind in runs))
    if late["green"] > FACTOR * late["native"] + SLACK_US:
        return failure(f"{late['green']:.0f} us late, natively {late['native']:.0f}")
    if counts["green"] * FACTOR < counts["native"]:
        return failure(f"{counts['green']:.0f} ticks, natively {counts['native']:.0f}")
    return "pass"
