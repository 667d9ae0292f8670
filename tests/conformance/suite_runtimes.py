# SPDX-License-Identifier: MIT
"""suite_runtimes.py - one job server for each of six languages' threads, run again and again: no hang, no difference"""

import os

from common import HERE, failure, missing_package

PROGRAMS = os.path.join(HERE, "runtimes")
LIMIT = 60
# The full mode asks three times.
REPEATS, REPEATS_FAST = 34, 2
THREADS = 15

# The case, how its program is started, and where the interpreter or the compiler is.
INTERPRETED = {
    "cpython": (["/usr/bin/python3"], "jobs.py", "python3"),
    "ruby": (["/usr/bin/ruby"], "jobs.rb", "ruby"),
    "perl": (["/usr/bin/perl"], "jobs.pl", "perl"),
    "guile": (["/usr/bin/guile", "--no-auto-compile"], "jobs.scm", "guile-3.0"),
}
COMPILED = {
    "rust": (["/usr/bin/rustc", "--edition", "2021", "-O", "-o"], "jobs.rs", "rustc"),
    "libstdcxx": (["/usr/bin/g++", "-std=c++20", "-O2", "-pthread", "-o"], "jobs.cpp", "g++"),
}


class Suite:
    name = "runtimes"

    def needs(self):
        for command, _, package in [*INTERPRETED.values(), *COMPILED.values()]:
            reason = missing_package(command[0], package)
            if reason:
                return reason
        return None

    def run(self, mode, fast, context):
        repeats = REPEATS_FAST if fast else REPEATS
        names = [name for name in [*INTERPRETED, *COMPILED] if context.wants(name)]
        outcomes = dict(context.map(lambda name: (name, run_repeatedly(name, mode, repeats, context)), names))
        if mode == "green" and active_processes(context) < repeats * len(names):
            return {name: failure("not each of the runs had its green threads") for name in names}
        return outcomes


def active_processes(context):
    return sum(one["created"] >= THREADS for one in context.stats())


def compiled(name, context):
    """The program of NAME, compiled at its first use and kept in the build directory."""
    command, file, _ = COMPILED[name]
    source, target = os.path.join(PROGRAMS, file), os.path.join(context.cache, name)
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        run = context.run([*command, target, source], "native", 300)
        if run.status != 0:
            context.detail(name, run.text())
            return None
    return [target]


def argv(name, context):
    if name in COMPILED:
        return compiled(name, context)
    command, file, _ = INTERPRETED[name]
    return [*command, os.path.join(PROGRAMS, file)]


def run_repeatedly(name, mode, repeats, context):
    """What every run printed, if that was the same each time."""
    command = argv(name, context)
    if command is None:
        return failure("it does not compile")
    first = None
    for number in range(1, repeats + 1):
        run = context.run(command, mode, LIMIT)
        seen = f"status {run.status}\n{run.text()}"
        if run.hang or (first is not None and seen != first):
            context.detail(name, f"{seen}\n{run.hang or ''}\nthe run before:\n{first}")
            return failure(f"run {number} hung" if run.hang else f"run {number} differs from the one before")
        first = seen
    return first
