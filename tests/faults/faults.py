#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""faults.py - lets the system calls of small programs fail, one at a time, under `green run`, and judges what they did

A clean run counts the calls. Then each of them fails in a run of its own, at
positions spread over the count, or as a seed decides. A program checks its bytes
and says which of its calls failed with what; that must be what the same failure
could do natively: the injected error, from a call that natively makes this system
call. Never a hang, a crash, a byte that is lost or doubled, or an error that
belongs to a call of the shim's own.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from harness import Case, Failure, Skip, collect_stats, main_with, run  # noqa: E402

LIMIT = 60       # seconds that a run may take; a clean one takes a fraction of one
JOBS = 2
POSITIONS = 6    # of each call and error
SKIPPED = 77

IN = "read readv preadv preadv2 pread64 recvfrom recvmsg recvmmsg".split()
OUT = "write writev pwritev pwritev2 pwrite64 sendto sendmsg sendmmsg".split()
MEMORY = "mmap munmap mremap mprotect madvise brk".split()
MAKING = "clone clone3 fork vfork".split()
EPOLL = "epoll_wait epoll_pwait epoll_pwait2".split()

INTERRUPTIBLE = IN + OUT + EPOLL + "accept accept4 poll ppoll select pselect6 futex_wait wait4 waitid flock".split() + \
    "nanosleep clock_nanosleep rt_sigtimedwait".split()
# What may run out, and what may be run out of for good.
SCARCE = MEMORY + MAKING + "epoll_create1 eventfd2 epoll_ctl timer_create".split()
LASTING = MAKING + ("epoll_ctl timer_create eventfd2 epoll_create1 perf_event_open pidfd_open "
                    "mmap mprotect openat").split()
STORMS = 10

# (calls, kinds of descriptors or None, errors): what is let fail.
#
# Left out is what cannot be: EAGAIN where the shim has asked not to wait is the answer to its question; a close that
# did not close; errors of futex that make libc itself abort; and a short read of TCP while there is more, for a read
# that returns less than it could has emptied the queue, see epoll(7).
FAULTS = (
    (IN, ["tcp"], "EINTR ENOMEM ENOBUFS ECONNRESET ETIMEDOUT"),
    (IN, ["stream"], "EINTR ENOMEM ENOBUFS ECONNRESET short"),
    (IN, ["pipe"], "EINTR EIO short"),
    (IN, ["file"], "EINTR EIO ENOMEM short"),
    (IN, ["datagram"], "EINTR ENOMEM ECONNREFUSED"),
    (IN, ["eventfd", "other"], "EINTR"),
    (OUT, ["tcp", "stream"], "EINTR ENOMEM ENOBUFS ECONNRESET EPIPE short"),
    (OUT, ["pipe"], "EINTR EPIPE ENOMEM short"),
    (OUT, ["file"], "EINTR ENOSPC EIO short"),
    (OUT, ["datagram"], "EINTR ENOMEM ENOBUFS EPIPE"),
    (OUT, ["eventfd"], "EINTR"),
    (["accept", "accept4"], None, "EINTR ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM"),
    (["connect"], None, "EINTR ECONNREFUSED ETIMEDOUT ENOBUFS EADDRNOTAVAIL"),
    (["socket", "socketpair", "pipe2"], None, "EMFILE ENFILE ENOMEM"),
    (["eventfd2", "epoll_create1", "timerfd_create", "pidfd_open", "perf_event_open"], None, "EMFILE ENFILE ENOMEM"),
    (["epoll_ctl"], None, "ENOMEM ENOSPC"),
    (EPOLL, None, "EINTR"),
    (["poll", "ppoll", "select", "pselect6"], None, "EINTR ENOMEM"),
    (["futex_wait"], None, "EINTR EAGAIN"),
    (["mmap", "mremap", "mprotect", "madvise", "brk"], None, "ENOMEM"),
    (["madvise"], None, "EAGAIN EINVAL"),
    (["munmap"], None, "ENOMEM"),
    (MAKING, None, "EAGAIN ENOMEM"),
    (["clone3"], None, "ENOSYS"),
    (["timer_create"], None, "EAGAIN ENOMEM"),
    (["perf_event_open"], None, "EACCES"),
    (["openat"], None, "EINTR EMFILE ENFILE ENOMEM"),
    (["dup", "dup3", "fcntl_dup"], None, "EMFILE ENOMEM"),
    (["fcntl_lock", "flock"], None, "EINTR ENOLCK"),
    (["close"], None, "EINTR EIO"),
    (["fsync"], None, "EINTR EIO ENOSPC"),
    (["getsockopt", "setsockopt", "fstat"], None, "ENOMEM ENOBUFS"),
    (["sendfile", "splice"], None, "EINTR ENOMEM short"),
    (["wait4", "waitid"], None, "EINTR"),
    (["nanosleep", "clock_nanosleep"], None, "EINTR"),
)

