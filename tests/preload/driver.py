#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""driver.py - runs the plain blocking programs natively and under `green run`, and compares what they did"""

import os
import re
import shutil
import signal
import sys

from harness import Case, Failure, Skip, check_stats, main_with, message_of_overflow, run, source_directory

MODULES = ("dl_tls_fast", "dl_tls_late", "dl_objects")
DETOURED = ("detours", "streams", "stdio_threads", "stuck")
PROGRAMS = (
    "socket_io",
    "socket_rare",
    "messages",
    "pipes",
    "nonblock",
    "multiplex",
    "descriptors",
    "odd_descriptors",
    "disks",
    "sleeps",
    "locks",
    "threads",
    "main_exit",
    "cancel",
    "futexes",
    "prefork",
    "processes",
    "scheduling",
    "signals",
    "sigqueue",
    "sigjump",
    "sigcalls",
    "sighandlers",
    "sigtimers",
    "interrupts",
    "credentials",
    "dynamic",
    "stdio_threads",
    "streams",
    "stuck",
    "many",
    "foreign",
    "hog",
    "libraries",
    "linked",
    "spins",
    "ticks",
    "c11",
    "rare",
    "rings",
    "accounts",
    "migrate",
)
LANGUAGE_RUNS = 50
SKIPPED = 77

# A program whose green run differs on purpose: the text that the shim promises instead of native's.
PUBLISHED = {
    "descriptors.close_while_waiting": (
        "close_while_waiting:\nrecv: EBADF\naccept: EBADF\npoll: POLLNVAL\n"
    ),
    "descriptors.replaced_while_waiting": (
        "replaced_while_waiting:\nrecv: EBADF\npoll: POLLNVAL\nread: EBADF\naccept: EBADF\n"
    ),
    # Natively each kernel thread that asks has a hub of its own.
    "linked.one_hub": "one_hub:\nhub of a thread: main's\nhub of who waits: main's\n",
}
# What the shim does not carry yet: natively it is checked, under the shim it is left out, by name and reason.
NOT_YET = {}
CALM, UNSTOPPED = ("traffic_of_the_last",), ("short_turns",)
ENDS_BY_SIGNAL = ("main_exit.thread_aborts", "main_exit.thread_faults", "overflow")
TIME_LIMIT = 10
TIME_LIMITS = {"many": 40, "sigcalls": 40, "spins": 60, "stuck": 60}
# The program that says on stderr how long its clients have waited.
MEASURING = "stuck"
FIGURES = re.compile(rb"p99 [0-9.]+ ms, worst [0-9.]+ ms of [0-9]+")


def listed_cases(program):
    """The cases that a program of ours names itself, each with the threads it creates."""
    result = run([program, "--list"], limit=10)
    if result.status != 0:
        raise Failure(f"{program} --list: status {result.status}")
    for line in result.stdout.decode().splitlines():
        name, threads = line.split()
        yield name, int(threads)


