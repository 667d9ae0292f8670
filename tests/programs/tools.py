#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tools.py - client tools with a thread per user, natively and under `green run` side by side, against native servers

Each does the same work with 1, 100 and 500 threads, most with 1,000 too.  What it reports is compared, with what the
server saw where that can be told, and files byte by byte.  What it cost is one row of a table: printed, and written to
programs-tools.md in the current directory.  Then come servers that ponder, and signals in the midst of the work.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from harness import Case, Failure, Skip, check_stats, main_with, raise_descriptor_limit, run  # noqa: E402
from origins import content, Sink, Web  # noqa: E402
from services import demand, MariaDB, Postgres  # noqa: E402

RUN_LIMIT = 60
KERNEL_STACK_KB = 16
MOST_TASKS = 1 + 6
PONDER_MS = 100
# Beyond the native time, where 500 questions one after the other take 50 s.
SLOW_LIMIT = 5
SIGNAL_AFTER = 1
SIGNAL_LIMIT = 15


# ---- servers, each started once ----

class Services:
    """What is running already."""

    def __init__(self):
        self.running, self.stack = {}, contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def get(self, kind):
        if kind is None:
            return None
        if kind not in self.running:
            self.running[kind] = self.stack.enter_context(kind())
        return self.running[kind]


SERVICES = Services()


