# SPDX-License-Identifier: MIT
"""runs.py - one run of one program: its time, what it counts, what it keeps"""
import os
import re
import resource
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from time import monotonic

from measure import STATS_MAGIC, Lines, Perf, Strace, Trouble, cores

LIMIT = 120             # seconds for any run
FEW, MANY = 1000, 5000  # two lengths, whose difference is what the units in between have cost
SPARE_THREADS = 2500    # that all other processes may have, at most
COUNTED_SIZE = 1000     # timers around those that are counted, at most: valgrind takes its time


def environment(**more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GREEN_") and key != "LD_PRELOAD"}
    return {**clean, **more}


class Pinned:
    """Every run is alone on one core, unless CORE is None: so that runtimes that count cores count one."""

    core = cores()[0]

    @classmethod
    def child(cls):
        core = cls.core
        return (lambda: os.sched_setaffinity(0, {core})) if core is not None else None


class Scratch:
    """A folder for one run; what a shimmed process says of itself there."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="bench-core-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return f"{self.folder}/{name}"

    def check_shim(self, pid):
        """A run under `green run` that was secretly native would be a comparison of a thing with itself."""
        try:
            words = struct.unpack("<32Q", Path(self.path(f"stats.{pid}")).read_bytes()[:256])
        except (FileNotFoundError, struct.error):
            raise Trouble("the shim is not in the process") from None
        if words[0] != STATS_MAGIC or words[1] != 1 or not words[2] or words[11]:
            raise Trouble(f"the shim did not carry the threads: {words[:12]}")


def arguments(build, cell, times, warm, size):
    return [*cell.program.command(build), cell.name, str(times), str(warm), str(size)]


def run(command, shimmed=False, **more):
    """A child on one core, its output and what wait4 says; Trouble if it fails."""
    with Scratch() as scratch:
        if shimmed:
            more["GREEN_STATS"] = scratch.path("stats")
        with subprocess.Popen(command, preexec_fn=Pinned.child(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment(**more)) as child:
            try:
                said, errors = child.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
                raise Trouble(f"nothing within {LIMIT} s") from None
        if child.returncode:
            raise Trouble(f"ended with {child.returncode}: {errors.strip()[-300:]}")
        if shimmed:
            scratch.check_shim(child.pid)
        return said, errors


def time(build, cell, times, size):
    """Nanoseconds of CPU for one unit, and of time.  What makes SIZE others first is warm by then."""
    said, _ = run(arguments(build, cell, times, 0 if size else times // 10, size), cell.family == "shim")
    cpu, wall = map(int, said.split())
    return cpu / times, wall / times


# ---- memory ----

def meminfo(*names):
    text = Path("/proc/meminfo").read_text()
    return sum(1024 * int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) for name in names)


def look(pid):
    """What the process keeps, and what the kernel keeps for all: pages, page tables, everything else."""
    status = Path(f"/proc/{pid}/status").read_text()
    pages, tables = (1024 * int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1]) for name in ("VmRSS", "VmPTE"))
    return pages, tables, meminfo("Slab", "KernelStack")


def memory(build, cell, count):
    """Bytes of one of COUNT that are parked: in the process, in its page tables, elsewhere in the kernel."""
    shimmed = cell.family == "shim"
    with Scratch() as scratch:
        more = {"GREEN_STATS": scratch.path("stats")} if shimmed else {}
        with subprocess.Popen([*cell.program.command(build), cell.name, str(count)], preexec_fn=Pinned.child(),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(**more)) as child:
            try:
                lines, looks = Lines(child.stdout, cell.label), []
                for word in ("begin", "ready"):
                    if (said := lines.next(LIMIT)) != word:
                        raise Trouble(f"says {said!r} instead of {word!r}")
                    looks.append(look(child.pid))
                    if word == "begin":
                        child.stdin.write(b"\n")
                        child.stdin.flush()
                if shimmed:
                    scratch.check_shim(child.pid)
            finally:
                child.kill()
    return [(after - before) / count for before, after in zip(*looks)]


def limits():
    """Everything that bounds how many threads a process may have, as far as it is known here."""
    for name, of_one in (("kernel/threads-max", 1), ("kernel/pid_max", 1), ("vm/max_map_count", 2)):
        yield int(Path("/proc/sys", name).read_text()) // of_one    # a stack and its guard are two mappings
    cgroup = Path("/sys/fs/cgroup/pids.max")
    if cgroup.exists() and cgroup.read_text().strip() != "max":
        yield int(cgroup.read_text())
    if (most := resource.getrlimit(resource.RLIMIT_NPROC)[0]) != resource.RLIM_INFINITY:
        yield most


def most_threads():
    """Of the kernel's, with room for those of others."""
    return max(min(limits()) - SPARE_THREADS, 1000)


def available():
    return meminfo("MemAvailable")


# ---- start-up ----

def start_pairs(build, pairs, order):
    """Milliseconds of `green run true`, and of `true`, by the clock and of CPU, pair by pair."""
    commands = ([str(build / "green"), "run", "true"], ["true"])
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if Pinned.core is None else {Pinned.core})
    try:
        found = []
        for _ in range(pairs):
            pair = [None, None]
            for which in order.sample((0, 1), 2):
                pair[which] = start(commands[which])
            found.append(pair)
        return found
    finally:
        os.sched_setaffinity(0, before)


def start(command):
    begun = monotonic()
    _, status, usage = os.wait4(os.posix_spawnp(command[0], command, environment()), 0)
    took = monotonic() - begun
    if status:
        raise Trouble(f"{' '.join(command)} ended with {status}")
    return took * 1000, (usage.ru_utime + usage.ru_stime) * 1000


# ---- counts: in runs of their own, of two lengths each ----

def counted(build, cell, times, size):
    return arguments(build, cell, times, 0, min(size, COUNTED_SIZE))


def difference(count):
    few, many = count(FEW), count(MANY)
    return (many - few) / (MANY - FEW)


def instructions(build, cell, size):
    def count(times):
        command = ["valgrind", "--trace-children=yes", "--tool=cachegrind", "--cache-sim=no",
                   "--cachegrind-out-file=/dev/null", *counted(build, cell, times, size)]
        found = re.findall(r"I\s+refs:\s+([\d,]+)", run(command)[1])
        if not found:
            raise Trouble("valgrind has counted nothing")
        return int(found[-1].replace(",", ""))
    return difference(count)


def system_calls(build, cell, size, way):
    def count(times):
        with Scratch() as scratch:
            output = scratch.path("calls")
            tool = {Perf: ["perf", *Perf.options, "-o", output, "--"],
                    Strace: ["strace", "-c", "-f", "-o", output]}[way]
            run([*tool, *counted(build, cell, times, size)])
            text = Path(output).read_text()
        found = re.search(r"^(\d+),", text, re.M) if way is Perf else re.search(
            r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", text, re.M)
        if not found:
            raise Trouble(f"{way.name} has counted nothing")
        return int(found[1])
    return difference(count)


def allocations(build, cell, size):
    """Requests for memory that go to malloc and its kin."""
    counter = build / "bench/core/libcount_malloc.so"

    def count(times):
        with Scratch() as scratch:
            said = scratch.path("requests")
            run(["env", f"LD_PRELOAD={counter}", *counted(build, cell, times, size)], COUNT_MALLOC=said)
            if not os.path.exists(said):
                raise Trouble("malloc's requests were not counted")
            return int(Path(said).read_text())
    return difference(count)


def kernel_switches(build, cell, size):
    """How often the kernel switched away from the process: because it waited, yielded, or its time was over."""
    def count(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(counted(build, cell, times, size))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw
    return difference(count)
