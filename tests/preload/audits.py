#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""audits.py - what `green run --audit` says of a program that keeps the carrier in known ways"""

import os
import re
import shutil
import sys
import tempfile

from driver import TIME_LIMIT, TIME_LIMITS, Compared, environment, listed_cases
from harness import Case, Failure, check_stats, main_with, run

# Programs that would notice interrupted calls, other signals or other descriptors.
UNCHANGED = ("interrupts", "sleeps", "signals", "sigjump", "sighandlers", "processes", "descriptors", "cancel", "main_exit")

HEAD = re.compile(r"green audit: process (\d+) \(\S+\): all green threads were held up \d+ times?, [\d.]+ ms in all, by:")
ENTRY = re.compile(r"  (\d+) times?, ([\d.]+) ms in all, ([\d.]+) ms at most: (.+)")
FRAME = re.compile(r"    (?:([^\s+]+)\+)?0x[0-9a-f]+ in (.+)")
NOTHING = re.compile(r"green audit: process (\d+) \(\S+\): no call blocked the carrier for more than 10 ms\n")


class Entry:
    """One way in which the carrier was kept."""

    def __init__(self, match):
        self.count, self.total, self.longest, self.what = int(match[1]), float(match[2]), float(match[3]), match[4]
        self.functions, self.advice = [], ""


def parse(text):
    """The entries by process; every line must be of a known form."""
    processes, entries = {}, None
    for line in text.splitlines():
        head, entry, frame = HEAD.fullmatch(line), ENTRY.fullmatch(line), FRAME.fullmatch(line)
        if head:
            entries = processes[int(head[1])] = []
        elif entry and entries is not None:
            entries.append(Entry(entry))
        elif frame and entries:
            entries[-1].functions.append(frame[1])
        elif line.startswith("    (") and entries:
            entries[-1].advice = line.strip(" ()")
        else:
            raise Failure(f"a line that is no part of a report: {line!r}")
    return processes


# U6, CK25: who holds up the others, and where
class Audited(Case):
    """One case of blocks.c; the output and the end are the native ones."""

    flags = ("--audit",)

    def __init__(self, case, threads, expect):
        super().__init__(f"blocks.{case}")
        self.case, self.threads, self.expect = case, threads, expect

    def run(self, options):
        env = environment(options)
        command = [os.path.join(options.programs, "blocks"), self.case]
        native = run(command, limit=20, env=env)
        for _ in range(options.repeat or 1):
            self.prepare()
            result = run(command, limit=20, env=env, green=options.green, flags=self.flags)
            if result.hang or result.status != native.status:
                raise Failure("hangs" if result.hang else f"status {result.status}, natively {native.status}", result)
            if result.stdout != native.stdout:
                raise Failure("other output", result, native.stdout)
            self.check_stats(result)
            try:
                self.expect(result, result.stderr.decode())
            except Failure as failure:
                failure.result = result
                raise

    def prepare(self):
        """Whatever a run must not find of the one before."""

    def check_stats(self, result):
        if self.threads:
            check_stats(result, self.threads)


class Replaced(Audited):
    """The program became another one, whose counters have nothing of it any more."""

    def check_stats(self, result):
        if result.stats[result.pid]["created"]:
            raise Failure("the other program has threads", result)


class Filed(Audited):
    """The report goes to a file of each process."""

    directory = None

    def prepare(self):
        if self.directory:
            shutil.rmtree(self.directory)
        self.directory = tempfile.mkdtemp(prefix="audit-")
        self.flags = (f"--audit={self.directory}/report",)

    def run(self, options):
        try:
            super().run(options)
        finally:
            shutil.rmtree(self.directory)

    def files(self):
        texts = {}
        for name in os.listdir(self.directory):
            with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                texts[int(name.rsplit(".", 1)[1])] = file.read()
        return texts


class Unchanged(Compared):
    """A plain program behaves under an audit as it does natively."""

    def run_once(self, options, env, native):
        with tempfile.TemporaryDirectory(prefix="audit-") as directory:
            flags = (f"--audit={directory}/report",)
            result = run(self.command, limit=self.limit, env=env, green=options.green, flags=flags)
            self.compare(native, result)
            check_stats(result, self.threads)
            demand(self.threads == 0 or os.listdir(directory), "there is no report")


def demand(holds, reason):
    if not holds:
        raise Failure(reason)