def environment(options):
    """The child finds our loadable modules, and no shim that surrounds the driver; GREEN_TIMESLICE and GREEN_DETOUR may set how."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GREEN_") and k != "LD_PRELOAD"}
    env.update((name, os.environ[name]) for name in ("GREEN_TIMESLICE", "GREEN_DETOUR") if name in os.environ)
    for place in (".libs", "."):
        directory = os.path.join(options.programs, place)
        if os.path.exists(os.path.join(directory, MODULES[0] + ".so")):
            env["PLAIN_MODULES"] = os.path.abspath(directory)
            break
    return env


class Compared(Case):
    """One command run both ways; its output, its errors and its end must be the same."""

    def __init__(self, name, command, threads, limit=TIME_LIMIT, runs=1):
        super().__init__(name)
        self.command, self.threads, self.limit, self.default_runs = command, threads, limit, runs

    def run(self, options):
        env = environment(options)
        native = None
        if self.name not in PUBLISHED:
            native = run(self.command, limit=self.limit, env=env)
            self.demand_sane(native)
            self.skip_if_told(native)
        if self.name in NOT_YET and not options.native_only:
            raise Skip(NOT_YET[self.name])
        for _ in range(options.repeat or self.default_runs):
            self.run_once(options, env, native)

    def run_once(self, options, env, native):
        if options.native_only:
            if native:
                self.compare(native, run(self.command, limit=self.limit, env=env))
            return
        result = run(self.command, limit=self.limit, env=env, green=options.green)
        self.compare(native, result)
        check_stats(result, self.threads)

    def demand_sane(self, native):
        if native.status < 0 and self.name not in ENDS_BY_SIGNAL:
            raise Failure(f"is killed by {signal.Signals(-native.status).name} natively", native)
        if native.hang:
            raise Failure("hangs natively", native)
        if b"cannot go on" in native.stdout:
            raise Failure("cannot go on natively", native)

    @staticmethod
    def skip_if_told(native):
        if native.status == SKIPPED:
            raise Skip(native.stdout.decode().splitlines()[-1])

    def compare(self, native, result):
        if result.hang:
            raise Failure("hangs", result)
        if self.name in PUBLISHED:
            self.compare_text(PUBLISHED[self.name].encode(), result)
            return
        if result.status != native.status:
            raise Failure(f"status {result.status}, natively {native.status}", result)
        self.compare_text(native.stdout, result)
        self.compare_errors(native, result)

    @staticmethod
    def compare_text(expected, result):
        if result.stdout != expected:
            raise Failure("other output", result, expected)

    def compare_errors(self, native, result):
        if MEASURING in self.name.split("."):
            self.compare_figures(native, result)
        elif result.stderr != native.stderr:
            raise Failure("other errors", result, native.stderr)

    def compare_figures(self, native, result):
        """Times differ from run to run: they are shown, and what decides is in the output."""
        for one in native, result:
            if not FIGURES.fullmatch(one.stderr):
                raise Failure("no figures", one)
        self.note = f"{result.stderr.decode()}; natively {native.stderr.decode()}"


class Calm(Compared):
    """A program in which nobody is in another's way: a tick in each slice, and no hurry, which is hundreds of them."""

    MOST_TICKS = 350

    def run_once(self, options, env, native):
        super().run_once(options, {k: v for k, v in env.items() if k != "GREEN_TIMESLICE"}, native)

    def compare(self, native, result):
        super().compare(native, result)
        if result.shimmed and result.stats[result.pid]["ticks"] > self.MOST_TICKS:
            raise Failure(f"{result.stats[result.pid]['ticks']} ticks, at most {self.MOST_TICKS} expected", result)


class Unstopped(Calm):
    """Who gives way sooner than a slice ends is not stopped by the tick that happens to strike: its lock would go with it."""

    FEWEST_TICKS = 10

    def compare(self, native, result):
        super().compare(native, result)
        if not result.shimmed:
            return
        ticks, stopped = (result.stats[result.pid][name] for name in ("ticks", "preemptions"))
        if ticks < self.FEWEST_TICKS or stopped > ticks / 5:
            raise Failure(f"stopped {stopped} times in {ticks} ticks", result)


class Workers(Compared):
    """A library's threads are kernel threads, which the listed number counts, and the program's are green ones."""

    flags = ("--native-thread=dl_workers", "--native-thread=dl_cr*.so")

    def run_once(self, options, env, native):
        result = run(self.command, limit=self.limit, env=env, green=options.green, flags=self.flags)
        self.compare(native, result)
        check_stats(result, 1)
        natives = result.stats[result.pid]["natives"]
        if natives != self.threads:
            raise Failure(f"{natives} native threads, {self.threads} expected", result)


class Overflow(Compared):
    """Deep recursion ends by the same signal; the shim adds one sentence which names the greenlet."""

    def compare_errors(self, native, result):
        if result.shimmed and not message_of_overflow(result.stderr):
            raise Failure("no single sentence about the overflow", result)


class StandsDown(Compared):
    """Where the check of thread-local storage fails, one line says so and the threads are native ones."""

    more = {"GREEN_FAIL_SELFTEST": "1"}

    def run_once(self, options, env, native):
        if options.native_only:
            return
        result = run(self.command, limit=self.limit, env=dict(env, **self.more), green=options.green)
        if result.status != native.status:
            raise Failure(f"status {result.status}, natively {native.status}", result)
        self.compare_text(native.stdout, result)
        lines = result.stderr.decode().splitlines()
        if len(lines) != 1 or not lines[0].startswith("green: "):
            raise Failure("not one line that says why", result)
        stats = result.stats.get(result.pid, {})
        if stats.get("stood_down") != 1 or stats.get("created") != 0:
            raise Failure("did not stand down", result)


