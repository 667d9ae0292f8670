#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""connections.py - thread-per-connection servers that others wrote, natively and under `green run` side by side

Each is started with 1, 100 and 1,000 connections; every byte of every answer is compared, SIGTERM must end it alike, no
kernel thread may be left over, and what it costs is two rows of a table: printed, and written to
programs-connections.md in the current directory.  With --fast some of them are started with 100 connections.
"""

import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from connections_kinds import IN_CHECK, KINDS, compiled  # noqa: E402
from harness import (Case, Failure, Skip, describe_tasks, main_with, raise_descriptor_limit, read_proc)  # noqa: E402
from servers import Server  # noqa: E402
from speech import Line  # noqa: E402

FAST = "--fast" in sys.argv
COUNTS = (100,) if FAST else (1, 100, 1000)
TURNS = {1: 5000, 100: 300, 1000: 30}
KERNEL_STACK_KB = 16
SETTLING = 15


# ---- the client ----

class Talk:
    """How talk.c is compiled."""

    compiler, source, flags = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2"], "talk.c", "-Wall -Wextra -lssl -lcrypto"
    package, needs = "libssl-dev", "/usr/include/openssl/ssl.h"


class Client:
    """The process that talks, or the origin behind a proxy."""

    def __init__(self, options, *arguments, descriptors=()):
        self.process = subprocess.Popen([compiled(Talk, options), *arguments, *map(str, descriptors)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        pass_fds=descriptors)

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

    def run(self):
        try:
            self.open()
            self.look_at_memory()
            self.load()
            if self.server.kind.waits_for_clients:
                self.close()
                time.sleep(0.1)
            self.status = self.server.end(signal.SIGTERM, 20)
        finally:
            self.close()

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

    def same(self, answer, seen):
        at, size = self.speech.free(answer)
        return answer[:at] == seen[:at] and answer[at + size:] == seen[at + size:]

    def close(self):
        for line in self.lines:
            line.socket.close()

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
        turns = max(1, int(TURNS[self.count] * self.server.kind.pace))
        path = self.server.path("script")
        with open(path, "wb") as file:
            file.write(self.speech.script(self.count, turns))
        client = Client(self.options, *(["--tls"] if self.speech.tls else []), path,
                        descriptors=[line.socket.fileno() for line in self.lines])
        try:
            self.measure(client)
        finally:
            client.end()
        os.unlink(path)

    def measure(self, client):
        client.line()
        if self.speech.tls:
            self.look_at_memory()
        before = self.spent()
        client.process.stdin.write("\n")
        client.process.stdin.flush()
        seen = json.loads(client.line())
        cpu, waits = (now - then for now, then in zip(self.spent(), before))
        if self.server.green:
            self.server.check_shim(10 if self.server.kind.pool else self.count)
        self.wrong, self.missing, self.p50, self.p99 = (seen[name] for name in ("wrong", "missing", "p50", "p99"))
        answers = max(1, seen["answers"])
        self.cpu, self.waits, self.speed = cpu / answers, waits / answers, seen["answers"] / seen["seconds"]
        if self.wrong or self.missing:
            self.complaint = client.process.stderr.read()

    def spent(self):
        """Seconds of the processor, from the process's own clock as /proc knows hundredths only, and voluntary waits."""
        waits = (numbers_of(read_proc(f"/proc/{self.pid}/task/{task}/status"), "voluntary_ctxt_switches")[0]
                 for task in os.listdir(f"/proc/{self.pid}/task"))
        return time.clock_gettime(~self.pid << 3 | 2), sum(waits)


# ---- the cases ----

class Comparison(Case):
    """One kind of server with COUNT connections, natively and green."""

    rows, failed = [], []

    def __init__(self, kind, count):
        super().__init__(f"{kind.name.replace(', ', '-').replace(' ', '_')}.{count}_connections")
        self.kind, self.count = kind, count

    def run(self, options):
        speech = self.kind.speech()
        native = self.session(options, speech, False)
        if options.native_only:
            return
        green = self.session(options, speech, True)
        self.rows.append((self.kind.name, self.count, native, green))
        self.note = (f"{native.tasks} -> {green.tasks} threads, {native.resident} -> {green.resident} KB, "
                     f"{native.cpu * 1e6:.0f} -> {green.cpu * 1e6:.0f} us a request, "
                     f"{native.p99:.1f} -> {green.p99:.1f} ms p99, ends with {green.status}")
        self.judge(native, green)

    def judge(self, native, green):
        for how, session in (("natively", native), ("green", green)):
            if session.wrong or session.missing:
                raise Failure(f"{how} {session.wrong} answers are wrong, {session.missing} missing: {session.complaint}")
        if native.status != green.status:
            raise Failure(f"SIGTERM ends it with {green.status}, natively with {native.status}")

    def session(self, options, speech, green):
        try:
            return self.talk(options, speech, green)
        except (Failure, OSError) as failure:
            if green:
                self.failed.append(f"{self.kind.name}, {self.count} connections: {str(failure).splitlines()[0]}")
            raise Failure(f"{'green' if green else 'natively'}: {failure}") from None

    def talk(self, options, speech, green):
        origin = Client(options, "--origin")
        server = None
        try:
            speech.origin = int(origin.line().rsplit(" ", 1)[1])
            self.kind.origin = speech.origin
            server = Server(self.kind, options, green)
            server.speech = speech
            server.wait_until_listening(30)
            session = Session(server, self.count, options)
            session.run()
            return session
        finally:
            if server:
                server.clean_up()
            origin.end()


# ---- the table ----

COLUMNS = ("server", "connections", "", "kernel threads", "RSS, MB", "kernel stacks, MB", "page tables, MB",
           "CPU a request, us", "waits a request", "requests a second", "p50, ms", "p99, ms", "wrong", "missing", "ends with")

INTRO = """### Servers with a thread for each connection

All connections are open before the first request, then all are busy at once; one client in C on the same {cores} cores
compares every byte of every answer.  Memory is read while all connections are idle.  CPU and voluntary waits are the
server's own.  After SIGTERM a process ends with its exit status, or the signal as a negative number.

"""


def row(name, count, how, session):
    def megabytes(size):
        return f"{size / 1024:.1f}"
    cells = (name, f"{count:,}", how, f"{session.tasks:,}", megabytes(session.resident),
             f"{session.tasks * KERNEL_STACK_KB / 1024:.2f}", f"{session.tables / 1024:.2f}", f"{session.cpu * 1e6:.1f}",
             f"{session.waits:.2f}", f"{session.speed:,.0f}", f"{session.p50:.2f}", f"{session.p99:.2f}", str(session.wrong),
             str(session.missing), str(session.status))
    return "| " + " | ".join(cells) + " |\n"


def table():
    text = INTRO.format(cores=len(os.sched_getaffinity(0)))
    text += "| " + " | ".join(COLUMNS) + " |\n| :-- | --: | :-- |" + " --: |" * (len(COLUMNS) - 3) + "\n"
    for name, count, native, green in Comparison.rows:
        text += row(name, count, "native", native) + row(name, count, "green", green)
    return text + "".join(f"\n- Failed green: {line}" for line in Comparison.failed)


def cases(_options):
    hard = raise_descriptor_limit()
    for make in IN_CHECK if FAST else KINDS:
        for count in COUNTS:
            if count <= make.most and count * 4 + 100 < hard:
                yield Comparison(make(), count)


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