def demand_call(entries, what, function, count, least):
    """
    One entry, which alone is checked: a loaded machine may add others of the kernel's making.

    LEAST is less than the program waits, for the kernel's own accounts are some milliseconds behind.
    """
    found = [entry for entry in entries if entry.what == what and function in entry.functions]
    demand(len(found) == 1, f"{len(found)} entries of {what} with {function}")
    entry = found[0]
    demand(entry.count == count, f"{what}: {entry.count} times, not {count}")
    demand(entry.longest >= least, f"{what}: at most {entry.longest} ms, not {least}")
    demand(entry.longest < least + 1000, f"{what}: {entry.longest} ms at most, and it took about {least}")
    demand(entry.total >= least * count, f"{what}: {entry.total} ms in all, not {least * count}")
    demand(entry.functions.index(function) == 0, f"{function} is not the innermost function")
    return entry


def expect_call(what, function, count, least):
    def expect(result, text):
        entry = demand_call(parse(text)[result.pid], what, function, count, least)
        demand("--native-thread=blocks" in entry.advice, f"the advice is {entry.advice!r}")

    return expect


def expect_nothing(result, text):
    match = NOTHING.fullmatch(text)
    demand(match and int(match[1]) == result.pid, "it does not say that nothing blocked")


def expect_computing(result, text):
    entries = [entry for entry in parse(text)[result.pid] if entry.what == "kept the carrier busy"]
    found = [entry for entry in entries if "sort_in_libc" in entry.functions]
    demand(found, "nobody kept the carrier busy in sort_in_libc")
    demand(all(entry.what != "perf_event_open" for entry in parse(text)[result.pid]), "the shim's own tick blocked")
    demand(max(entry.longest for entry in found) > 10, "it did so for no more than 10 ms")


def nothing_made(result):
    return f"green audit: process {result.pid} made no thread that could have been held up\n"


def expect_replaced(result, text):
    """The program that it became tells for itself."""
    demand(text.endswith(nothing_made(result)), "the other program does not tell that it made no thread")
    expect_call("nanosleep", "sleep_past_libc", 1, 40)(result, text.removesuffix(nothing_made(result)))


def expect_alone(result, text):
    demand(text == nothing_made(result), "nobody else was there")


def expect_child(result, text):
    """The parent says that nothing blocked, the first child what did, the second one nothing."""
    text, count = NOTHING.subn("", text)
    demand(count == 1, f"{count} processes say that nothing blocked")
    processes = parse(text)
    demand(len(processes) == 1 and result.pid not in processes, f"reports of {len(processes)} processes")
    demand_call(*processes.values(), "nanosleep", "sleep_past_libc", 1, 40)


def expect_files(case):
    def expect(result, text):
        demand(text == "", "standard error has something")
        texts = case().files()
        demand(NOTHING.fullmatch(texts.pop(result.pid)), "the parent's file does not say that nothing blocked")
        reports = [text for text in texts.values() if not NOTHING.fullmatch(text)]
        demand(len(texts) == 2 and len(reports) == 1, f"{len(reports)} reports in {len(texts)} files of children")
        demand_call(*parse(reports[0]).values(), "nanosleep", "sleep_past_libc", 1, 40)

    return expect


def cases(options):
    yield Audited("nothing", 3, expect_nothing)
    yield Audited("sleeping", 3, expect_call("nanosleep", "sleep_past_libc", 3, 40))
    yield Audited("waiting", 3, expect_call("futex", "wait_past_libc", 2, 50))
    yield Audited("reading", 3, expect_call("read", "read_past_libc", 1, 50))
    yield Audited("computing", 3, expect_computing)
    yield Audited("ends_at_once", 1, expect_call("nanosleep", "sleep_past_libc", 1, 40))
    yield Audited("is_killed", 1, expect_call("nanosleep", "sleep_past_libc", 1, 40))
    yield Replaced("becomes_another", 1, expect_replaced)
    yield Audited("in_child", 1, expect_child)
    yield Audited("alone", 0, expect_alone)
    filed = Filed("in_child", 1, expect_files(lambda: filed))
    filed.name += ".to_files"
    yield filed
    for program in UNCHANGED:
        path = os.path.join(options.programs, program)
        for name, threads in listed_cases(path):
            yield Unchanged(f"{program}.{name}", [path, name], threads, TIME_LIMITS.get(program, TIME_LIMIT))


if __name__ == "__main__":
    sys.exit(main_with(cases))
