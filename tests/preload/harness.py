# SPDX-License-Identifier: MIT
"""harness.py - what the drivers share: options, runs with a time limit, the stats file, one line per case"""

import argparse
import os
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

STATS_MAGIC = 0x3153544154534E47
STATS_SIZE = 256
STATS_NAMES = (
    "magic carriers created alive peak helpers epoll_wait epoll_ctl io parks switches stood_down handlers preemptions ticks "
    "detoured natives"
).split()


class Failure(Exception):
    """What is wrong, with the run that shows it and the text that was expected instead."""

    def __init__(self, reason, result=None, expected=None):
        super().__init__(reason)
        self.result, self.expected = result, expected


class Skip(Exception):
    """Why a case cannot be run here."""


class Case:
    """One line of the report."""

    def __init__(self, name):
        self.name = name

    def run(self, options):
        raise NotImplementedError


class Result:
    """How one run of a program went."""

    def __init__(self, pid, shimmed):
        self.pid, self.shimmed = pid, shimmed
        self.stdout = self.stderr = b""
        self.status, self.hang, self.seconds, self.stats = None, None, 0.0, {}


def source_directory():
    return os.path.dirname(os.path.abspath(__file__))


def read_stats(path):
    with open(path, "rb") as file:
        data = file.read(STATS_SIZE)
    if len(data) < STATS_SIZE:
        raise Failure(f"{path} has {len(data)} bytes")
    return dict(zip(STATS_NAMES, struct.unpack("<32Q", data)))


def collect_stats(prefix):
    """The counters of every process of one run, by process id."""
    directory, start = os.path.split(prefix)
    found = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        # A child that was killed as it started has made the file, perhaps with room in it, and no more.
        if name.startswith(start + ".") and os.path.getsize(path) and read_stats(path)["magic"]:
            found[int(name.rsplit(".", 1)[1])] = read_stats(path)
    return found


def check_stats(result, threads):
    """A run that silently went native must not pass: the counters tell."""
    own = result.stats.get(result.pid)
    if own is None:
        raise Failure(f"the shim was not active: no stats file of process {result.pid}", result)
    for pid, stats in result.stats.items():
        if stats["magic"] != STATS_MAGIC:
            raise Failure(f"stats of process {pid}: magic is {stats['magic']:#x}", result)
        if stats["stood_down"]:
            raise Failure(f"process {pid} stood down", result)
        if stats["carriers"] != (1 if stats["created"] else stats["carriers"]) or stats["carriers"] > 1:
            raise Failure(f"process {pid}: {stats['carriers']} carriers", result)
    if own["created"] < threads:
        raise Failure(f"{own['created']} green pthreads, at least {threads} expected", result)


def message_of_overflow(stderr):
    """True if STDERR is exactly one sentence of the shim about a stack overflow."""
    lines = stderr.decode(errors="replace").splitlines()
    return len(lines) == 1 and lines[0].startswith("green: ") and "greenlet" in lines[0] and "stack" in lines[0]


def read_proc(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError as error:
        return error.strerror


def describe_task(pid, task):
    base = f"/proc/{pid}/task/{task}"
    return f"({read_proc(base + '/comm')}): wchan {read_proc(base + '/wchan')}, syscall {read_proc(base + '/syscall')}"


def describe_tasks(pid, most=20):
    """Where each kernel thread of a hung process sleeps; of many, the first are enough."""
    try:
        tasks = sorted(os.listdir(f"/proc/{pid}/task"), key=int)
    except OSError:
        return "the process is gone"
    lines = [f"task {task} {describe_task(pid, task)}" for task in tasks[:most]]
    if len(tasks) > most:
        lines.append(f"and {len(tasks) - most} more tasks")
    return "\n".join(lines)


def descendants(pid):
    """PID and what it started, as far as its children can still be seen."""
    found = [pid]
    for parent in found:
        children = read_proc(f"/proc/{parent}/task/{parent}/children").split()
        found += [int(child) for child in children if child.isdigit()]
    return found


def describe_hang(pid):
    return "\n".join(f"process {one}:\n{describe_tasks(one)}" for one in descendants(pid))


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def drain(process, limit):
    """Reads both pipes until the program has ended; False when the time is up."""
    deadline = time.monotonic() + limit
    collected = {process.stdout: bytearray(), process.stderr: bytearray()}
    open_pipes, pidfd = set(collected), os.pidfd_open(process.pid)
    ended = False
    while open_pipes or not ended:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        watched = list(open_pipes) + ([] if ended else [pidfd])
        for ready in select.select(watched, [], [], left)[0]:
            if ready == pidfd:
                ended = True
                # A child that outlives the program may hold the pipes: it gets a moment, not the whole limit.
                deadline = min(deadline, time.monotonic() + 3)
                continue
            piece = os.read(ready.fileno(), 65536)
            collected[ready] += piece
            if not piece:
                open_pipes.discard(ready)
    os.close(pidfd)
    return ended, bytes(collected[process.stdout]), bytes(collected[process.stderr])


def run(command, limit, env=None, green=None, stdin=None, watch=None, flags=()):
    """Runs COMMAND in its own process group, under the shim when GREEN names the tool, which is given FLAGS.

    WATCH, if there is one, is called with the process id once the program has started; it must not wait.
    """
    directory = tempfile.mkdtemp(prefix="plain-")
    # Children that become another user have counters, too.
    os.chmod(directory, 0o777)
    env = dict(os.environ if env is None else env)
    if green:
        command = [green, "run", *flags, "--", *command]
        env["GREEN_STATS"] = os.path.join(directory, "stats")
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env, start_new_session=True)
    result = Result(process.pid, bool(green))
    try:
        if watch:
            watch(process.pid)
        ended, result.stdout, result.stderr = drain(process, limit)
        if not ended:
            result.hang = describe_hang(process.pid)
        kill_group(process)
        result.status = process.wait()
        result.seconds = time.monotonic() - start
        result.stats = collect_stats(os.path.join(directory, "stats"))
    finally:
        kill_group(process)
        process.stdout.close()
        process.stderr.close()
        shutil.rmtree(directory, ignore_errors=True)
    return result


