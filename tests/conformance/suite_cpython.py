# SPDX-License-Identifier: MIT
"""suite_cpython.py - the modules of CPython's own suite that are about threads, signals, processes and time"""

import json
import os

from common import HERE, failure, missing_package

PYTHON = "/usr/bin/python3"
TESTS = "/usr/lib/python3.11/test/test_threading.py"
MODULES = (
    "test_concurrent_futures test_subprocess test_threading test_signal test_faulthandler test_thread "
    "test_threading_local test_threadsignals test_threadedtempfile test_queue test_sched test_fork1 test_wait3 "
    "test_wait4 test_context test_time test_timeout test_socketserver test_contextlib test_weakref"
).split()
FAST = "test_thread test_threading_local test_queue test_threadsignals test_sched test_fork1 test_context".split()
# Hosts far away are no place for a test.
LEFT_OUT = ("test.test_timeout.TCPTimeoutTestCase",)
CASE_LIMIT = 90
MODULE_LIMIT = 40  # restarts: a module that hangs more often is given up


class Suite:
    name = "cpython"

    def needs(self):
        return missing_package(PYTHON, "python3") or missing_package(TESTS, "libpython3.11-testsuite")

    def run(self, mode, fast, context):
        outcomes = {}
        modules = [module for module in (FAST if fast else MODULES) if wanted(module, context)]
        for found in context.map(lambda module: run_module(module, mode, context), modules):
            outcomes.update(found)
        return outcomes


def wanted(module, context):
    start = f"test.{module}."
    return not context.only or any(name.startswith(start) or start.startswith(name) for name in context.only)


def run_module(module, mode, context):
    """Goes on behind a case that hung or ended the process, which is what that case is charged with."""
    directory = os.path.join(context.scratch, module)
    os.makedirs(directory)
    path = os.path.join(directory, "results")
    for _ in range(MODULE_LIMIT):
        run = run_part(module, path, mode, context)
        outcomes, started = read_results(path, context)
        if started is None:
            break
        why = f"no sign for {CASE_LIMIT} s" if run.hang else f"the process ended with status {run.status}"
        note(path, started, failure(why), f"{run.text()}\n{run.hang or ''}")
    outcomes = read_results(path, context)[0]
    return {case: outcome for case, outcome in outcomes.items() if not case.startswith(LEFT_OUT)}


def run_part(module, path, mode, context):
    work = os.path.join(os.path.dirname(path), str(len(os.listdir(os.path.dirname(path)))))
    os.makedirs(work)
    argv = [PYTHON, "-X", "faulthandler", "-u", "-W", "default", "-bb", "-E", os.path.join(HERE, "cpython_cases.py"),
            module, path]
    return context.run(argv, mode, CASE_LIMIT, directory=work, progress=path)


def read_results(path, context):
    """({case: outcome}, the case that has started and not ended)."""
    outcomes, started = {}, None
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "start" in line:
                started = line["start"]
                continue
            outcomes[line["case"]] = line["outcome"]
            context.detail(line["case"], line.get("detail", ""))
            started = None
    return outcomes, started


def note(path, case, outcome, detail):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"case": case, "outcome": outcome, "detail": detail}) + "\n")