# The system calls that a call of the program makes natively, where they are not the one of its own name.
SERVED_BY = {
    "recv": IN, "recvfrom": IN, "recvmsg": IN, "read": IN, "readv": IN, "preadv2": IN, "pread": IN, "fgets": IN,
    "recvmmsg": IN,
    "send": OUT, "sendto": OUT, "sendmsg": OUT, "write": OUT, "writev": OUT, "pwritev2": OUT, "pwrite": OUT,
    "sendmmsg": OUT, "fprintf": OUT, "fwrite": OUT, "fclose": OUT + ["close"],
    "accept": ["accept", "accept4"],
    "pipe": ["pipe2"], "poll": ["poll", "ppoll"], "select": ["select", "pselect6"], "epoll_wait": EPOLL,
    "sendfile": ["sendfile"] + IN + OUT, "splice": ["splice"],
    "fork": MAKING, "posix_spawn": MAKING + MEMORY, "system": MAKING + MEMORY + ["wait4", "waitid"],
    "popen": MAKING + MEMORY + ["pipe2", "fcntl_dup"], "pclose": ["wait4", "waitid", "close"],
    "waitpid": ["wait4", "waitid"],
    "timer_create": ["timer_create"] + MEMORY + MAKING,
    "open": ["openat"], "mkstemp": ["openat"], "tmpfile": ["openat"] + MEMORY, "fdopen": MEMORY, "malloc": MEMORY,
    "nanosleep": ["nanosleep", "clock_nanosleep"], "usleep": ["nanosleep", "clock_nanosleep"],
    "sem_wait": ["futex_wait"], "sem_timedwait": ["futex_wait"], "flock": ["flock"],
}
# These read files, make sockets and allocate; what fails in them they report as it came.
LOOK_UPS = ("getaddrinfo",)
STARTING = ("timer_create", "posix_spawn", "fork", "system", "popen")
FOLLOWS = ("EPIPE", "ECONNRESET")  # at the other end of a connection that was given up
TOLD = re.compile(r"(?:cannot go on: )?([a-z0-9_]+): (E[A-Z0-9]+)$")
PARTLY = re.compile(r"[a-z0-9 ]+: (\d+) of (\d+)")


class Fault:
    """One system call that is to fail, and how."""

    def __init__(self, call, kind, error, options):
        self.call, self.kind, self.error, self.options = call, kind, error, options

    def __str__(self):
        return f"{self.call}{'' if self.kind == 'none' else ' on ' + self.kind} {self.error} {' '.join(self.options)}"

    def arguments(self):
        found = [f"--call={self.call}", f"--fault={self.error}", *self.options]
        return found if self.kind == "none" else found + [f"--on={self.kind}"]


class Outcome:
    """How one run went: its result, the lines of the tracer's report, the counters of the shim."""

    def __init__(self, result, report, stats):
        self.result, self.report, self.stats = result, report, stats

    def lines(self):
        return self.result.stdout.decode(errors="replace").splitlines()[1:]


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("GREEN_") and k != "LD_PRELOAD"}


