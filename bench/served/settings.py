# SPDX-License-Identifier: MIT
"""settings.py - what the benchmark of whole servers measures: servers that stand together under one load"""
import trials
from contestants import ECHO, HOGGED, HOGGED_LIMIT, HTTP, PROXIES, SMALL, SQL
from kinds import LIMIT
from measure import system_calls
from report import count_name

CONNECTIONS = (1, 8, 64, 1000, 10000)
SIZES = (64, 4096)
PIPELINE = 16               # messages in flight on a connection, where there is more than one
BUSY = 100                  # connections of CPython, HTTP, the database
SHORT = 64                  # connections in the making at a time
IDLE = 10000
HOGGED_COUNT = 1000
QUICK_COUNT, QUICK_IDLE = 8, 100
COUNTED = 2000              # threads that perf or strace can be attached to in a reasonable time
SQL_TESTS = ("oltp_point_select", "oltp_read_only")
EFFORT = ["cpu", "rate", "p50", "p99"]


class Scale:
    """How long and how much."""

    def __init__(self, seconds, full=False, quick=False):
        self.seconds, self.full, self.quick = seconds, full, quick

    def connections(self, count):
        return min(count, QUICK_COUNT) if self.quick else count


class Setting:
    """KINDS under one load; BASE is the key of the kind by whose figures the others' are divided, BASE_NAME its name.

    COLUMNS: which figures its table has.  ROUNDS: how often it is measured unless somebody asks for a number; nine
    where there is a bar.
    """

    unit, units, rounds, counted, base_name = "message", "messages", 9, False, "native"
    columns = [*EFFORT, "p999", "calls", "switches", "threads", "busy"]

    def __init__(self, key, title, words, kinds, base, count):
        self.key, self.title, self.words, self.kinds = key, title, words, list(kinds)
        self.base, self.count = base, count

    def take(self, build, kind, scale):
        """The figures of one run of KIND."""
        raise NotImplementedError


class Echo(Setting):
    def __init__(self, key, title, words, kinds, base, count, size=64, pipeline=1, counted=True):
        super().__init__(key, title, words, kinds, base, count)
        self.size, self.pipeline = size, pipeline
        self.counted = counted and count <= COUNTED

    def load(self, seconds):
        return [f"--seconds={seconds}", f"--size={self.size}", f"--pipeline={self.pipeline}"]

    def take(self, build, kind, scale):
        return trials.echo(build, kind, scale.connections(self.count), self.load(scale.seconds))

    def calls(self, build, kind, way):
        """System calls of one message."""
        return system_calls(build, kind, self.count, way, self.load(0.2))


class PThreads(Echo):
    base_name = "epoll"


class Hogged(Echo):
    """CPU time and sleeps of a server that also computes say nothing."""

    rounds, columns = 5, ["rate", "p50", "p99", "p999", "threads"]


class Short(Setting):
    unit, units, columns = "connection", "connections", [*EFFORT, "p999", "per_cpu", "busy"]

    def take(self, build, kind, scale):
        return trials.short(build, kind, scale.connections(self.count), [f"--seconds={scale.seconds}"])


class Idle(Setting):
    unit, base_name = "connection", "native, 64 KB"
    columns = ["total", "pages", "tables", "kernel", "threads"]

    def take(self, build, kind, scale):
        return trials.idle(build, kind, min(self.count, QUICK_IDLE) if scale.quick else self.count)


class Http(Setting):
    unit, units, rounds, columns = "request", "requests", 5, [*EFFORT, "busy"]
    base_name = "libmicrohttpd, native"

    def take(self, build, kind, scale):
        return trials.web(build, kind, scale.connections(self.count), max(scale.seconds, 0.2))


class Proxied(Http):
    base_name = "native"

    def take(self, build, kind, scale):
        return trials.proxied(build, kind, scale.connections(self.count), max(scale.seconds, 0.2))