# MP17: two copies of the library would not know of each other
class OwnCopy(StandsDown):
    """A program that is linked with an archive of the library runs natively, after one line that says why."""

    more = {}


class Detoured(Compared):
    """With --detour; to wait inside stdio then needs no helper thread."""

    NO_HELPERS = ("formatted", "one_stream_for_three", "full_pipe", "cancelled", "interrupted")

    def __init__(self, program, path, case, threads):
        super().__init__(f"detoured.{program}.{case}", [path, case], threads, TIME_LIMITS.get(program, TIME_LIMIT))
        self.no_helpers = program == "detours" and case in self.NO_HELPERS

    def run_once(self, options, env, native):
        if options.native_only:
            return
        result = run(self.command, limit=self.limit, env=dict(env, GREEN_DETOUR="1"), green=options.green)
        self.compare(native, result)
        check_stats(result, self.threads)
        stats = result.stats[result.pid]
        if not stats["detoured"]:
            raise Failure("libc is as it was", result)
        if self.no_helpers and stats["helpers"]:
            raise Failure(f"{stats['helpers']} helper threads", result)


class DetourByMemory(Detoured):
    """Where code may not be made writable, it is changed by way of the process's memory file."""

    LAUNCHER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) and sys.exit(77); os.execvp(sys.argv[1], sys.argv[1:])"

    def __init__(self, path, case, threads):
        super().__init__("detours", path, case, threads)
        self.name, self.command = "detour_by_memory", ["/usr/bin/python3", "-c", self.LAUNCHER, *self.command]

    def skip_if_told(self, native):
        if native.status == SKIPPED:
            raise Skip("this kernel knows no way to forbid writable code")


class DetourRefused(Compared):
    """Where another library stands before libc nothing is changed, one line says so, and the program runs all the same."""

    def run(self, options):
        front = next(path for path in (os.path.join(options.programs, place, "dl_front.so") for place in (".libs", "."))
                     if os.path.exists(path))
        plain, self.command = self.command, ["env", f"LD_PRELOAD={front}", *self.command]
        native = run(self.command, limit=self.limit, env=environment(options))
        self.demand_sane(native)
        shim = os.path.join(options.build, "preload", ".libs", "libgreen-preload.so")
        self.command = ["env", f"LD_PRELOAD={shim}:{front}", *plain]
        if not options.native_only:
            self.run_once(options, dict(environment(options), GREEN_DETOUR="1"), native)

    def compare_errors(self, native, result):
        lines = [line for line in result.stderr.decode().splitlines() if "--detour: read: another preloaded library" in line]
        if len(lines) != 1 or not lines[0].startswith("green: ") or result.stderr.count(b"\n") != 1:
            raise Failure("not one line that says why", result)


class Allocator(Compared):
    """A case with another allocator preloaded beside the shim, in front of it or behind."""

    def __init__(self, library, shim_first, program, case, command, threads):
        order = "behind" if shim_first else "in_front"
        super().__init__(f"{os.path.basename(library).split('.')[0]}_{order}.{program}.{case}", command, threads)
        self.library, self.shim_first, self.plain = library, shim_first, command

    def run(self, options):
        if not os.path.exists(self.library):
            raise Skip(f"there is no {self.library}")
        shim = os.path.join(options.build, "preload", ".libs", "libgreen-preload.so")
        order = [shim, self.library] if self.shim_first else [self.library, shim]
        self.native_command = ["env", f"LD_PRELOAD={self.library}", *self.plain]
        self.command = ["env", f"LD_PRELOAD={':'.join(order)}", *self.plain]
        env = environment(options)
        native = run(self.native_command, limit=self.limit, env=env)
        self.demand_sane(native)
        if not options.native_only:
            for _ in range(options.repeat or 1):
                self.run_once(options, env, native)


ALLOCATORS = ("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2")
ALLOCATING = {
    "many": ("allocators", "one_after_another"),
    "libraries": ("threads_inside", "in_turn"),
    "ticks": ("cookie_streams", "handlers_in_malloc", "fork_handlers"),
    "cancel": None,
}


