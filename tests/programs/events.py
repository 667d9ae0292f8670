#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""events.py - servers with an event loop, with processes or one connection at a time: unharmed under `green run`?

Each is started natively and green.  It must reply alike, end alike at SIGTERM, and leave no process behind; then both
serve the same load on one core in turns, every reply compared.  What that costs is one row of a table: printed, and
written to programs-events.md in the current directory.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from events_kinds import IN_CHECK, KINDS  # noqa: E402
from harness import (Case, Failure, STATS_MAGIC, collect_stats, describe_hang, descendants,  # noqa: E402
                     main_with, read_proc)
from servers import MOST_TASKS, Server  # noqa: E402

FAST = "--fast" in sys.argv
SERVER_CORE, CLIENT_CORE = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
INSTANCES, TURNS = (1, 1) if FAST else (3, 2)
TURN_SECONDS = 0.1 if FAST else 0.25
SILENCE = 0.3


# ---- one server ----

@contextmanager
def pinned(cores):
    """What is started here stays on CORES."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Pinned(Server):
    """A server on one core, with all that it starts.  Counters cost a file for each process, so loads have none."""

    def __init__(self, kind, options, green, counts):
        self.counts = counts
        with pinned({SERVER_CORE} if kind.one_core else os.sched_getaffinity(0)):
            super().__init__(kind, options, green)
        os.chmod(self.directory, 0o777)

    def processes(self):
        """The server and what it has started, also those that have a session of their own."""
        found = set(descendants(self.process.pid)) | {pid for pid in living() if session_of(pid) == self.process.pid}
        return {pid for pid in found if os.path.exists(f"/proc/{pid}")}

    def cpu(self):
        return sum(cpu_of(pid) for pid in self.processes())

    def check_loaded(self):
        """Each of its processes has the shim, and green threads are none of the kernel's."""
        deadline = time.monotonic() + 2
        while wrong := [self.describe(pid) for pid in self.processes() if not is_carried(pid)]:
            # One that starts has no shim yet, and one that ends has it no more.
            if time.monotonic() > deadline:
                raise Failure(f"not carried: {wrong}")
            time.sleep(0.02)

    @staticmethod
    def describe(pid):
        tasks = read_proc(f"/proc/{pid}/task/{pid}/status")
        return read_proc(f"/proc/{pid}/comm") + ": " + "".join(re.findall(r"Threads:.*", tasks))

    def check_all(self):
        """Each of its processes had the shim, none stood down; the threads that are green, on one carrier each."""
        stats = collect_stats(self.path("stats"))
        missing = self.processes() - set(stats)
        if missing:
            raise Failure(f"not under the shim: {[read_proc(f'/proc/{pid}/comm') for pid in missing]}")
        for pid, seen in stats.items():
            if seen["magic"] != STATS_MAGIC or seen["stood_down"] or seen["carriers"] > 1:
                raise Failure(f"process {pid} was not carried: {seen}")
        created = sum(seen["created"] for seen in stats.values())
        if created < self.kind.threads:
            raise Failure(f"{created} green pthreads, at least {self.kind.threads} expected")
        return created

    def stop(self):
        """SIGTERM: the exit status, after which nobody may be left."""
        everybody = self.processes()
        status = self.end(self.kind.stop_signal)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            left = {pid for pid in everybody if is_alive(pid)}
            left |= {pid for pid in living() if session_of(pid) == self.process.pid}
            if not left:
                return status
            time.sleep(0.01)
        raise Failure("processes are left: " + "\n".join(describe_hang(pid) for pid in left))


def living():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def stat_of(pid):
    """The fields of /proc/PID/stat from the third on."""
    text = read_proc(f"/proc/{pid}/stat")
    return text[text.rfind(")") + 2:].split() if ")" in text else None


def session_of(pid):
    fields = stat_of(pid)
    return int(fields[3]) if fields and fields[0] != "Z" else -1


def is_alive(pid):
    fields = stat_of(pid)
    return bool(fields) and fields[0] != "Z"