def run_injected(options, command, arguments, green=True, outputs=1):
    """COMMAND under the tracer, which is told ARGUMENTS; calls count when COMMAND has written OUTPUTS lines."""
    directory = tempfile.mkdtemp(prefix="faults-")
    report = os.path.join(directory, "report")
    env = environment()
    if green:
        env["GREEN_STATS"] = os.path.join(directory, "stats")
        command = [options.green, "run", "--", *command]
    try:
        told = [f"--report={report}", f"--after-output={outputs}", *arguments]
        result = run([options.injector, *told, "--", *command], LIMIT, env)
        if result.status == SKIPPED and b"inject: " in result.stderr:
            raise Skip(result.stderr.decode().strip())
        with open(report, "rb") as file:
            lines = file.read().replace(b"\0", b"").decode().splitlines()
        result.stats = collect_stats(os.path.join(directory, "stats")) if green else {}
        return Outcome(result, lines, result.stats.get(result.pid, {}))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def spread(count, most):
    """At most MOST of the numbers from 1 to COUNT, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    if most == 1:
        return [(count + 1) // 2]
    return sorted({1 + step * (count - 1) // (most - 1) for step in range(most)})


# --- what a program may say ---

def is_primary(call, error, fault):
    """True if CALL of the program may natively fail with ERROR where the system call of FAULT does."""
    if call == "pthread_create":
        return error == "EAGAIN"
    if "--signal" in fault.options and error == "EINTR":
        return True
    if call in LOOK_UPS:
        return error == fault.error
    if error != fault.error:
        # libc's own translation: no memory for a stack or a thread.
        return call in STARTING and error in ("EAGAIN", "ENOMEM") and fault.call in MEMORY + MAKING
    return any(one in SERVED_BY.get(call, [call]) for one in fault.call.split(","))


def says_not_started(line, fault):
    """A shell that could not be started is one that ends with 127, see system(3)."""
    return line == "system: status 0x7f00" and fault.call in MAKING + MEMORY + ["pipe2"]


def gave_up(line, primary):
    """A child that has said why it could not go on."""
    return line == "fork: status 0x6300" and primary


def judge_lines(outcome, fault):
    primary, partly, others = [], [], []
    for line in outcome.lines():
        told, counted = TOLD.match(line), PARTLY.match(line)
        if told and is_primary(*told.groups(), fault):
            primary.append(told.group(2))
        elif counted and counted.group(1) != counted.group(2):
            partly.append(line)
        elif told and told.group(2) in FOLLOWS:
            others.append(line)
        elif says_not_started(line, fault) or gave_up(line, primary):
            continue
        elif told or "wrong" in line or "nothing came" in line or "status" in line:
            raise Failure(f"says `{line}'", outcome.result)
    if others and not primary:
        raise Failure(f"says `{others[0]}'", outcome.result)
    # An interrupted call is made again, and a count that was cut short is made good; stdio alone leaves that to nobody.
    if partly and not [error for error in primary if error != "EINTR" or partly[0].startswith("lines")]:
        raise Failure(f"lost something: `{partly[0]}'", outcome.result)


def judge_end(outcome):
    result = outcome.result
    if result.hang:
        raise Failure("hangs", result)
    if result.status not in (0, 99):
        raise Failure(f"ends with status {result.status}", result)
    if not outcome.lines():
        raise Failure("says nothing", result)
    if result.status == 99 and "cannot go on" not in outcome.lines()[-1]:
        raise Failure("goes on after it could not", result)


def judge_shim(outcome, least):
    """The shim was there, and if it stood down it has said so in one line."""
    stats, lines = outcome.stats, outcome.result.stderr.decode(errors="replace").splitlines()
    words = [line for line in lines if not line.startswith("green: GREEN_STATS=")]
    if not stats:
        raise Failure("the shim was not active", outcome.result)
    if stats["stood_down"]:
        # One line for each process.
        if not words or not all(line.startswith("green: ") for line in words):
            raise Failure("stands down without a line that says why", outcome.result)
        return
    if words:
        raise Failure(f"complains: {words[0]}", outcome.result)
    if stats["created"] < least or stats["carriers"] > 1:
        raise Failure(f"{stats['created']} green threads on {stats['carriers']} carriers", outcome.result)


# --- the cases ---

# R4: each system call fails in turn
class Sweep(Case):
    """One program, with every fault that concerns a call that it makes."""

    def __init__(self, program, case, threads, path):
        super().__init__(f"{program}.{case}")
        self.command, self.threads = [path, case], threads

    def run(self, options):
        counts = self.count(options)
        faults = [fault for call, kind, count in counts for fault in self.faults_of(call, kind, count, options)]
        faults += self.storms(options)
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            failures = [one for one in pool.map(lambda fault: self.try_fault(options, fault), faults) if one]
        self.note = f"{len(faults)} faults, {self.missed} not reached, {self.stood_down} times real threads"
        if failures:
            for failure in failures:
                print(f"  {self.name}: {failure}", flush=True)
            raise failures[0]
        if self.missed * 2 > len(faults):
            raise Failure(f"{self.missed} of {len(faults)} faults were not reached")

    def count(self, options):
        """The calls of a clean run, which has to be right: (name, kind, how often)."""
        self.missed = self.stood_down = 0
        outcome = run_injected(options, self.command, [])
        judge_end(outcome)
        judge_lines(outcome, Fault("", "none", "", []))
        judge_shim(outcome, self.threads)
        if outcome.stats["stood_down"]:
            raise Failure("stands down in a clean run", outcome.result)
        return [(call, kind, int(count)) for call, kind, count in map(str.split, outcome.report)]

    def faults_of(self, call, kind, count, options):
        for calls, kinds, errors in FAULTS:
            if call not in calls or (kinds and kind not in kinds):
                continue
            for error in errors.split():
                if options.fault and error not in options.fault:
                    continue
                if options.call and call not in options.call:
                    continue
                yield from self.positions(call, kind, error, count, options)

    def positions(self, call, kind, error, count, options):
        """Single failures; of what may be used up for good, all from some point on; of what may be repeated, many."""
        children = ["--children"] if self.name == "life.child" else []
        most = options.positions * (4 if call in SCARCE else 1)
        for at in spread(count, most):
            yield Fault(call, kind, error, [f"--at={at}", *children])
        if error in ("EINTR", "short") and count > 8 and not options.fast:
            yield Fault(call, kind, error, ["--every=3", *children])
            yield Fault(call, kind, error, ["--odds=5", f"--seed={options.seed}", *children])
        if call in LASTING and error not in ("EINTR", "short"):
            for at in spread(count, most):
                yield Fault(call, kind, error, [f"--at={at}", "--every=1", *children])

    def storms(self, options):
        """Everything that can be interrupted is, again and again, by a handler that really runs."""
        if options.fault or options.call:
            return
        for seed in range(options.seed, options.seed + (1 if options.fast else STORMS)):
            yield Fault(",".join(INTERRUPTIBLE), "none", "EINTR", ["--odds=6", f"--seed={seed}", "--signal"])

    def try_fault(self, options, fault):
        """None, or what was wrong."""
        try:
            outcome = run_injected(options, self.command, fault.arguments())
            self.missed += not outcome.report
            self.stood_down += bool(outcome.stats.get("stood_down"))
            judge_end(outcome)
            judge_lines(outcome, fault)
            judge_shim(outcome, 0)
        except Failure as failure:
            where = " ".join(outcome.report[:1]) or "not reached"
            return Failure(f"{fault} ({where}): {failure}", failure.result)
        return None


# What the hub makes for itself at a thread's first call, and any call may so be refused for the lack of.
OF_THE_HUB = MEMORY + MAKING + ["epoll_create1", "eventfd2", "epoll_ctl"]


# R4: the library's own calls, in each of which a system call fails
class Library(Sweep):
    """Flows of libgreen's calls, without the shim: the call that was hit says so, or nobody does."""

    follows = FOLLOWS

    def __init__(self, program, case, path):
        super().__init__(program, case, 0, path)
        self.looks_up = case in ("names", "cares")

    def count(self, options):
        self.missed = self.stood_down = 0
        outcome = run_injected(options, self.command, [], False)
        self.judge(outcome, Fault("", "none", "", []))
        # What libc does to look up a name it answers for itself, now and then by an abort or a crash.
        return [(call, kind, int(count)) for call, kind, count in map(str.split, outcome.report)
                if not self.looks_up or call in MAKING + EPOLL + ["epoll_create1", "eventfd2", "epoll_ctl"]]

    def faults_of(self, call, kind, count, options):
        """A child that reads no more is none that fails: what it says is shorter then."""
        found = super().faults_of(call, kind, count, options)
        return [one for one in found if (one.kind, one.error) != ("pipe", "EPIPE") or not self.name.endswith("processes")]

    def storms(self, options):
        return [] if self.looks_up else super().storms(options)

    def try_fault(self, options, fault):
        try:
            outcome = run_injected(options, self.command, fault.arguments(), False)
            self.missed += not outcome.report
            self.judge(outcome, fault)
        except Failure as failure:
            where = " ".join(outcome.report[:1]) or "not reached"
            return Failure(f"{fault} ({where}): {failure}", failure.result)
        return None

    def judge(self, outcome, fault):
        judge_end(outcome)
        if outcome.result.stderr:
            raise Failure("complains", outcome.result)
        lines = outcome.lines()
        lasting = "--every=1" in fault.options
        if UNUSABLE in lines and not lasting:
            raise Failure(f"says `{UNUSABLE}'", outcome.result)
        told = [TOLD.match(line).groups() for line in lines if TOLD.match(line)]
        primary = [error for call, error in told if self.is_primary(call.removeprefix("green_"), error, fault)]
        for line in lines:
            found, counted = TOLD.match(line), PARTLY.match(line)
            if "wrong" in line:
                raise Failure(f"says `{line}'", outcome.result)
            if found and not self.is_primary(found.group(1).removeprefix("green_"), found.group(2), fault) \
                    and not (primary and found.group(2) in self.follows):
                raise Failure(f"says `{line}'", outcome.result)
            if counted and counted.group(1) != counted.group(2) and not [one for one in primary if one != "EINTR"]:
                raise Failure(f"lost something: `{line}'", outcome.result)

    @staticmethod
    def is_primary(call, error, fault):
        if call in LOOK_UPS:
            return True
        if fault.call in OF_THE_HUB:
            return error in (fault.error, "ENOMEM", "EAGAIN")
        if call in MADE_OF:
            return error == fault.error and any(one in MADE_OF[call] for one in fault.call.split(",")) or \
                "--signal" in fault.options and error == "EINTR"
        return is_primary(STREAMS.get(call, call), error, fault)


