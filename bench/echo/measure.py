# SPDX-License-Identifier: MIT
"""measure.py - one server, one load client, one set of figures"""
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kinds import MALLOC_COUNTER

START_LIMIT = 20            # seconds for a server to say where it listens, valgrind's start included
END_LIMIT = 5               # seconds for a program to end
LOAD_LIMIT = 30             # seconds for the load client, and one more for so many connections
SLOW_OPENING = 300          # of kernel threads on a busy machine
RAMP = 128                  # connects in flight, before the clock runs: fewer rounds of what looks at all of them
BUSY = 0.2                  # cores that strangers may use before a figure is taken again
COUNTED = 64                # connections of the runs that count instructions and requests for memory
FEW, MANY = 1280, 6400      # messages of the two whose difference counts
TICK = 1 / os.sysconf("SC_CLK_TCK")
STATS_MAGIC = 0x3153544154534E47


class Trouble(Exception):
    """Something that makes a measurement worthless."""


class Lines:
    """Lines from a pipe, each within a time limit."""

    def __init__(self, pipe, who):
        self.fd, self.who, self.text = pipe.fileno(), who, b""

    def next(self, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise Trouble(f"{self.who} said nothing for {seconds:.0f} s")
            more = os.read(self.fd, 65536)
            if not more:
                raise Trouble(f"{self.who} ended early")
            self.text += more
        line, self.text = self.text.split(b"\n", 1)
        return line.decode(errors="replace")


def cores():
    """The server's core and the load client's, or None for both where there is but one."""
    known = sorted(os.sched_getaffinity(0))
    return (known[-1], known[0]) if len(known) > 1 else (None, None)


def start(command, core, **more):
    """A child on one core from its first instruction, so that runtimes that count cores count one."""
    return subprocess.Popen(command, preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None,
                            **more)


def nanoseconds(pid):
    """Time on a CPU of all threads, also of those that have ended, as the scheduler counts it."""
    return time.clock_gettime_ns(~pid << 3 | 2)     # clock_getcpuclockid(3) makes the same number


def machine_times():
    """Seconds so far that all cores were busy, and that the hypervisor gave to others."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) * TICK, steal * TICK


class Server:
    """A server process from its first line to its end."""

    def __init__(self, command, core, green=False, more=None):
        self.scratch = tempfile.mkdtemp(prefix="bench-echo-")
        self.errors = open(f"{self.scratch}/errors", "w+b")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GREEN_") and k != "LD_PRELOAD"}
        if green:
            environment["GREEN_STATS"] = f"{self.scratch}/stats"
        environment.update(more or {})
        self.process = start(command, core, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                             env=environment)
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout, "the server")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def port(self):
        line = self.lines.next(START_LIMIT)
        if not re.fullmatch(r"listening on \d+", line):
            raise Trouble(f"the server says {line!r} instead of where it listens")
        return int(line.split()[2])

    def said(self):
        self.errors.flush()
        return Path(self.errors.name).read_text(errors="replace")

    def memory(self):
        """Kernel threads, and resident bytes."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        if "VmRSS" not in text:
            raise Trouble(f"the server has ended: {self.said()[-300:]}")
        return int(re.search(r"Threads:\s+(\d+)", text)[1]), 1024 * int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def check_shim(self, threads):
        """A run under `green run` that was secretly native would be a comparison of a thing with itself."""
        try:
            words = struct.unpack("<32Q", Path(f"{self.scratch}/stats.{self.pid}").read_bytes()[:256])
        except (FileNotFoundError, struct.error):
            raise Trouble("the shim is not in the process") from None
        if words[0] != STATS_MAGIC or words[1] != 1 or words[2] < threads or words[11]:
            raise Trouble(f"the shim did not carry the threads: {words[:12]}")

    def stop(self):
        """Ends the server; Trouble if it had ended before."""
        if self.process.poll() is not None:
            raise Trouble(f"the server ended by itself, with {self.process.returncode}: {self.said()[-300:]}")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            raise Trouble("the server outlives SIGTERM") from None


class Load:
    """The load client, which compares every byte; it waits to be let go on before and after its traffic."""

    def __init__(self, build, core, port, connections, arguments, limit):
        self.limit = limit
        command = [str(build / "bench/load"), "--hold", "--json", f"--port={port}", f"--connections={connections}",
                   f"--deadline={limit}", f"--ramp={RAMP}", *arguments]
        self.process = start(command, core, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout, "the load client")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def reach(self, word):
        line = self.lines.next(self.limit)
        if line != word:
            raise Trouble(f"the load client says {line!r} instead of {word!r}")

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def result(self):
        result = json.loads(self.lines.next(END_LIMIT))
        if self.process.wait(END_LIMIT) or not result["ok"] or result["lowered_from"]:
            bad = {k: result[k] for k in ("wrong", "missing", "failed", "lost", "lowered_from", "deadline_passed")}
            raise Trouble(f"replies are wrong or missing: {bad}")
        return result


def traffic(build, kind, connections, arguments, before=None, after=None, command=None, more=None):
    """One fresh server and one load; BEFORE and AFTER look at both while all connections are open and idle.

    COMMAND instead of the kind's own; MORE: for its environment.
    """
    server_core, load_core = cores()
    with Server(command or kind.command(build), server_core, kind.family == "shim", more) as server:
        limit = LOAD_LIMIT + connections // SLOW_OPENING
        with Load(build, load_core, server.port(), connections, arguments, limit) as load:
            load.reach("ready")
            if before:
                before(server, load)
            load.go_on()
            load.reach("done")
            if after:
                after(server, load)
            if kind.family == "shim":
                server.check_shim(connections)
            load.go_on()
            result = load.result()
        server.stop()
        return result, server.said()


class Watch:
    """What happened between two looks: seconds by the clock, and on a CPU of the server, the load client, everybody."""

    def __init__(self):
        self.threads = self.rss = None

    def begin(self, server, load):
        self.values = self.look(server, load)

    def end(self, server, load):
        values = self.look(server, load)
        self.threads, self.rss = server.memory()
        self.took, self.server, self.load, self.busy, self.stolen = (b - a for a, b in zip(self.values, values))

    @staticmethod
    def look(server, load):
        return time.monotonic(), nanoseconds(server.pid) / 1e9, nanoseconds(load.pid) / 1e9, *machine_times()

    def shares(self):
        """Of a core: the server's, the load client's, strangers', the hypervisor's."""
        return {"busy": self.server / self.took, "load_busy": self.load / self.took,
                "others": max(0.0, self.busy - self.server - self.load) / self.took,
                "stolen": self.stolen / self.took}


def voluntary_switches(pid):
    """How often all threads that are alive have slept."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1])
        except (FileNotFoundError, ProcessLookupError):
            continue    # the thread has ended since the directory was read
    return total


class SleepWatch(Watch):
    """Also counts the sleeps of those threads that live as long as their connection."""

    def begin(self, server, load):
        self.switches = -voluntary_switches(server.pid)
        super().begin(server, load)

    def end(self, server, load):
        super().end(server, load)
        self.switches += voluntary_switches(server.pid)


def measure_sleeps(build, kind, connections, arguments):
    """The figures of one run, with how often the server slept for a message."""
    watch = SleepWatch()
    figures = measure(build, kind, connections, arguments, watch)
    return {**figures, "switches": watch.switches / figures["replies"]}


def measure(build, kind, connections, arguments, watch=None):
    """The figures of one run, as a dictionary."""
    watch = watch or Watch()
    result, _ = traffic(build, kind, connections, arguments, watch.begin, watch.end)
    if not result["replies"]:
        raise Trouble("nothing was answered")
    return {"cpu": watch.server * 1e6 / result["replies"], "rate": result["per_second"], "p50": result["p50_us"],
            "p99": result["p99_us"], "p999": result["p999_us"], "replies": result["replies"], "rss": watch.rss,
            "threads": watch.threads, **watch.shares()}


def calmest(take, again):
    """One figure; where strangers were busy meanwhile it is taken again, and the calmest counts, not the best.

    TAKE gives None when it fails.  Returns what counts, and how often it was taken again.
    """
    runs = []
    while len(runs) <= again and (not runs or runs[-1]["others"] > BUSY):
        run = take()
        if not run:
            break
        runs.append(run)
    return min(runs, key=lambda run: run["others"], default=None), max(len(runs) - 1, 0)


# ---- system calls: counted in a run of their own, for counting takes time ----

class Perf:
    """Counts by the kernel's own tracepoint, at full speed; it begins and ends when told to."""

    name = "perf stat, the tracepoint raw_syscalls:sys_enter"
    options = ["stat", "-x,", "-e", "raw_syscalls:sys_enter"]

    @classmethod
    def works(cls):
        probe = ["perf", *cls.options, "true"]
        return bool(shutil.which("perf")) and re.search(
            r"^\d+,", subprocess.run(probe, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                     check=False).stderr, re.M) is not None

    def begin(self, server, _load):
        self.scratch = tempfile.mkdtemp(prefix="bench-echo-")
        pipes = [f"{self.scratch}/{name}" for name in ("control", "answer")]
        for pipe in pipes:
            os.mkfifo(pipe)
        self.output = f"{self.scratch}/output"
        self.process = subprocess.Popen(["perf", *self.options, "-o", self.output, "-D", "-1", "-p", str(server.pid),
                                         "--control", f"fifo:{pipes[0]},{pipes[1]}"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.control, self.answer = (open(pipe, "r+b", buffering=0) for pipe in pipes)
        self.lines = Lines(self.answer, "perf")
        self.tell("enable")

    def tell(self, word):
        self.control.write(word.encode() + b"\n")
        if "ack" not in self.lines.next(END_LIMIT):
            raise Trouble(f"perf does not {word}")

    def end(self, _server, _load):
        self.tell("disable")
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(END_LIMIT)
        self.control.close()
        self.answer.close()

    def count(self):
        found = re.search(r"^(\d+),", Path(self.output).read_text(), re.M)
        shutil.rmtree(self.scratch, ignore_errors=True)
        if not found:
            raise Trouble("perf has counted nothing")
        return int(found[1])


class Strace:
    """Counts by ptrace, which slows the server down, so more messages share one wait than at full speed."""

    name = "strace -c -f"

    @staticmethod
    def works():
        return bool(shutil.which("strace")) and not subprocess.run(["strace", "-c", "true"], stderr=subprocess.DEVNULL,
                                                                   stdout=subprocess.DEVNULL, check=False).returncode

    def begin(self, server, _load):
        self.scratch = tempfile.mkdtemp(prefix="bench-echo-")
        self.output = f"{self.scratch}/output"
        self.process = subprocess.Popen(["strace", "-c", "-f", "-o", self.output, "-p", str(server.pid)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        threads = server.memory()[0]
        lines = Lines(self.process.stderr, "strace")
        while threads > 0:
            line = lines.next(END_LIMIT)
            found = re.search(r"attached(?: with (\d+) threads)?", line)
            threads -= int(found[1] or 1) if found else 0

    def end(self, _server, _load):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(END_LIMIT)
        self.process.stderr.close()

    def count(self):
        found = re.search(r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", Path(self.output).read_text(), re.M)
        shutil.rmtree(self.scratch, ignore_errors=True)
        if not found:
            raise Trouble("strace has counted nothing")
        return int(found[1])


def counter():
    """What can count system calls here, or None."""
    return next((way for way in (Perf, Strace) if way.works()), None)


def system_calls(build, kind, connections, way, arguments):
    """System calls per message."""
    count = way()
    result, _ = traffic(build, kind, connections, arguments, count.begin, count.end)
    return count.count() / result["replies"]


# ---- memory: what a server asks libc for ----

def allocations(build, kind, arguments):
    """Requests for memory per message, of programs that use libc's malloc."""
    with tempfile.TemporaryDirectory(prefix="bench-echo-") as folder:
        counter, looks = Path(folder, "requests"), []

        def look(_server, _load):
            looks.append(int.from_bytes(counter.read_bytes(), sys.byteorder))

        result, _ = traffic(build, kind, 1 if kind.serial else COUNTED, arguments, look, look,
                            more={"LD_PRELOAD": str(build / MALLOC_COUNTER), "COUNT_MALLOC_LIVE": str(counter)})
    return (looks[1] - looks[0]) / result["replies"]


# ---- instructions: where the hardware counts none for us, valgrind does ----

def instructions(build, kind, size):
    """Instructions in user mode per message: the difference of two runs, so that start and end do not count."""
    totals = []
    for requests in (FEW, MANY):
        # Of programs that become another one, the last tells.
        command = ["valgrind", "--trace-children=yes", "--tool=cachegrind", "--cache-sim=no",
                   "--cachegrind-out-file=/dev/null", *kind.command(build)]
        connections = 1 if kind.serial else COUNTED
        _, said = traffic(build, kind, connections, [f"--requests={requests}", f"--size={size}"], command=command)
        found = re.findall(r"I\s+refs:\s+([\d,]+)", said)
        if not found:
            raise Trouble(f"valgrind has counted nothing: {said[-300:]}")
        totals.append(int(found[-1].replace(",", "")))
    return (totals[1] - totals[0]) / (MANY - FEW)
