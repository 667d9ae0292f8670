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

from measure import STATS_MAGIC, Perf, Strace, Trouble, cores

LIMIT = 120             # seconds for any run
FEW, MANY = 1000, 5000  # two lengths, whose difference is what the units in between have cost
COUNTED_ARMED = 1000    # timers around those that are counted: valgrind takes its time


def environment(**more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GREEN_") and key != "LD_PRELOAD"}
    return {**clean, **more}


def pinned():
    core = cores()[0]
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
        with subprocess.Popen(command, preexec_fn=pinned(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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
    """Nanoseconds of CPU for one unit, and of time."""
    said, _ = run(arguments(build, cell, times, times // 10, size), cell.family == "shim")
    cpu, wall = map(int, said.split())
    return cpu / times, wall / times


# ---- counts: in runs of their own, of two lengths each ----

def difference(count):
    few, many = count(FEW), count(MANY)
    return (many - few) / (MANY - FEW)


def instructions(build, cell):
    def count(times):
        command = ["valgrind", "--trace-children=yes", "--tool=cachegrind", "--cache-sim=no",
                   "--cachegrind-out-file=/dev/null", *arguments(build, cell, times, 0, COUNTED_ARMED)]
        found = re.findall(r"I\s+refs:\s+([\d,]+)", run(command)[1])
        if not found:
            raise Trouble("valgrind has counted nothing")
        return int(found[-1].replace(",", ""))
    return difference(count)


def system_calls(build, cell, way):
    def count(times):
        with Scratch() as scratch:
            output = scratch.path("calls")
            tool = {Perf: ["perf", *Perf.options, "-o", output, "--"],
                    Strace: ["strace", "-c", "-f", "-o", output]}[way]
            run([*tool, *arguments(build, cell, times, 0, COUNTED_ARMED)])
            text = Path(output).read_text()
        found = re.search(r"^(\d+),", text, re.M) if way is Perf else re.search(
            r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", text, re.M)
        if not found:
            raise Trouble(f"{way.name} has counted nothing")
        return int(found[1])
    return difference(count)


def allocations(build, cell):
    """Requests for memory that go to malloc and its kin."""
    counter = build / "bench/core/libcount_malloc.so"

    def count(times):
        with Scratch() as scratch:
            said = scratch.path("requests")
            run(["env", f"LD_PRELOAD={counter}", *arguments(build, cell, times, 0, COUNTED_ARMED)], COUNT_MALLOC=said)
            if not os.path.exists(said):
                raise Trouble("malloc's requests were not counted")
            return int(Path(said).read_text())
    return difference(count)


def kernel_switches(build, cell):
    """How often the kernel switched away from the process: because it waited, because it yielded, or on its own account."""
    def count(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(arguments(build, cell, times, 0, COUNTED_ARMED))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw
    return difference(count)