# R4: the same over TLS, where each call may read, write and wait, and one that a call was lost on sees a cut at the other end
class Secure(Library):
    """Flows over TLS; what OpenSSL could not have may be told as a failure of TLS."""

    follows = FOLLOWS + ("EPROTO",)

    @staticmethod
    def is_primary(call, error, fault):
        inside = call.startswith(("tls_", "bio_", "stream_"))
        if inside and fault.call in MEMORY:
            return error in (fault.error, "ENOMEM", "EPROTO")
        if inside and any(one in IN + OUT + ["poll", "ppoll"] for one in fault.call.split(",")):
            return error == fault.error or ("--signal" in fault.options and error == "EINTR")
        return Library.is_primary(call, error, fault)


UNUSABLE = "hub: of no use any more"
# The call by which each of a stream's works.
STREAMS = {"stream_read_line": "recv", "stream_print": "send", "stream_close": "send", "wait_fd": "poll"}
SOCKETS = ["socket", "connect", "getsockopt", "setsockopt", "bind", "listen", "fcntl_flags"]
# What the library's larger calls do inside.
MADE_OF = {
    "dial": SOCKETS, "stream_dial": SOCKETS, "server_create": SOCKETS, "datagram_server_create": SOCKETS,
    "console_start": SOCKETS, "socket": SOCKETS,
    "process_start": ["pipe2", "pidfd_open", "fcntl_dup", "openat", "close"], "system": ["pidfd_open", "wait4", "waitid"],
    "process_communicate": IN + OUT + ["fcntl_flags", "wait4", "poll", "ppoll"], "process_wait": ["wait4", "waitid"],
    "waitpid": ["wait4", "waitid", "pidfd_open"], "watch_child": ["pidfd_open", "wait4"], "watch_path": ["openat", "fstat"],
    "hub_fd": ["epoll_create1", "timerfd_create"], "dump": ["openat"] + OUT, "dump_all": ["openat"] + OUT,
    "choose": ["poll", "ppoll"],
}