def output_of(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Failure(f"{command[0]} ends with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def mariadb(service, statement):
    return output_of(demand("/usr/bin/mariadb", "mariadb-client"), "--no-defaults", f"--socket={service.place}", "-N",
                     "-e", statement)


def number_in(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise Failure(f"there is no {pattern!r} in {text[-500:]!r}")
    return int(found.group(1))


# ---- the tools ----

class Tool:
    """A program with COUNT threads.  What it reports comes as (operations, errors), from it and from its server."""

    name, program, package, service, counts = "", "", "", None, (1, 100, 500)

    def created(self, count):
        """How many threads it makes at least."""
        return count

    def prepare(self, service, count):
        """What comes before each run."""

    def command(self, service, count, scratch):
        raise NotImplementedError

    def expected(self, count):
        """The operations that the command asks for."""
        raise NotImplementedError

    def figures(self, result, service, count, scratch):
        raise NotImplementedError

    def slow_command(self, service, count, scratch):
        """COUNT questions at once, each answered after PONDER_MS."""
        raise NotImplementedError

    def endless_command(self, service, count, scratch):
        """What a signal is to end."""
        raise NotImplementedError

    def path(self):
        return demand(self.program, self.package)


class Siege(Tool):
    """A thread per user over HTTP, cancelled at the end; a thread for signals, and one for the time."""

    name, program, package, service, counts = "siege", "/usr/bin/siege", "siege", Web, (1, 100, 500, 1000)

    def siege(self, service, count, scratch, path, *options):
        conf = os.path.join(scratch, "siegerc")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("limit = 2000\nverbose = false\ncolor = off\ntimestamp = false\nparser = false\n"
                       "protocol = HTTP/1.1\nconnection = keep-alive\n")
        return [self.path(), "-R", conf, "-b", "-q", "-j", "-c", str(count), *options,
                f"http://127.0.0.1:{service.port}{path}"]

    @staticmethod
    def turns(count):
        return 1000 if count == 1 else 5000 // count

    def command(self, service, count, scratch):
        return self.siege(service, count, scratch, "/0/100/siege", "-r", str(self.turns(count)))

    def slow_command(self, service, count, scratch):
        return self.siege(service, count, scratch, f"/{PONDER_MS}/100/siege", "-r", "1")

    def endless_command(self, service, count, scratch):
        return self.siege(service, count, scratch, "/10/100/siege", "-t", "60S")

    def expected(self, count):
        return self.turns(count) * count

    def figures(self, result, service, count, scratch):
        # It may say before that it has made itself a configuration.
        text = result.stdout.decode()
        seen = json.loads(text[text.find("{"):] or "{}")
        if seen["transactions"] != seen["successful_transactions"]:
            raise Failure(f"{seen['successful_transactions']} of {seen['transactions']} were successful", result)
        return seen["transactions"], seen["failed_transactions"]


class Mysqlslap(Tool):
    """A thread per client; the server counts its questions."""

    name, program, package, service = "mysqlslap", "/usr/bin/mysqlslap", "mariadb-client", MariaDB

    def slap(self, service, count, query, queries):
        return [self.path(), "--no-defaults", f"--socket={service.place}", "--user=root", f"--concurrency={count}",
                f"--number-of-queries={queries}", f"--query={query}", "--create-schema=slap",
                "--no-drop", "--csv"]

    def answered(self, service):
        return int(mariadb(service, "show global status like 'Com_select'").split()[1])

    def prepare(self, service, count):
        mariadb(service, "create database if not exists slap")
        self.before = self.answered(service)

    def command(self, service, count, scratch):
        return self.slap(service, count, "select 6 * 7", self.expected(count))

    def slow_command(self, service, count, scratch):
        return self.slap(service, count, f"select sleep({PONDER_MS / 1000})", count)

    def endless_command(self, service, count, scratch):
        return self.slap(service, count, "select sleep(0.01)", 1000000)

    def expected(self, count):
        return max(2000, 20 * count)

    def figures(self, result, service, count, scratch):
        each = int(result.stdout.split(b",")[-1])
        answered = self.answered(service) - self.before
        if answered != each * count:
            raise Failure(f"the server has answered {answered} questions, the tool says {each * count}", result)
        return answered, 0


class Sysbench(Tool):
    """Threads in C that take events from one counter, in one of its own tests."""

    program, package, counts = "/usr/bin/sysbench", "sysbench", (1, 100, 500, 1000)

    def __init__(self, test, *options, events=None):
        self.test, self.options, self.events = test, options, events
        self.name = f"sysbench-{os.path.basename(test).removesuffix('.lua')}"

    def sysbench(self, count, *options):
        return [self.path(), self.test, *self.options, f"--threads={count}", *options, "run"]

    def command(self, service, count, scratch):
        limit = [f"--events={self.events}"] if self.events else []
        return self.sysbench(count, *limit, "--time=0")

    def endless_command(self, service, count, scratch):
        return self.sysbench(count, "--events=0", "--time=60")

    def expected(self, count):
        return self.events or count

    def figures(self, result, service, count, scratch):
        return number_in(r"total number of events: +(\d+)", result.stdout.decode()), 0


class SysbenchSql(Sysbench):
    """A Lua state in each thread, and a connection to MariaDB."""

    service, counts = MariaDB, (1, 100, 500)
    tables = 2

    def database(self, service):
        return ["--db-driver=mysql", f"--mysql-socket={service.place}", "--mysql-user=root", "--mysql-db=bench",
                f"--tables={self.tables}", "--table-size=1000", "--mysql-storage-engine=MyISAM"]

    def prepare(self, service, count):
        mariadb(service, "drop database if exists bench; create database bench")
        output_of(self.path(), self.test, *self.database(service), "prepare")

    def command(self, service, count, scratch):
        return self.sysbench(count, *self.database(service), f"--events={self.expected(count)}", "--time=0")

    def endless_command(self, service, count, scratch):
        return self.sysbench(count, *self.database(service), "--events=0", "--time=60")

    def slow_command(self, service, count, scratch):
        script = os.path.join(scratch, "ponder.lua")
        with open(script, "w", encoding="utf-8") as file:
            file.write("function thread_init() connection = sysbench.sql.driver():connect() end\n"
                       f"function event() connection:query('select sleep({PONDER_MS / 1000})') end\n"
                       "function thread_done() connection:disconnect() end\n")
        return [self.path(), script, *self.database(service)[:4], f"--threads={count}", f"--events={count}", "--time=0",
                "run"]

    def figures(self, result, service, count, scratch):
        text = result.stdout.decode()
        lost = number_in(r"ignored errors: +(\d+)", text) + number_in(r"reconnects: +(\d+)", text)
        return number_in(r"total number of events: +(\d+)", text), lost


class Pgbench(Tool):
    """A thread per connection, one of them main, and barriers; the table of history has a row for each transaction."""

    name, program, package, service = "pgbench", "/usr/lib/postgresql/*/bin/pgbench", "postgresql", Postgres

    def created(self, count):
        return count - 1

    def pgbench(self, service, *options):
        return [self.path(), "-h", service.place, "-p", str(service.port), "-U", "tester", *options, "postgres"]

    def prepare(self, service, count):
        output_of(*self.pgbench(service, "-i", "-q"))

    def command(self, service, count, scratch):
        return self.pgbench(service, "-n", "-N", "-c", str(count), "-j", str(count), "-t", str(self.turns(count)))

    def endless_command(self, service, count, scratch):
        return self.pgbench(service, "-n", "-S", "-c", str(count), "-j", str(count), "-T", "60")

    def slow_command(self, service, count, scratch):
        script = os.path.join(scratch, "ponder.sql")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"select pg_sleep({PONDER_MS / 1000});\n")
        return self.pgbench(service, "-n", "-f", script, "-c", str(count), "-j", str(count), "-t", "1")

    @staticmethod
    def turns(count):
        return max(2, 1000 // count)

    def expected(self, count):
        return self.turns(count) * count

    def figures(self, result, service, count, scratch):
        text = result.stdout.decode()
        rows = int(output_of(demand("/usr/bin/psql", "postgresql"), "-h", service.place, "-p", str(service.port), "-U",
                             "tester", "-At", "-c", "select count(*) from pgbench_history", "postgres"))
        done = number_in(r"transactions actually processed: (\d+)/", text)
        if rows != done:
            raise Failure(f"{rows} rows of history after {done} transactions", result)
        return done, number_in(r"failed transactions: (\d+)", text)


class Iperf(Tool):
    """A thread per connection, and one that reports.  The sink knows what came."""

    name, program, package, service = "iperf", "/usr/bin/iperf", "iperf", Sink
    size = 1 << 20

    def iperf(self, service, count, *options):
        return [self.path(), "-c", "127.0.0.1", "-p", str(service.port), "-P", str(count), *options]

    def prepare(self, service, count):
        service.counts.clear()

    def command(self, service, count, scratch):
        return self.iperf(service, count, "-n", str(self.size))

    def short_command(self, service, count, scratch):
        return self.iperf(service, count, "-n", "100K")

    def endless_command(self, service, count, scratch):
        return self.iperf(service, count, "-t", "60")

    def expected(self, count):
        return count

    def figures(self, result, service, count, scratch):
        deadline = time.monotonic() + 10
        while len(service.counts) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        whole = service.counts.count(self.size)
        # There is a line for each connection that says what it moved, and one for all.
        lines = len(re.findall(rb"^\[ *\d+\] .* 1\.00 MBytes ", result.stdout, re.MULTILINE))
        if lines != count:
            raise Failure(f"{lines} of {count} connections are reported", result)
        return whole, len(service.counts) - whole


class Wget2(Tool):
    """A pool of threads that fetch files."""

    name, program, package, service, counts = "wget2", "/usr/bin/wget2", "wget2", Web, (1, 100, 500, 1000)

    def wget2(self, service, count, scratch, paths):
        urls = os.path.join(scratch, "urls")
        with open(urls, "w", encoding="utf-8") as file:
            file.writelines(f"http://127.0.0.1:{service.port}{path}\n" for path in paths)
        return [self.path(), "-q", f"--max-threads={count}", "-P", os.path.join(scratch, "got"), "-i", urls]

    def paths(self, count):
        return [f"/20/{1000 + 10 * number}/file{number}" for number in range(self.expected(count))]

    def command(self, service, count, scratch):
        return self.wget2(service, count, scratch, self.paths(count))

    def slow_command(self, service, count, scratch):
        return self.wget2(service, count, scratch, [f"/{PONDER_MS}/100/file{number}" for number in range(count)])

    def endless_command(self, service, count, scratch):
        return self.wget2(service, count, scratch, [f"/3000/100/file{number}" for number in range(count)])

    def expected(self, count):
        return 20 if count == 1 else 2 * count

    def figures(self, result, service, count, scratch):
        paths = self.paths(count)
        wrong = sum(read_file(os.path.join(scratch, "got", os.path.basename(path))) != content(path) for path in paths)
        return len(os.listdir(os.path.join(scratch, "got"))), wrong


class Axel(Tool):
    """A thread per part of one file, which main joins when a lock of theirs can be had.  Parts have 100 KB at least."""

    name, program, package, service = "axel", "/usr/bin/axel", "axel", Web

    @staticmethod
    def file(count):
        return f"/20/{10000000 + 110000 * count}/large"

    def command(self, service, count, scratch):
        return [self.path(), "-q", "-n", str(count), "-o", os.path.join(scratch, "large"),
                f"http://127.0.0.1:{service.port}{self.file(count)}"]

    def expected(self, count):
        return 1

    def figures(self, result, service, count, scratch):
        return 1, int(read_file(os.path.join(scratch, "large")) != content(self.file(count)))


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


# ---- one run ----

class Gauge:
    """Looks at a process until it ends, and may send it a signal in between."""

    def __init__(self, number=None):
        self.number, self.tasks, self.memory, self.thread = number, 0, 0, None

    def __call__(self, pid):
        self.thread = threading.Thread(target=self.look, args=(pid,), daemon=True)
        self.thread.start()

    def look(self, pid):
        due = time.monotonic() + SIGNAL_AFTER
        while self.sample(pid):
            if self.number and time.monotonic() >= due:
                os.kill(pid, self.number)
                self.number = None
            time.sleep(0.01)

    def sample(self, pid):
        """False once it has ended; a process that is not waited for yet has no memory."""
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                status = dict(line.split(":", 1) for line in file)
        except OSError:
            return False
        if "VmHWM" not in status:
            return False
        self.tasks = max(self.tasks, int(status["Threads"]))
        self.memory = max(self.memory, int(status["VmHWM"].split()[0]))
        return True


class Hung(Failure):
    """It did not end in its time."""


class Session:
    """A run of a tool: its result, and what it cost."""

    def __init__(self, kind, tool, count, green, number=None):
        self.scratch = tempfile.mkdtemp(prefix="tool-")
        try:
            self.go(kind, tool, count, green, number)
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def go(self, kind, tool, count, green, number):
        service = SERVICES.get(tool.service)
        tool.prepare(service, count)
        command = getattr(tool, kind)(service, count, self.scratch)
        gauge, before = Gauge(number), resource.getrusage(resource.RUSAGE_CHILDREN)
        self.result = run(command, RUN_LIMIT, self.environment(), green, watch=gauge)
        gauge.thread.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.tasks, self.memory = gauge.tasks, gauge.memory
        self.judge(tool, count, green)
        if kind == "command":
            if self.result.status != 0:
                raise Failure(f"{'green' if green else 'natively'} it ends with {self.result.status}", self.result)
            self.figures = tool.figures(self.result, service, count, self.scratch)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GREEN_", "LD_"))}
        return {**env, "HOME": self.scratch, "NO_PROXY": "*", "LC_ALL": "C"}

    def judge(self, tool, count, green):
        if self.result.hang:
            raise Hung(f"{tool.name} hangs {'green' if green else 'natively'}", self.result)
        if not green:
            return
        check_stats(self.result, tool.created(count))
        if self.tasks > MOST_TASKS:
            raise Failure(f"{self.tasks} kernel threads, at most {MOST_TASKS} expected", self.result)


# ---- the cases ----

def compare_ends(native, green):
    """Both end alike, and neither complains unless both do."""
    if green.result.status != native.result.status:
        raise Failure(f"it ends with {green.result.status}, natively with {native.result.status}", green.result)
    if green.result.stderr and not native.result.stderr:
        raise Failure("it complains, natively it does not", green.result)


class Work(Case):
    """The same work natively and green, and a row of the table."""

    rows = []

    def __init__(self, tool, count):
        super().__init__(f"{tool.name}.{count}_threads")
        self.tool, self.count, self.note = tool, count, ""

    def run(self, options):
        native = self.session(None)
        if options.native_only:
            return
        for _ in range(options.repeat or 1):
            green = self.session(options.green)
            compare_ends(native, green)
            self.note = (f"{native.tasks} -> {green.tasks} kernel threads, {native.memory} -> {green.memory} KB, "
                         f"{native.cpu:.2f} -> {green.cpu:.2f} s of CPU, {green.figures[0]} operations")
        self.rows.append((self.tool.name, self.count, native, green))

    def session(self, green):
        session = Session("command", self.tool, self.count, green)
        if session.figures != (self.tool.expected(self.count), 0):
            raise Failure(f"{'green' if green else 'natively'} it ends after {session.figures[0]} operations and "
                          f"{session.figures[1]} errors, where {self.tool.expected(self.count)} were asked for",
                          session.result)
        return session


class Pondering(Case):
    """All threads ask at once, and the server takes its time: they must not wait in turn."""

    def __init__(self, tool, count):
        super().__init__(f"{tool.name}.{count}_threads_slow")
        self.tool, self.count, self.note = tool, count, ""

    def run(self, options):
        native = Session("slow_command", self.tool, self.count, None)
        if options.native_only:
            return
        for _ in range(options.repeat or 1):
            green = Session("slow_command", self.tool, self.count, options.green)
            compare_ends(native, green)
            self.note = f"{native.result.seconds:.2f} -> {green.result.seconds:.2f} s"
            if green.result.seconds > native.result.seconds + SLOW_LIMIT:
                raise Failure(f"the threads wait for one another: {self.note}", green.result)


class Signalled(Case):
    """A signal in the midst of the work ends it alike.

    siege cancels its threads wherever they are, which natively, too, may now and then leave one of its locks locked for
    ever.  So a run that hangs is made once more, in either mode, and told.
    """

    TRIES = 3

    def __init__(self, tool, count, number):
        super().__init__(f"{tool.name}.{number.name}")
        self.tool, self.count, self.number, self.note, self.hung = tool, count, number, "", ""

    def run(self, options):
        native = self.session(None)
        if options.native_only:
            return
        for _ in range(options.repeat or 1):
            green = self.session(options.green)
            compare_ends(native, green)
            self.note = (f"status {green.result.status}, after {native.result.seconds - SIGNAL_AFTER:.2f} -> "
                         f"{green.result.seconds - SIGNAL_AFTER:.2f} s{self.hung}")

    def session(self, green):
        for left in reversed(range(self.TRIES)):
            try:
                session = Session("endless_command", self.tool, self.count, green, self.number)
                break
            except Hung:
                self.hung += f", hung {'green' if green else 'natively'}"
                if not left:
                    raise
        if session.result.seconds < SIGNAL_AFTER:
            raise Failure(f"it did not wait for the signal, and ends with {session.result.status}", session.result)
        if session.result.seconds > SIGNAL_AFTER + SIGNAL_LIMIT:
            raise Failure(f"it outlives the signal by {session.result.seconds - SIGNAL_AFTER:.1f} s", session.result)
        return session


class Together(Case):
    """Threads that a barrier lets go start at about the same time.

    iperf relies on it: it crashes if the first of them has sent everything before another has begun, natively once in
    dozens of runs on a busy machine, and in every other run if the last at the barrier runs far ahead.
    """

    RUNS, ENOUGH = 10, 8

    def __init__(self, tool, count):
        super().__init__(f"{tool.name}.{count}_threads_together")
        self.tool, self.count, self.note = tool, count, ""

    def run(self, options):
        if options.native_only:
            raise Skip("natively it is a matter of luck")
        ends = [Session("short_command", self.tool, self.count, options.green).result.status for _ in range(self.RUNS)]
        self.note = f"{ends.count(0)} of {self.RUNS}"
        if ends.count(0) < self.ENOUGH:
            raise Failure(f"the runs end with {ends}")


HEAD = """| program | threads | kernel threads | RSS, MB | kernel stacks, MB | CPU, s | operations | errors |
|---|---|---|---|---|---|---|---|
"""


def row(name, count, native, green):
    """Natively -> green, in each column."""
    def both(text):
        return f"{text(native)} → {text(green)}"
    columns = (both(lambda s: s.tasks), both(lambda s: f"{s.memory / 1024:.1f}"),
               both(lambda s: f"{s.tasks * KERNEL_STACK_KB / 1024:.2f}"), both(lambda s: f"{s.cpu:.2f}"),
               both(lambda s: s.figures[0]), both(lambda s: s.figures[1]))
    return f"| {name} | {count} | " + " | ".join(columns) + " |\n"


def write_table(path):
    text = HEAD + "".join(row(*each) for each in Work.rows)
    print("\n" + text)
    with open(path, "w", encoding="utf-8") as file:
        file.write("Natively → under `green run`, one after the other on the same machine, as is the server, which is\n"
                   "native.  Kernel threads and RSS are the highest seen; a kernel stack takes "
                   f"{KERNEL_STACK_KB} KB.\n\n" + text)


def tools():
    return (Siege(), Mysqlslap(), Sysbench("cpu", "--cpu-max-prime=1000", events=20000),
            Sysbench("threads", "--thread-yields=20", "--thread-locks=4", events=5000),
            Sysbench("mutex", "--mutex-num=16", "--mutex-locks=500", "--mutex-loops=100"),
            Sysbench("memory", "--memory-block-size=16K", "--memory-total-size=1000M", events=64000),
            SysbenchSql("/usr/share/sysbench/oltp_read_only.lua", events=1000),
            SysbenchSql("/usr/share/sysbench/oltp_update_index.lua", events=5000),
            Pgbench(), Iperf(), Wget2(), Axel())


def cases(_options):
    raise_descriptor_limit()
    for tool in tools():
        for count in tool.counts:
            yield Work(tool, count)
    oltp = SysbenchSql("/usr/share/sysbench/oltp_read_only.lua")
    for tool in (Siege(), Mysqlslap(), oltp, Pgbench(), Wget2()):
        yield Pondering(tool, 500)
    yield Together(Iperf(), 30)
    for tool in (Siege(), Mysqlslap(), Sysbench("threads"), oltp, Pgbench(), Iperf(), Wget2()):
        for number in (signal.SIGINT, signal.SIGTERM):
            yield Signalled(tool, 100, number)


def main():
    with SERVICES:
        status = main_with(cases)
    if Work.rows:
        write_table("programs-tools.md")
    return status


if __name__ == "__main__":
    sys.exit(main())