def allocator_cases(options):
    for program, names in ALLOCATING.items():
        path = os.path.join(options.programs, program)
        for name, threads in listed_cases(path):
            for library in ALLOCATORS if names is None or name in names else ():
                for shim_first in (True, False):
                    yield Allocator(library, shim_first, program, name, [path, name], threads)


# CK26: what so many cost
class Crowd(Case):
    """A hundred thousand threads at once, which no system's own limits allow; some of them natively, for the cost."""

    THREADS, NATIVE_THREADS = 100000, 1000
    MEMORY = 3 << 30

    def run(self, options):
        if options.native_only:
            raise Skip("there are no so many native threads")
        if free_memory() < self.MEMORY:
            raise Skip("not enough memory is free")
        env = environment(options)
        program = os.path.join(options.programs, "crowd")
        native = run([program, str(self.NATIVE_THREADS)], limit=60, env=env)
        for _ in range(options.repeat or 1):
            result = run([program, str(self.THREADS)], limit=90, env=env, green=options.green)
            expected = native.stdout.replace(str(self.NATIVE_THREADS).encode(), str(self.THREADS).encode())
            if result.hang or result.status != native.status or result.stdout != expected:
                raise Failure("hangs" if result.hang else f"status {result.status}", result, expected)
            check_stats(result, self.THREADS)
            if result.stats[result.pid]["peak"] < self.THREADS:
                raise Failure(f"at most {result.stats[result.pid]['peak']} were alive at once", result)
        costs = (text.decode().replace("\n", ", ").rstrip(", ") for text in (result.stderr, native.stderr))
        self.note = "{}; natively {}".format(*costs)


def free_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))


class Rust(Compared):
    """The Rust program, compiled at its first use and kept in the build directory."""

    def run(self, options):
        self.command = [compiled_rust(options)]
        super().run(options)


def compiled_rust(options):
    rustc = next((path for path in ("/usr/bin/rustc", shutil.which("rustc")) if path and os.path.exists(path)), None)
    if not rustc:
        raise Skip("rustc is not installed")
    source = os.path.join(source_directory(), "rust_threads.rs")
    target = os.path.join(options.programs, "rust_threads")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        result = run([rustc, "--edition", "2021", "-O", "-o", target, source], limit=180)
        if result.status != 0:
            raise Failure("rustc fails", result)
    return target


def language_cases(options):
    python = os.path.join(source_directory(), "py_threads.py")
    cxx = os.path.join(options.programs, "cxx_threads")
    yield Compared("cxx_threads", [cxx], 60, runs=LANGUAGE_RUNS)
    yield Rust("rust_threads", None, 60, runs=LANGUAGE_RUNS)
    yield Compared("py_threads", ["/usr/bin/python3", python], 100, runs=LANGUAGE_RUNS)


def cases(options):
    for program in PROGRAMS:
        path = os.path.join(options.programs, program)
        if not os.path.exists(path):
            yield Missing(program)
            continue
        for name, threads in listed_cases(path):
            kind = Calm if name in CALM else Unstopped if name in UNSTOPPED else Compared
            yield kind(f"{program}.{name}", [path, name], threads, TIME_LIMITS.get(program, TIME_LIMIT))
    for program in DETOURED:
        path = os.path.join(options.programs, program)
        for name, threads in listed_cases(path):
            yield Detoured(program, path, name, threads)
    detours = os.path.join(options.programs, "detours")
    yield DetourByMemory(detours, "formatted", 2)
    yield DetourRefused("detour_refused", [os.path.join(options.programs, "streams"), "wide"], 1)
    path = os.path.join(options.programs, "workers")
    for name, natives in listed_cases(path):
        yield Workers(f"workers.{name}", [path, name], natives)
    yield Overflow("overflow", [os.path.join(options.programs, "overflow")], 1)
    yield from allocator_cases(options)
    yield Crowd("crowd")
    yield StandsDown("stands_down", [os.path.join(options.programs, "threads"), "joins"], 0)
    archive = os.path.join(options.programs, "linked_archive")
    for name, _ in listed_cases(archive):
        yield OwnCopy(f"linked_archive.{name}", [archive, name], 0)
    yield from language_cases(options)


class Missing(Case):
    """A program that was not built is a failure, not a silence."""

    def run(self, options):
        raise Failure(f"there is no {self.name} in {options.programs}")


if __name__ == "__main__":
    sys.exit(main_with(cases))