# case of errors.c: (calls, kind of descriptor, errors); the first of these calls fails, natively and green.
NEW = "EMFILE ENFILE ENOMEM"
RECEIVED = (IN, "tcp", "EINTR ECONNRESET ETIMEDOUT ENOMEM ENOBUFS")
SENT = (OUT, "tcp", "EINTR ECONNRESET ENOBUFS ENOMEM EPIPE ETIMEDOUT")
SAME = {
    "recv_": RECEIVED, "recvfrom_": RECEIVED, "recvmsg_": RECEIVED, "read_socket": RECEIVED, "readv_socket": RECEIVED,
    "read_pipe": (IN, "pipe", "EINTR EIO"), "readv_pipe": (IN, "pipe", "EINTR EIO"),
    "send_": SENT, "send_quietly": SENT, "sendmsg_": SENT, "write_socket": SENT, "writev_socket": SENT,
    "write_pipe": (OUT, "pipe", "EINTR EPIPE ENOMEM"), "writev_pipe": (OUT, "pipe", "EINTR EPIPE ENOMEM"),
    "broken_pipe": (OUT, "pipe", "EPIPE EINTR"),
    "write_file": (OUT, "file", "ENOSPC EDQUOT EFBIG EIO EINTR"),
    "flush": (OUT, "tcp", "ENOSPC EPIPE EINTR ECONNRESET"), "flush_at_end": (OUT, "pipe", "ENOSPC EPIPE EINTR"),
    "accept_": (["accept", "accept4"], "listener", "ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPROTO EINTR EPERM"),
    "connect_": (["connect"], "tcp", "ECONNREFUSED ETIMEDOUT ENETUNREACH EADDRNOTAVAIL EINTR ENOBUFS"),
    "socket_": (["socket"], None, NEW + " ENOBUFS EAFNOSUPPORT"), "socketpair_": (["socketpair"], None, NEW),
    "pipe_": (["pipe2", "pipe"], None, NEW), "eventfd_": (["eventfd2"], None, NEW),
    "epoll_create_": (["epoll_create1"], None, NEW), "timerfd_": (["timerfd_create"], None, NEW),
    "open_": (["openat"], None, NEW + " EINTR EACCES"), "fopen_": (["openat"], None, NEW + " EINTR EACCES"),
    "dup_": (["dup"], None, "EMFILE"), "dup_above": (["fcntl_dup"], None, "EMFILE"),
    "mmap_": (["mmap"], None, "ENOMEM EPERM"),
    "epoll_ctl_": (["epoll_ctl"], "eventpoll", "ENOSPC ENOMEM"),
    "close_": (["close"], "pipe", "EIO EINTR ENOSPC"), "fsync_": (["fsync"], "file", "EIO ENOSPC EINTR EDQUOT"),
    "fork_": (MAKING, None, "EAGAIN ENOMEM"), "timer_create_": (["timer_create"], None, "EAGAIN ENOMEM"),
    "interrupted": (IN, "tcp", "EINTR"),
}


