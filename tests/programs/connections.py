#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""connections.py - thread-per-connection servers that others wrote, natively and under `green run` side by side

Each is started with 1, 100 and 1,000 connections; every byte of every answer is compared, SIGTERM must end it alike, no
kernel thread may be left over, and what it costs is two rows of a table, which is printed and written to
programs-connections.md in the current directory.  With --fast some of them are started with 100 connections.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from connections_kinds import IN_CHECK, KINDS, compiled, java_command  # noqa: E402
from harness import (Case, Failure, check_stats, describe_tasks, main_with,  # noqa: E402
                     raise_descriptor_limit, read_proc, run)
from servers import Server  # noqa: E402
from speech import Line  # noqa: E402

FAST = "--fast" in sys.argv
COUNTS = (100,) if FAST else (1, 100, 1000)
TURNS = {1: 5000, 100: 300, 1000: 30}
KERNEL_STACK_KB = 16
SETTLING = 15
# It makes 72 threads itself.
JAVA_LIMIT, JAVA_THREADS = 60, 72
ROUNDS = 1 if FAST else 3


# ---- the client ----

class Talk:
    """How talk.c is compiled."""

    compiler, source, flags = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2"], "talk.c", "-Wall -Wextra -lssl -lcrypto"
    package, needs = "libssl-dev", "/usr/include/openssl/ssl.h"


class Client:
    """The process that talks, or the origin behind a proxy."""

    def __init__(self, options, *arguments, descriptors=()):
        self.process = subprocess.Popen([compiled(Talk, options), *arguments, *map(str, descriptors)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, pass_fds=descriptors)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"the client ends with {self.process.wait()}: {self.process.stderr.read()}")
        return line.strip()

    def end(self):
        self.process.kill()
        self.process.communicate()


# ---- one server with its connections ----

def numbers_of(text, *names):
    """The numbers behind NAMES in a file of /proc."""
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return [int(found[name].split()[0]) for name in names]


class Session:
    """A server's life with COUNT connections: what it costs, and with which status it ends."""

    def __init__(self, server, count, options):
        self.server, self.count, self.options, self.lines = server, count, options, []
        self.pid, self.speech = server.process.pid, server.speech
        self.turns = max(1, int(TURNS[count] * server.kind.pace))
        self.tasks, self.loads, self.complaint = 0, [], ""

    def open(self):
        """One after the other, each with an answer, for a short queue of connections overflows natively, too."""
        for number in range(self.count):
            line = Line(self.server.kind.address(self.server))
            self.lines.append(line)
            if self.speech.tls:
                continue
            self.speech.greet(line, number)
            question, answer = self.speech.question(number, 0), self.speech.answer(number, 0)
            line.say(question)
            if not self.same(answer, line.hear(len(answer))):
                raise Failure(f"connection {number} has a wrong first answer")
        if not self.speech.tls:
            self.look_at_memory()

    def same(self, answer, seen):
        at, size = self.speech.free(answer)
        return answer[:at] == seen[:at] and answer[at + size:] == seen[at + size:]

    def close(self):
        for line in self.lines:
            line.socket.close()
        self.lines = []

    def look_at_memory(self):
        self.settle()
        self.tasks = self.server.tasks()
        self.resident, self.tables = numbers_of(read_proc(f"/proc/{self.pid}/status"), "VmRSS", "VmPTE")

    def settle(self):
        """Helpers that no call needs leave after a while."""
        time.sleep(0.2)
        end = time.monotonic() + SETTLING
        while self.server.green and self.server.tasks() > 1 + self.server.kind.helpers:
            if time.monotonic() > end:
                raise Failure(f"kernel threads are left over:\n{describe_tasks(self.pid)}")
            time.sleep(0.1)

    def load(self):
        if self.speech.tls and self.loads:
            # What was agreed on is lost with the client that did.
            self.close()
            self.open()
        path = self.server.path("script")
        with open(path, "wb") as file:
            file.write(self.speech.script(self.count, len(self.loads) * self.turns + 1, self.turns))
        client = Client(self.options, *(["--tls"] if self.speech.tls else []), path,
                        descriptors=[line.socket.fileno() for line in self.lines])
        try:
            self.measure(client)
        finally:
            client.end()
        os.unlink(path)

    def measure(self, client):
        client.line()
        if not self.tasks:
            self.look_at_memory()
        before = self.spent()
        client.process.stdin.write("\n")
        client.process.stdin.flush()
        load = json.loads(client.line())
        cpu, waits = (now - then for now, then in zip(self.spent(), before))
        if self.server.green:
            self.server.check_shim(10 if self.server.kind.pool else self.count)
        answers = max(1, load["answers"])
        load.update(cpu=cpu / answers * 1e6, waits=waits / answers, speed=load["answers"] / load["seconds"])
        self.loads.append(load)
        if load["wrong"] or load["missing"]:
            self.complaint = client.process.stderr.read()

    def spent(self):
        """Seconds of the processor, from the process's own clock, for /proc knows hundredths; and voluntary waits."""
        waits = (numbers_of(read_proc(f"/proc/{self.pid}/task/{task}/status"), "voluntary_ctxt_switches")[0]
                 for task in os.listdir(f"/proc/{self.pid}/task"))
        return time.clock_gettime(~self.pid << 3 | 2), sum(waits)

    def median(self, name):
        return statistics.median(load[name] for load in self.loads)

    def total(self, name):
        return sum(load[name] for load in self.loads)

    def end(self):
        if self.server.kind.waits_for_clients:
            self.close()
            time.sleep(0.1)
        self.status = self.server.end(signal.SIGTERM, 20)
        if self.total("wrong") or self.total("missing"):
            raise Failure(f"{self.total('wrong')} answers are wrong, {self.total('missing')} missing: {self.complaint}")