def is_carried(pid):
    try:
        tasks = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return True
    return not is_alive(pid) or ("libgreen-preload.so" in read_proc(f"/proc/{pid}/maps") and tasks <= MOST_TASKS)


def cpu_of(pid):
    """What PID has used, from its own clock, and its children that have ended, in the ticks of /proc."""
    fields = stat_of(pid)
    try:
        own = time.clock_gettime(~pid << 3 | 2)
    except OSError:
        own = 0.0
    return own + (sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK") if fields else 0)


# ---- one load ----

def volley_program(options):
    program = os.path.join(options.build, "tests", "programs", "volley")
    source = os.path.join(HERE, "volley.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        made = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", program, source],
                              check=False, capture_output=True, text=True)
        if made.returncode:
            raise Failure(f"volley.c does not compile: {made.stderr[-500:]}")
    return program


def until_silence(talk):
    """All that comes until it is quiet for a while."""
    seen = b""
    talk.settimeout(SILENCE)
    try:
        while piece := talk.recv(65536):
            seen += piece
    except socket.timeout:
        pass
    return seen


class Volley:
    """The load that volley.c makes: one request and the reply to it, as this very server gave it the first time."""

    def __init__(self, server, options):
        self.server, self.kind, self.program = server, server.kind, volley_program(options)
        self.files = [server.path(name) for name in ("request", "reply", "mask")]
        self.greeting, reply = self.sample()
        if not reply:
            raise Failure("there is no reply")
        mask = re.sub(self.kind.varies, lambda found: b"\0" * len(found.group()), reply) if self.kind.varies else reply
        mask = bytes(byte and 1 for byte in mask)
        for path, content in zip(self.files, (self.kind.request, reply, mask)):
            with open(path, "wb") as file:
                file.write(content)

    def sample(self):
        if self.kind.transport == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
                talk.connect(("127.0.0.1", self.server.port))
                talk.send(self.kind.request)
                return b"", until_silence(talk)
        with socket.create_connection(("127.0.0.1", self.server.port)) as talk:
            greeting = until_silence(talk) if self.kind.greets else b""
            talk.sendall(self.kind.request)
            return greeting, until_silence(talk)

    def fire(self, count):
        """COUNT requests: seconds, and the server's CPU time."""
        command = [self.program, self.kind.transport, str(self.server.port), str(self.kind.connections), str(count),
                   str(len(self.greeting)), *self.files]
        before = self.server.cpu()
        with pinned({CLIENT_CORE}):
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        used = self.server.cpu() - before
        if done.returncode:
            raise Failure(f"the load fails: {done.stderr.strip()}\n{describe_hang(self.server.process.pid)}")
        return float(done.stdout.split()[1]), used


class Load:
    """A load of the kind's own: KIND.load(server, count) does COUNT of its steps."""

    def __init__(self, server, _options):
        self.server = server

    def fire(self, count):
        before, start = self.server.cpu(), time.monotonic()
        with pinned({CLIENT_CORE}):
            self.server.kind.load(self.server, count)
        return time.monotonic() - start, self.server.cpu() - before


def load_on(server, options):
    return (Load if hasattr(server.kind, "load") else Volley)(server, options)


def enough(load):
    """How many requests take TURN_SECONDS."""
    count, took = load.server.kind.connections, 0.0
    while took < TURN_SECONDS / 4 and count < 1000000:
        count *= 2
        took = load.fire(count)[0]
    return max(1, int(count * TURN_SECONDS / took))


# ---- the cases ----

