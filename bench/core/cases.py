# SPDX-License-Identifier: MIT
"""cases.py - what the core benchmark measures: programs, how each is built, and which of their cases stand together"""
import os
import shutil
import subprocess
from pathlib import Path

from kinds import PYTHON, Missing, make_unless_newer

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "programs"
FOLDER = "bench/core"
ARMED = 1000000         # timers around the one that is measured
DUE = 100000            # timers that are due at once
WARNINGS = ["-Wall", "-Wextra"]


class Program:
    """Runs as `command CASE TIMES WARM SIZE`.  FAMILY: green (written with libgreen), shim, peer or limit."""

    family = "peer"
    counts_instructions = False

    def __init__(self, key):
        self.key = key

    def prepare(self, build):
        """Builds what make has not built; Missing if this machine lacks what it takes."""

    def command(self, build):
        raise NotImplementedError


class Made(Program):
    """A C program that make builds, on some CPUs only."""

    counts_instructions = True

    def __init__(self, key, family="peer"):
        super().__init__(key)
        self.family = family

    def prepare(self, build):
        if not (build / FOLDER / self.key).exists():
            raise Missing(f"bench/core/{self.key}, which is made for the CPUs that libgreen knows natively,")

    def command(self, build):
        return [str(build / FOLDER / self.key)]