# ---- the cases ----

@contextmanager
def told(green):
    """Says of each failure which of the two it is."""
    try:
        yield
    except (Failure, OSError) as failure:
        raise Failure(f"{'green' if green else 'natively'}: {failure}") from None


# CK28: servers of others, to the byte
class Comparison(Case):
    """One kind of server with COUNT connections, natively and green: both are there, and have their loads in turns."""

    rows, failed = [], []

    def __init__(self, kind, count):
        super().__init__(f"{kind.name.replace(', --', '-').replace(', ', '-').replace(' ', '_')}.{count}_connections")
        self.kind, self.count = kind, count

    def run(self, options):
        sessions = []
        try:
            self.compare(options, sessions)
        except Failure as failure:
            self.failed.append(f"{self.kind.name} with {self.count:,} connections, {str(failure).splitlines()[0]}")
            raise
        finally:
            if len(sessions) == 2 and all(session.loads for session in sessions):
                self.rows.append((self.kind.name, self.count, *sessions))

    def compare(self, options, sessions):
        speech = self.kind.speech()
        with ExitStack() as stack:
            for green in (False,) if options.native_only else (False, True):
                sessions.append(stack.enter_context(self.session(options, speech, green)))
            for each in sessions * ROUNDS:
                with told(each.server.green):
                    each.load()
            for each in sessions:
                with told(each.server.green):
                    each.end()
        if not options.native_only:
            self.judge(*sessions)

    def judge(self, native, green):
        self.note = (f"{native.tasks} -> {green.tasks} threads, {native.resident} -> {green.resident} KB, "
                     f"{native.median('cpu'):.1f} -> {green.median('cpu'):.1f} us a request, "
                     f"{native.median('p99'):.1f} -> {green.median('p99'):.1f} ms p99, ends with {green.status}")
        if native.status != green.status:
            raise Failure(f"SIGTERM ends it with {green.status}, natively with {native.status}")

    @contextmanager
    def session(self, options, speech, green):
        """A server with all its connections, and the origin behind it; both are gone in the end."""
        with ExitStack() as stack:
            with told(green):
                origin = Client(options, "--origin")
                stack.callback(origin.end)
                speech.origin = self.kind.origin = int(origin.line().rsplit(" ", 1)[1])
                server = Server(self.kind, options, green)
                stack.callback(server.clean_up)
                server.speech = speech
                server.wait_until_listening(30)
                session = Session(server, self.count, options)
                stack.callback(session.close)
                session.open()
            yield session