class Unharmed(Case):
    """One kind of server, natively and green."""

    rows = []

    def __init__(self, kind):
        super().__init__(kind.name)
        self.kind = kind

    def run(self, options):
        self.kind.binary()
        native, green = self.life(options, False), self.life(options, not options.native_only)
        if native[0] != green[0]:
            raise Failure(f"natively it says {parting(native[0], green[0])}")
        if native[1] != green[1]:
            raise Failure(f"SIGTERM ends it with {green[1]}, natively with {native[1]}")
        if options.native_only:
            return
        self.note = f"ends with {native[1]}, {green[2]} green pthreads"
        self.measure(options, green[2], native[1])

    def life(self, options, green):
        """What it says, how it ends, and how many green pthreads it made."""
        with serving(self.kind, options, green, True) as server:
            said = self.kind.talk(server)
            created = server.check_all() if green else 0
            return said, server.stop(), created

    def measure(self, options, created, status):
        """What goes beyond the limit is looked at once more, for the machine may be shared."""
        pairs, count = [], 0
        for _ in range(1 if FAST else 2):
            count = self.pairs(options, pairs, count)
            cost = middle([green[1] / native[1] for native, green in pairs if native[1]])
            if cost <= self.kind.most_cpu:
                break
        costs = [green[1] / native[1] for native, green in pairs if native[1]]
        rates = [native[0] / green[0] for native, green in pairs]
        native = statistics.median(native[1] for native, _ in pairs) / count
        self.rows.append((self.kind, created, status, native, costs, rates))
        self.note += f", {native * 1e6:.0f} us a request, CPU {spread(costs)}, throughput {spread(rates)}"
        if cost > self.kind.most_cpu and not FAST:
            raise Failure(f"a request costs {cost:.2f} times as much as natively")

    def pairs(self, options, pairs, count):
        """Loads of COUNT requests by turns, or as many as fill a turn."""
        for _ in range(INSTANCES):
            with serving(self.kind, options, False, False) as native, serving(self.kind, options, True, False) as green:
                green.check_loaded()
                loads = load_on(native, options), load_on(green, options)
                count = count or enough(loads[0])
                loads[1].fire(max(1, count // 4))
                pairs += [(loads[0].fire(count), loads[1].fire(count)) for _ in range(TURNS)]
                green.check_loaded()
        return count


def middle(ratios):
    return statistics.median(ratios) if ratios else 1.0


def spread(ratios):
    return f"{middle(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "unknown"


def parting(native, green):
    """Where two conversations part, and what is said there."""
    at = next((i for i, pair in enumerate(zip(native, green)) if pair[0] != pair[1]), min(len(native), len(green)))
    return f"{native[max(0, at - 40):at + 80]!r}, green {green[max(0, at - 40):at + 80]!r}"


@contextmanager
def serving(kind, options, green, counts):
    server = Pinned(kind, options, green, counts)
    try:
        server.wait_until_listening()
        kind.prepare_clients(server)
        yield server
    except Failure as failure:
        raise Failure(f"{'green' if green else 'natively'}: {failure}\n{server.printed()[-1000:]}") from None
    finally:
        server.clean_up()


HEAD = """| server | green pthreads | ends with | CPU a request, us | CPU green / native | throughput green / native |
|---|---|---|---|---|---|
"""


def row(kind, created, status, native, costs, rates):
    name = kind.name if kind.one_core else f"{kind.name}, natively on all cores"
    return f"| {name} | {created} | {status} | {native * 1e6:.0f} | {spread(costs)} | {spread(rates)} |\n"


def write_table(path):
    text = HEAD + "".join(row(*each) for each in Unharmed.rows)
    print("\n" + text)
    with open(path, "w", encoding="utf-8") as file:
        file.write("## Event loops, processes, one connection at a time\n\n"
                   "Servers on one core, the load on another, natively and green by turns, at least "
                   f"{INSTANCES * TURNS} each;\nmedians, and the extremes in brackets.  CPU is that of all processes of "
                   "the server.\n\n")
        file.write(text)


def cases(_options):
    for make in IN_CHECK if FAST else KINDS:
        yield Unharmed(make())


def main():
    if FAST:
        sys.argv.remove("--fast")
    os.environ["PYTHONHASHSEED"] = os.environ["PERL_HASH_SEED"] = "0"
    status = main_with(cases)
    if Unharmed.rows and not FAST:
        write_table("programs-events.md")
    return status


if __name__ == "__main__":
    sys.exit(main())