class Same(Case):
    """One call that fails the same way natively and green: what the program says, and how it ends, must not differ."""

    def __init__(self, case, threads, path):
        super().__init__(f"errors.{case}")
        self.case, self.command, self.threads = case, [path, case], threads

    def run(self, options):
        calls, kind, errors = SAME[self.case]
        for error in errors.split():
            arguments = [f"--call={','.join(calls)}", f"--fault={error}", "--at=1"] + ([f"--on={kind}"] if kind else [])
            if self.case == "interrupted":
                arguments.append("--signal")
            native = self.one(options, arguments, error, False)
            green = self.one(options, arguments, error, True)
            if (green.status, green.stdout) != (native.status, native.stdout):
                raise Failure(f"{error}: status {green.status}, natively {native.status}", green, native.stdout)
        self.note = f"{len(errors.split())} errors"

    def one(self, options, arguments, error, green):
        outcome = run_injected(options, self.command, arguments, green, 2)
        if outcome.result.hang:
            raise Failure(f"{error}: hangs{'' if green else ' natively'}", outcome.result)
        if len(outcome.report) != 1:
            where = "" if green else " natively"
            raise Failure(f"{error}: {len(outcome.report)} calls have failed{where}", outcome.result)
        if green:
            judge_shim(outcome, self.threads)
        return outcome.result