class Sql(Setting):
    unit, units, rounds, columns = "query", "queries", 3, ["cpu", "rate", "mean", "p99", "busy"]

    def take(self, build, kind, scale):
        limits = ["--time=2" if scale.full else "--time=1", "--events=0"]
        if scale.quick:
            limits = ["--time=0", "--events=100"]
        return trials.sql(build, kind, self.key, scale.connections(self.count), limits)


# ---- all of them ----

PTHREADS = [ECHO[key] for key in ("c_pthreads", "run_pthreads", LIMIT)]
PYTHONS = [ECHO[key] for key in ("python_threads", "run_python", "gevent_server", "uvloop_protocol", "uvloop_sock",
                                 "asyncio_protocol", "asyncio_sock")]


def echo_key(count, size=64, pipeline=1):
    return f"c{count}" + (f"-{size}" if size != 64 else "") + ("-pipelined" if pipeline > 1 else "")


def grid(full):
    """Connections, size, pipeline: with FULL all of them, else what most servers see and the ends."""
    some = [(count, 64, 1) for count in CONNECTIONS] + [(count, 4096, 1) for count in (64, 1000)]
    some += [(count, 64, PIPELINE) for count in (64, 1000)]
    everything = [(count, size, pipeline) for size in SIZES for pipeline in (1, PIPELINE) for count in CONNECTIONS]
    return everything if full else some


def echo_settings(full):
    for count, size, pipeline in grid(full):
        flight = "one in flight" if pipeline == 1 else f"{pipeline} in flight"
        yield PThreads(echo_key(count, size, pipeline),
                       f"C, thread per connection: {count_name(count)}, {size:,} bytes, {flight}", "",
                       PTHREADS, LIMIT, count, size, pipeline)


def all_settings(full):
    """In the order in which they are reported."""
    return [
        *echo_settings(full),
        PThreads("switches", f"C, thread per connection: {BUSY} connections, 64 bytes, one in flight", "", PTHREADS,
                 LIMIT, BUSY),
        *(Echo(f"python{count}", f"CPython, thread per connection: {count:,} connections, 64 bytes",
               "Beside what people use instead of threads.", PYTHONS, "python_threads", count, counted=False)
          for count in (BUSY, 1000)),
        Hogged("hogged", f"{HOGGED_COUNT:,} connections and a thread of the server that computes",
               "The answers have to wait for their turn on the CPU; without that thread, see above.",
               [*HOGGED, HOGGED_LIMIT], "hogged_pthreads", HOGGED_COUNT, counted=False),
        Short("short", f"Connect, one message, close: {SHORT} at a time",
              "Latency is that of all three. For a new connection the kernel does much of the server's work on the "
              "core of the client, which then sets the pace where the server's core is not busy all the time: so there "
              "is a bar for connections per second of the server's CPU, too.",
              [*PTHREADS, ECHO["green_server"]], "c_pthreads", SHORT),
        Http("http", f"HTTP on {BUSY} connections that stay, by wrk", "", HTTP, "microhttpd", BUSY),
        Proxied("proxy", f"HTTP through a proxy, {BUSY} connections, a new one for each request, by wrk",
                "The origin is the http_server of examples, on the core of the load.", PROXIES, "tinyproxy", BUSY),
        Idle("idle", f"Memory of a connection that is idle: {IDLE:,} of them",
             "After one message each. Pages and page tables are the server's own; the rest is how the kernel's slabs "
             "and stacks grew meanwhile, on the whole machine, so with the client's end of each connection.",
             [*PTHREADS[:2], *SMALL, ECHO["green_server"], ECHO[LIMIT]], "small_pthreads", IDLE),
        *(Sql(test, f"MariaDB: {BUSY} connections, sysbench {test}",
              "Latencies are sysbench's, of a transaction.", SQL, "mariadb", BUSY) for test in SQL_TESTS),
    ]


def quick_settings():
    """One of each shape: what all the others are made of."""
    wanted = (echo_key(8), echo_key(1000, 4096), echo_key(1000, pipeline=PIPELINE), "python100", "hogged", "short",
              "http", "proxy", "idle", SQL_TESTS[0])
    return [setting for setting in all_settings(True) if setting.key in wanted]
