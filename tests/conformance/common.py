# SPDX-License-Identifier: MIT
"""common.py - what the suites share: places, how a command is run in each mode, and whether the shim was there

A suite is a module suite_NAME.py beside this file, with a class Suite:

    name                      one word
    needs()                   why it cannot run here, in a few words, else None
    run(mode, fast, context)  runs its cases, MODE being "native" or "green", and returns {case: outcome}

An outcome is "pass", "skip", "fail" or "fail: why"; any other text passes when green says what native said.
"""

import concurrent.futures
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

from harness import collect_stats, describe_hang, kill_group  # noqa: E402  pylint: disable=wrong-import-position

MARK = "CONFORMANCE_RUN"


def missing_package(path, package):
    """A reason for needs(), if PATH is not there."""
    return None if os.path.exists(path) else f"Debian's package {package} is not installed"


def failure(why):
    return f"fail: {why}"


def is_failure(outcome):
    return outcome == "fail" or outcome.startswith("fail: ")


def processes_marked(text):
    """Every process whose environment holds TEXT: what a run has left behind, in whatever session it hides."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if text.encode() in file.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            pass
    return found


def kill_marked(text):
    for pid in processes_marked(text):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def last_sign(began, progress):
    """When the program last wrote to the file PROGRESS, if it has one."""
    try:
        return max(began, os.stat(progress).st_mtime) if progress else began
    except FileNotFoundError:
        return began


def wait(process, limit, progress):
    """False if PROCESS has not ended in LIMIT seconds, or in as many since PROGRESS was written to."""
    began = time.time()
    while (left := last_sign(began, progress) + limit - time.time()) > 0:
        try:
            process.wait(left)
            return True
        except subprocess.TimeoutExpired:
            pass
    return False


def abort(process):
    """A program that can say where it hangs gets a moment to do so."""
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        pass


def contents(file):
    file.seek(0)
    return file.read()


class Run:
    """How one command went."""

    def __init__(self, pid):
        self.pid = pid
        self.status, self.hang, self.seconds = None, None, 0.0
        self.stdout = self.stderr = b""

    def text(self):
        return (self.stdout + self.stderr).decode(errors="replace")


class Context:
    """What a suite is given for one run in one mode."""

    def __init__(self, options, suite, mode, only=None):
        self.source = os.path.dirname(os.path.dirname(HERE))
        self.build, self.green = options.build, os.path.join(options.build, "green")
        self.verbose, self.jobs, self.mode = options.verbose, options.jobs, mode
        self.only = only
        self.cache = os.path.join(options.build, "tests", "conformance", suite)
        self.scratch = tempfile.mkdtemp(prefix=f"conformance-{suite}-")
        self.details = {}
        self.numbers = itertools.count(1)
        os.makedirs(self.cache, exist_ok=True)
        os.makedirs(os.path.join(self.scratch, "stats"))

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def wants(self, case):
        """False if the runner does not ask for CASE; a suite may run it all the same."""
        return self.only is None or case in self.only or any(case.startswith(name) for name in self.only)

    def command(self, argv, mode):
        return [self.green, "run", "--", *argv] if mode == "green" else list(argv)

    def environment(self, mode):
        """The caller's environment without any shim of its own; under the shim each call counts into files of its own.

        GREEN_TIMESLICE stays: it may set the pace for all suites.
        """
        env = {k: v for k, v in os.environ.items()
               if (not k.startswith("GREEN_") or k == "GREEN_TIMESLICE") and k != "LD_PRELOAD"}
        number = next(self.numbers)
        env[MARK] = f"{os.getpid()}.{os.path.basename(self.scratch)}.{number}"
        if mode == "green":
            env["GREEN_STATS"] = os.path.join(self.scratch, "stats", str(number))
        return env

    def run(self, argv, mode, limit, directory=None, progress=None, **variables):
        """Runs ARGV for LIMIT seconds at most; whatever it leaves behind is killed.

        With PROGRESS, a file, the time starts anew whenever that file is written to.
        """
        env = dict(self.environment(mode), **variables)
        start = time.monotonic()
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(self.command(argv, mode), cwd=directory, env=env, stdin=subprocess.DEVNULL,
                                       stdout=stdout, stderr=stderr, start_new_session=True)
            run = Run(process.pid)
            try:
                if not wait(process, limit, progress):
                    run.hang = describe_hang(process.pid)
                    abort(process)
            finally:
                kill_group(process)
                run.status = process.wait()
                kill_marked(f"{MARK}={env[MARK]}")
            run.stdout, run.stderr = contents(stdout), contents(stderr)
        run.seconds = time.monotonic() - start
        return run

    def map(self, function, items):
        """FUNCTION of each of ITEMS, as many at a time as the runner allows."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(function, items))

    def detail(self, case, text):
        """What the runner shows below CASE if it is a regression."""
        self.details[case] = text

    def stats(self):
        """The counters of all processes that ran under the shim, one dict each."""
        found = []
        for number in range(1, next(self.numbers)):
            found += collect_stats(os.path.join(self.scratch, "stats", str(number))).values()
        return found