def indented(text, most=3000):
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    return "".join(f"    {line}\n" for line in text[-most:].splitlines())


def first_difference(expected, seen):
    """The first line in which two outputs part."""
    expected, seen = (text.decode(errors="replace").splitlines() for text in (expected, seen))
    for number, pair in enumerate(zip(expected, seen), 1):
        if pair[0] != pair[1]:
            return f"  line {number}: expected {pair[0]!r}, saw {pair[1]!r}\n"
    longer, what = (expected, "missing") if len(expected) > len(seen) else (seen, "too much")
    at = min(len(expected), len(seen))
    return f"  line {at + 1} is {what}: {longer[at]!r}\n" if at < len(longer) else ""


def explain(failure, verbose):
    """The lines below a failed case."""
    text, result = "", failure.result
    if not result:
        return text
    if failure.expected is not None:
        seen = result.stdout if failure.expected != result.stdout else result.stderr
        text += first_difference(failure.expected, seen)
    if result.hang:
        text += indented(result.hang)
    if result.stderr:
        text += "  stderr:\n" + indented(result.stderr, 1000)
    if verbose or failure.expected is None:
        text += "  stdout:\n" + indented(result.stdout, 3000 if verbose else 600)
    for pid, stats in result.stats.items():
        if pid == result.pid or verbose:
            text += f"  stats of {pid}: " + ", ".join(f"{k} {v}" for k, v in stats.items() if k != "magic") + "\n"
    return text


def parse_options():
    parser = argparse.ArgumentParser(description="Runs plain blocking programs natively and under the shim.")
    parser.add_argument("--build", default="build", metavar="DIR", help="the build directory (default: build)")
    parser.add_argument("--programs", metavar="DIR", help="where the programs are (default: DIR/tests/preload)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run NAME, or all that start so")
    parser.add_argument("--repeat", type=int, default=0, metavar="N", help="run each case N times")
    parser.add_argument("--native-only", action="store_true", help="compare native runs with native runs")
    parser.add_argument("-v", action="store_true", dest="verbose", help="print the time of each case and whole outputs")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.programs = options.programs or os.path.join(options.build, "tests", "preload")
    options.green = os.path.join(options.build, "green")
    return options


def run_case(case, options):
    """One of the words that are counted, and the line that says it."""
    start = time.monotonic()
    try:
        case.run(options)
        word, detail = "passed", ""
    except Skip as skip:
        word, detail = "skipped", f": {skip}"
    except Failure as failure:
        word, detail = "failed", f": {failure}\n{explain(failure, options.verbose)}".rstrip()
    except Exception:  # pylint: disable=broad-except
        word, detail = "failed", ":\n" + indented(traceback.format_exc()).rstrip()
    took = f" ({time.monotonic() - start:.2f} s)" if options.verbose else ""
    note = getattr(case, "note", "")
    print(f"{word} {case.name}{took}{' [' + note + ']' if note else ''}{detail}", flush=True)
    return word


def selected(case, options):
    return not options.only or any(case.name == name or case.name.startswith(name + ".") for name in options.only)


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def main_with(make_cases):
    """The whole command: options, cases, the closing line and the exit status."""
    options = parse_options()
    chosen = [case for case in make_cases(options) if selected(case, options)]
    if options.list:
        print("\n".join(case.name for case in chosen))
        return 0
    if not options.native_only and not os.path.exists(options.green):
        print(f"there is no {options.green}", file=sys.stderr)
        return 1
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in chosen:
        counts[run_case(case, options)] += 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or not chosen else 0