class Linked(Program):
    """A C or C++ program on somebody else's library."""

    counts_instructions = True

    def __init__(self, source, libraries, header, package):
        super().__init__(Path(source).stem)
        self.source, self.libraries, self.header, self.package = source, libraries, header, package

    def compiler(self):
        name = "g++" if self.source.endswith("pp") else "gcc"
        if not shutil.which(name):
            raise Missing(name)
        return [name, "-g", "-O2", "-D_GNU_SOURCE"]

    def prepare(self, build):
        language = "c++" if self.source.endswith("pp") else "c"
        probe = subprocess.run([*self.compiler(), "-E", "-x", language, "-"], input=f"#include <{self.header}>\n",
                               text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if probe.returncode:
            raise Missing(self.package)
        sources = [SOURCES / self.source, SOURCES / "harness.c", SOURCES / "harness.h"]
        make_unless_newer(build / FOLDER / self.key, sources, [*self.compiler(), *WARNINGS, "-o", *self.command(build),
                                                               *map(str, sources[:2]), *self.libraries])

    def command(self, build):
        return [str(build / FOLDER / self.key)]


class Script(Program):
    """A Python program; PACKAGE brings MODULE.  WORDS come before the case."""

    def __init__(self, key, source, module=None, package=None, words=()):
        super().__init__(key)
        self.source, self.module, self.package, self.words = source, module, package, words

    def prepare(self, build):
        if not os.access(PYTHON, os.X_OK):
            raise Missing("python3")
        if self.module and subprocess.run([PYTHON, "-c", f"import {self.module}"], stderr=subprocess.DEVNULL,
                                          check=False).returncode:
            raise Missing(self.package)

    def command(self, build):
        return [PYTHON, str(SOURCES / self.source), *self.words]


class Node(Program):
    def prepare(self, build):
        if not shutil.which("node"):
            raise Missing("nodejs")

    def command(self, build):
        return ["node", str(SOURCES / "core.js")]


class Go(Program):
    def prepare(self, build):
        if not shutil.which("go"):
            raise Missing("golang-go")
        make_unless_newer(Path(self.command(build)[0]), [SOURCES / "core.go"],
                          ["go", "build", "-o", *self.command(build), str(SOURCES / "core.go")],
                          {"GOCACHE": str(build / "bench/echo/go-cache"), "CGO_ENABLED": "0", "GOFLAGS": "",
                           "GO111MODULE": "off"})

    def command(self, build):
        return [str(build / FOLDER / "core_go")]


class Shimmed(Program):
    """Another program, unchanged, under `green run`."""

    family = "shim"

    def __init__(self, key, other):
        super().__init__(key)
        self.other = other

    def prepare(self, build):
        self.other.prepare(build)

    def command(self, build):
        return [str(build / "green"), "run", "--", *self.other.command(build)]


class Cell:
    """One line of a table: case NAME of PROGRAM.  EMULATED: valgrind can run it.  COUNT: how many are parked; of the
    kernel's own threads, NATIVE, no more than it allows.
    """

    def __init__(self, program, name, label, emulated=True, count=None, native=False):
        self.program, self.name, self.label, self.count, self.native = program, name, label, count, native
        self.key, self.family = f"{program.key}.{name}", program.family
        self.counts_instructions = program.counts_instructions and emulated


class Case:
    """What stands together in a table: cells whose figures mean the same; all are compared to the first.

    SIZE: what the programs get as such.  TIMES: how many units a run has, if it cannot be any number.
    """

    def __init__(self, key, title, unit, words, cells, size=0, times=None):
        self.key, self.title, self.unit, self.words, self.cells = key, title, unit, words, cells
        self.size, self.times = size, times


GREEN = Made("green_core", "green")
CONTEXT = Made("green_context", "green")
PORTABLE = Made("green_context_ucontext", "green")
ASM = Made("asm_switch", "limit")
LIBC = Made("c_libc")
RUN = Shimmed("run", LIBC)
BOOST = Linked("boost_context.cpp", ["-lboost_context"], "boost/context/fiber.hpp", "libboost-context-dev")
FIBER = Linked("boost_fiber.cpp", ["-lboost_fiber", "-lboost_context"], "boost/fiber/all.hpp", "libboost-fiber-dev")
ST = Linked("c_st.c", ["-lst"], "st.h", "libst-dev")
PTH = Linked("c_pth.c", ["-lpth"], "pth.h", "libpth-dev")
EV = Linked("c_ev.c", ["-lev"], "ev.h", "libev-dev")
UV = Linked("c_uv.c", ["-luv"], "uv.h", "libuv1-dev")
GO = Go("go")
NODE = Node("node")
PY = Script("python", "core_python.py")
GREENLET = Script("greenlet", "core_greenlet.py", "greenlet", "python3-greenlet")
GEVENT = Script("gevent", "core_gevent.py", "gevent", "python3-gevent")
ASYNCIO = Script("asyncio", "core_asyncio.py")
UVLOOP = Script("uvloop", "core_asyncio.py", "uvloop", "python3-uvloop", ["uvloop"])
LEAVE_AT_ONCE = (NODE,)     # without destructors, so that nobody counts their requests for memory
GUESSED_BYTES = {"green": 6000, "shim": 20000, "peer": 6000}    # of one that is parked, to know whether there is room


def loops(name, words):
    """The same case of asyncio with its own loop and with uvloop."""
    return [Cell(ASYNCIO, name, f"asyncio: {words}"), Cell(UVLOOP, name, f"uvloop: {words}")]


def switches():
    yield Case("switch", "Switch", "switch",
               "From one stack to another and no scheduler between. Those of which nothing stands here can only yield.",
               [Cell(GREEN, "switch", "libgreen: green_switch"),
                Cell(CONTEXT, "switch", "libgreen: the context switch alone"),
                Cell(PORTABLE, "switch", "libgreen: the context switch for other CPUs, over swapcontext"),
                Cell(ASM, "switch", "reference: six registers, then a jump"),
                Cell(ASM, "switch_return", "reference: six registers, then a return"),
                Cell(BOOST, "switch", "Boost.Context: jump_fcontext"),
                Cell(BOOST, "switch_fiber", "Boost.Context: fiber::resume"),
                Cell(LIBC, "switch", "libc: swapcontext"),
                Cell(GREENLET, "switch", "greenlet: switch")])
    yield Case("yield", "Yield", "yield", "Two tasks take turns by way of the scheduler.",
               [Cell(GREEN, "yield", "libgreen: green_yield"),
                Cell(GO, "yield", "Go: runtime.Gosched"),
                Cell(FIBER, "yield", "Boost.Fiber: yield"),
                Cell(ST, "yield", "State Threads: st_usleep(0), for there is no yield"),
                Cell(PTH, "yield", "GNU Pth: pth_yield"),
                Cell(NODE, "yield", "node: await null"),
                Cell(GEVENT, "yield", "gevent: sleep(0)"),
                *loops("yield", "sleep(0)")])
    yield Case("tls", "Switch with thread-local storage of one's own", "switch",
               "Two pthreads of an unchanged C program take turns.",
               [Cell(RUN, "yield", "green run: sched_yield"),
                Cell(RUN, "park", "green run: two semaphores"),
                Cell(RUN, "mutex_busy", "green run: a mutex both want, and sched_yield"),
                Cell(LIBC, "yield", "kernel threads: sched_yield"),
                Cell(LIBC, "park", "kernel threads: two semaphores"),
                Cell(LIBC, "mutex_busy", "kernel threads: a mutex both want, and sched_yield"),
                Cell(ASM, "wrfsbase", "the instruction wrfsbase alone", emulated=False)])


def lives():
    yield Case("spawn", "Spawn, run, join", "task", "One after the other: each is joined before the next is spawned.",
               [Cell(GREEN, "spawn", "libgreen: green_spawn, green_join"),
                Cell(RUN, "spawn", "green run: pthread_create, pthread_join"),
                Cell(GO, "spawn", "Go: go, WaitGroup"),
                Cell(FIBER, "spawn", "Boost.Fiber: fiber, join"),
                Cell(ST, "spawn", "State Threads: create, join"),
                Cell(PTH, "spawn", "GNU Pth: pth_spawn, pth_join"),
                Cell(LIBC, "spawn", "kernel threads: pthread_create, pthread_join"),
                Cell(GEVENT, "spawn", "gevent: spawn, join"),
                *loops("spawn", "create_task, await")])
    yield Case("spawn_many", "Spawn a thousand, then join them", "task", "All are alive at once.",
               [Cell(GREEN, "spawn_many", "libgreen: green_spawn, green_join"),
                Cell(GO, "spawn_many", "Go: go, WaitGroup")])
    yield Case("create", "Create, switch to, end", "life",
               "A stack without a scheduler, from its beginning to its end.",
               [Cell(GREEN, "create", "libgreen: green_create, green_destroy"),
                Cell(BOOST, "create", "Boost.Context: fiber"),
                Cell(GREENLET, "create", "greenlet")])
    yield Case("next", "Next value of a generator", "value", "To the body and back. CPython's, node's have no stack.",
               [Cell(GREEN, "next", "libgreen: green_generator_next"), Cell(PY, "next", "CPython: next"),
                Cell(NODE, "next", "node: next")])
    yield Case("chain", "Next value through ten generators", "value", "Each delegates to the one below.",
               [Cell(GREEN, "chain", "libgreen: green_generator_delegate"), Cell(PY, "chain", "CPython: yield from"),
                Cell(NODE, "chain", "node: yield*")])


def hand_overs():
    yield Case("park", "Park and wake", "hand-over",
               "Two tasks wake each other in turn, by whatever is lightest of their kind; each then waits.",
               [Cell(GREEN, "park", "libgreen: two green_semaphores"),
                Cell(GREEN, "event", "libgreen: two green_events"),
                Cell(GO, "park", "Go: two channels"),
                Cell(FIBER, "park", "Boost.Fiber: mutex, two conditions"),
                Cell(ST, "park", "State Threads: two conditions"),
                Cell(PTH, "park", "GNU Pth: mutex, two conditions"),
                Cell(GEVENT, "park", "gevent: two Semaphores"),
                *loops("park", "two Semaphores")])
    for key, title, words in (("mutex_free", "Lock and unlock", "A mutex that is free."),
                              ("mutex_busy", "Lock, yield, unlock", "A mutex that two tasks want in turn.")):
        yield Case(key, title, "lock", words,
                   [Cell(GREEN, key, "libgreen: green_mutex"),
                    Cell(GO, key, "Go: sync.Mutex"),
                    Cell(FIBER, key, "Boost.Fiber: mutex"),
                    Cell(ST, key, "State Threads: st_mutex"),
                    Cell(PTH, key, "GNU Pth: pth_mutex"),
                    *([Cell(LIBC, key, "kernel threads: pthread_mutex")] if key == "mutex_free" else []),
                    Cell(GEVENT, key, "gevent: BoundedSemaphore"),
                    *loops(key, "Lock")])
    for key, title, words in (("queue_free", "Put and get", "One task through a queue with room for one: no wait."),
                              ("queue", "Queue", "From one task to another through a queue with room for one.")):
        yield Case(key, title, "item", words,
                   [Cell(GREEN, key, "libgreen: green_queue"),
                    Cell(GO, key, "Go: channel of 1"),
                    Cell(FIBER, key, "Boost.Fiber: buffered_channel"),
                    Cell(GEVENT, key, "gevent: Queue"),
                    *loops(key, "Queue")])
    yield Case("channel", "Channel", "item", "The same with no room at all. asyncio has none.",
               [Cell(GREEN, "channel", "libgreen: GREEN_CHANNEL"),
                Cell(GO, "channel", "Go: channel"),
                Cell(FIBER, "channel", "Boost.Fiber: unbuffered_channel"),
                Cell(GEVENT, "channel", "gevent: Channel")])


def timers():
    yield Case("timer", "Arm a timer, cancel it", "timer",
               f"A deadline drawn between one and two hours, while {ARMED:,} others of that kind are armed.",
               [Cell(GREEN, "timer", "libgreen: green_watch_timer"),
                Cell(GREEN, "timer_call", "libgreen: green_call_later"),
                Cell(EV, "timer", "libev: ev_timer"),
                Cell(UV, "timer", "libuv: uv_timer"),
                Cell(GO, "timer", "Go: time.AfterFunc, Stop"),
                Cell(NODE, "timer", "node: setTimeout"),
                *loops("timer", "call_later")], ARMED)
    yield Case("timer_churn", "Cancel any timer, arm it anew", "timer",
               f"One drawn of {ARMED:,} that are armed: few are in any cache.",
               [Cell(GREEN, "timer_churn", "libgreen: green_watch_timer"),
                Cell(EV, "timer_churn", "libev: ev_timer"),
                Cell(UV, "timer_churn", "libuv: uv_timer"),
                Cell(GO, "timer_churn", "Go: Stop, Reset")], ARMED)
    def waits(name):
        return [Cell(GREEN, name, "libgreen: two green_semaphores"),
                Cell(GO, name, "Go: two channels, select, NewTimer")]

    yield Case("timer_wait", "Park for a minute at most, and wake", "hand-over",
               "As above, but every wait has a time limit.",
               [*waits("timer_wait"),
                Cell(FIBER, "timer_wait", "Boost.Fiber: mutex, two conditions"),
                Cell(ST, "timer_wait", "State Threads: two conditions"),
                Cell(GEVENT, "timer_wait", "gevent: two Semaphores"),
                *loops("timer_wait", "two Semaphores, timeout")])
    yield Case("timer_wait_armed", f"The same while {ARMED:,} timers are armed", "hand-over",
               "Every wait arms one more, and cancels it.",
               waits("timer_wait_armed"), ARMED)
    yield Case("timer_due", f"{DUE:,} timers that are due", "timer",
               "Deadlines drawn from 50 ms: once all have come, the time until all have been called, in order.",
               [Cell(GREEN, "timer_due", "libgreen: green_call_at"),
                Cell(EV, "timer_due", "libev: ev_timer"),
                Cell(UV, "timer_due", "libuv: uv_timer, to the millisecond"),
                Cell(GO, "timer_due", "Go: time.AfterFunc, in any order"),
                *loops("timer_due", "call_later")], times=DUE)


def memory():
    """COUNT is what a kernel, and a machine of 8 GB, bear."""
    return [Cell(GREEN, "memory", "libgreen: tasks, default stacks of 256 KB", count=1000000),
            Cell(GREEN, "memory_small", "libgreen: tasks, stacks of 64 KB", count=1000000),
            Cell(RUN, "memory", "green run: pthreads, default stacks of 8 MB", count=100000),
            Cell(GO, "memory", "Go: goroutines", count=1000000),
            Cell(LIBC, "memory", "kernel threads, default stacks of 8 MB", count=100000, native=True),
            Cell(ST, "memory_small", "State Threads, stacks of 64 KB", count=20000),
            Cell(FIBER, "memory_small", "Boost.Fiber, stacks of 64 KB", count=100000),
            Cell(GEVENT, "memory", "gevent: greenlets", count=100000),
            Cell(ASYNCIO, "memory", "asyncio: tasks", count=100000)]


def all_cases():
    return [*switches(), *lives(), *hand_overs(), *timers()]