class JavaThreads(Case):
    """What else a virtual machine asks of threads; it has a dozen of its own.  Unless told otherwise it stays native."""

    def run(self, options):
        command = java_command("ThreadsJava", options)
        native, alone = run(command, JAVA_LIMIT), run(command, JAVA_LIMIT, green=options.green)
        if (alone.status, alone.stdout) != (native.status, native.stdout) or alone.stderr.count(b"\n") != 1:
            raise Failure("it does not stay native, with one line that says so", alone, native.stdout)
        green = run(command, JAVA_LIMIT, green=options.green, flags=("--carry",))
        check_stats(green, JAVA_THREADS)
        if native.status != 7 or (green.status, green.stdout) != (native.status, native.stdout):
            raise Failure(f"it ends with {green.status}, natively with {native.status}", green, native.stdout)


# ---- the table ----

COLUMNS = ("server", "connections", "", "kernel threads", "RSS, MB", "kernel stacks, MB", "page tables, MB",
           "CPU a request, us", "waits a request", "requests a second", "p50, ms", "p99, ms", "wrong", "missing",
           "ends with")

INTRO = """### Servers with a thread for each connection

All connections are open before the first request, then all are busy at once. The native server and the green one have
their loads in turns, {rounds} each, and the figures are medians.

{summary}

"""


def row(name, count, how, session):
    def megabytes(size):
        return f"{size / 1024:.1f}"
    cells = (name, f"{count:,}", how, f"{session.tasks:,}", megabytes(session.resident),
             f"{session.tasks * KERNEL_STACK_KB / 1024:.2f}", f"{session.tables / 1024:.2f}",
             f"{session.median('cpu'):.1f}", f"{session.median('waits'):.2f}", f"{session.median('speed'):,.0f}",
             f"{session.median('p50'):.2f}", f"{session.median('p99'):.2f}", str(session.total("wrong")),
             str(session.total("missing")), str(getattr(session, "status", "")))
    return "| " + " | ".join(cells) + " |\n"


def charged(session):
    return session.resident + session.tables + session.tasks * KERNEL_STACK_KB


def summary(count):
    """What the average server gains with COUNT connections, as a line of a list."""
    pairs = [(native, green) for _, connections, native, green in Comparison.rows if connections == count]
    if not pairs:
        return ""

    def ratio(value):
        return statistics.geometric_mean(value(green) / value(native) for native, green in pairs)
    return (f"- green against native with {count:,} connections, geometric mean of {len(pairs)} servers: "
            f"CPU a request x{ratio(lambda s: s.median('cpu')):.2f}, p99 x{ratio(lambda s: s.median('p99')):.2f}, "
            f"memory with kernel stacks and page tables x{ratio(charged):.2f}\n")


def table():
    text = INTRO.format(rounds=ROUNDS, summary="".join(summary(count) for count in COUNTS if count > 1).strip())
    text += "| " + " | ".join(COLUMNS) + " |\n| :-- | --: | :-- |" + " --: |" * (len(COLUMNS) - 3) + "\n"
    for name, count, native, green in Comparison.rows:
        text += row(name, count, "native", native) + row(name, count, "green", green)
    return text + "".join(f"\n- Failed: {line}\n" for line in Comparison.failed)


def cases(_options):
    hard = raise_descriptor_limit()
    for make in IN_CHECK if FAST else KINDS:
        for count in COUNTS:
            if count <= make.most and count * 4 + 100 < hard:
                yield Comparison(make(), count)
    if not FAST:
        yield JavaThreads("Java.threads")


def main():
    if FAST:
        sys.argv.remove("--fast")
    status = main_with(cases)
    if Comparison.rows and not FAST:
        print("\n" + table())
        with open("programs-connections.md", "w", encoding="utf-8") as file:
            file.write(table())
    return status


if __name__ == "__main__":
    sys.exit(main())