class Cramped(Case):
    """One program with ever less address space: what cannot be had is refused as natively, and nothing crashes."""

    LEAST, MOST, STEPS, FAST_STEPS = 3 << 20, 400 << 20, 60, 8
    LOADER = 127  # the status with which ld.so gives up

    def __init__(self, program, case, threads, path):
        super().__init__(f"cramped.{program}.{case}")
        self.command, self.threads = [path, case], threads

    def run(self, options):
        steps = self.FAST_STEPS if options.fast else self.STEPS
        sizes = [int(self.LEAST * (self.MOST / self.LEAST) ** (step / (steps - 1))) for step in range(steps)]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            words = list(pool.map(lambda size: self.run_in(options, size), sizes))
        self.note = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        if "right" not in words:
            raise Failure("never had enough")

    def run_in(self, options, size):
        """How the run ended, in one word."""
        green = self.outcome(options, size, True)
        if green.result.hang:
            raise Failure(f"hangs with {size >> 10} KB", green.result)
        if not green.stats:
            # The libraries do not fit, with the shim's or at all; or the kernel kills what it has no room to start.
            native = self.outcome(options, size, False)
            if green.result.status not in (self.LOADER, native.result.status):
                judge_cramped(green, size)
            return "not loaded"
        judge_cramped(green, size)
        if refusals(green):
            return "refused"
        judge_shim(green, self.threads)
        return "on real threads" if green.stats["stood_down"] else "right"

    def outcome(self, options, size, green):
        directory = tempfile.mkdtemp(prefix="faults-")
        stats = os.path.join(directory, "stats")
        shim = os.path.join(options.build, "preload", ".libs", "libgreen-preload.so")
        command = ["env", f"LD_PRELOAD={shim}", f"GREEN_STATS={stats}", *self.command] if green else self.command
        try:
            result = run(["prlimit", f"--as={size}", *command], LIMIT, environment())
            return Outcome(result, [], collect_stats(stats).get(result.pid, {}))
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def refusals(outcome):
    return [line for line in outcome.lines() if TOLD.match(line)]


def judge_cramped(outcome, size):
    result = outcome.result
    if result.status not in (0, 99):
        raise Failure(f"ends with status {result.status} with {size >> 10} KB", result)
    for line in outcome.lines():
        told = TOLD.match(line)
        if "wrong" in line or (told and told.group(2) not in ("ENOMEM", "EAGAIN", *FOLLOWS)):
            raise Failure(f"says `{line}' with {size >> 10} KB", result)
    short = [line for line in outcome.lines() if PARTLY.match(line) and len(set(PARTLY.match(line).groups())) > 1]
    if short and not refusals(outcome):
        raise Failure(f"lost something with {size >> 10} KB: `{short[0]}'", result)


def listed_cases(program):
    result = run([program, "--list"], limit=10)
    for line in result.stdout.decode().splitlines():
        name, threads = line.split()
        yield name, int(threads)


def parse_own_options():
    """Takes our own options out of the command line; the rest is the harness's."""
    usage = "faults.py [--fast] [--call NAME] [--fault ERROR] [--seed N] [--positions N] and what --help lists"
    parser = argparse.ArgumentParser(add_help=False, usage=usage)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--call", action="append", default=[])
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--positions", type=int)
    own, rest = parser.parse_known_args()
    own.positions = own.positions or (1 if own.fast else POSITIONS)
    sys.argv[1:] = rest
    return own


def cases(options):
    vars(options).update(vars(OWN))
    options.injector = os.path.join(options.build, "tests", "faults", "inject")
    errors = os.path.join(options.build, "tests", "faults", "errors")
    for name, threads in listed_cases(errors):
        yield Same(name, threads, errors)
    programs = [(program, os.path.join(options.build, "tests", "faults", program)) for program in ("flows", "life")]
    for program, path in programs:
        for name, threads in listed_cases(path):
            yield Sweep(program, name, threads, path)
    # On either context; where everything is quick, on the usual one.
    libraries = [program + context for program in ("library", "services", "secure")
                 for context in (("",) if options.fast else ("", "_ucontext"))]
    for program in libraries:
        path = os.path.join(options.build, "tests", "faults", program)
        # Where there is no OpenSSL there is no TLS.
        if program.startswith("secure") and not os.path.exists(path):
            continue
        for name, _ in listed_cases(path):
            yield (Secure if program.startswith("secure") else Library)(program, name, path)
    for program, path in programs:
        for name, threads in listed_cases(path):
            # Where no thread can be made a timer that calls a function drops the call, natively too.
            if name != "timers":
                yield Cramped(program, name, threads, path)


if __name__ == "__main__":
    OWN = parse_own_options()
    sys.exit(main_with(cases))
