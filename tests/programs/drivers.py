#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""drivers.py - client libraries that block, each in hundreds of threads, against real servers, natively and green

One question that the server ponders for 100 ms is asked by all threads at once: they must not wait in turn.  Then
comes a crowd of short ones.  Every answer is compared.  The figures are the times that the program itself measured.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
from harness import Case, Failure, Skip, check_stats, main_with, raise_descriptor_limit, run  # noqa: E402
from origins import SITE, Web  # noqa: E402
from services import demand, MariaDB, Postgres, RedisServer, TlsOrigin  # noqa: E402

PYTHON = "/usr/bin/python3"
FAST = "--fast" in sys.argv
PONDER_MS = 100
RUN_LIMIT = 60
# All threads' questions together, where one after the other 200 of them take 20 s.
SLOW_LIMIT_MS = 3000


# ---- the programs ----

class Python:
    """crew.py with one of its drivers."""

    most = 500

    def __init__(self, module, package):
        self.name, self.module, self.package = f"python-{module}", module, package

    def command(self, _scratch):
        seen = subprocess.run([PYTHON, "-c", f"import {self.module}"], check=False, capture_output=True)
        if seen.returncode:
            raise Skip(f"Debian's package {self.package} is not installed")
        return [PYTHON, os.path.join(HERE, "crew.py"), self.module]


class Grpc(Python):
    """A server and its callers on a library with an event loop and threads of its own."""

    def command(self, scratch):
        return [super().command(scratch)[0], os.path.join(HERE, "grpc_crew.py")]


class Script:
    """crew.c in another language."""

    def __init__(self, name, interpreter, script, package, most):
        self.name, self.interpreter, self.script, self.package, self.most = name, interpreter, script, package, most

    def command(self, _scratch):
        return [demand(self.interpreter, self.package), os.path.join(HERE, self.script)]


class Compiled:
    """crew.c with one of the files that call a library; compiled here, for most machines lack some library."""

    most = 500

    def __init__(self, name, config, package):
        self.name, self.config, self.package = name, config, package

    def flags(self):
        seen = subprocess.run(["pkg-config", "--cflags", "--libs", self.config], check=False, capture_output=True,
                              text=True)
        if seen.returncode:
            raise Skip(f"Debian's package {self.package} is not installed")
        return shlex.split(seen.stdout)

    def command(self, scratch):
        flags = self.flags()
        program = os.path.join(scratch, self.name)
        compiler = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, *self.sources()]
        made = subprocess.run(compiler + flags, check=False, capture_output=True, text=True)
        if made.returncode or made.stderr:
            raise Failure(f"{self.name} does not compile: {made.stderr[-1000:]}")
        return [program]

    def sources(self):
        return [os.path.join(HERE, f"crew_{self.name}.c"), os.path.join(HERE, "crew.c")]


class Rings(Compiled):
    """A program on its own."""

    def sources(self):
        return [os.path.join(HERE, f"{self.name}.c")]


# ---- the cases ----

# L1, U2, CK28: drivers of databases and libraries of clients, many threads at once
class Crew(Case):
    """COUNT threads that ask TURNS times, natively and green."""

    def __init__(self, service, program, count, turns, ms):
        super().__init__(f"{program.name}.{count}_threads_{'slow' if ms else 'short'}")
        self.service, self.program, self.count, self.turns, self.ms, self.note = service, program, count, turns, ms, ""

    def run(self, options):
        scratch = tempfile.mkdtemp(prefix="crew-")
        try:
            command = self.program.command(scratch)
            with self.service() as service:
                command += map(str, (self.count, self.turns, self.ms, service.port, service.place))
                self.compare(command, options)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def compare(self, command, options):
        native = self.times(self.session(command, None))
        self.note = f"native: {native[0]}"
        if options.native_only:
            return
        for _ in range(options.repeat or 1):
            result = self.session(command, options.green)
            check_stats(result, self.count)
            text, asked = self.times(result)
            self.note = f"native: {native[0]}; green: {text}"
            if self.ms and asked > SLOW_LIMIT_MS + native[1]:
                raise Failure(f"the threads wait for one another: {asked} ms for answers of {self.ms} ms", result)

    def session(self, command, green):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GREEN_", "LD_"))}
        env["NO_PROXY"] = "*"
        result = run(command, RUN_LIMIT, env, green)
        expected = f"{self.count * self.turns} right, 0 wrong, 0 without a connection\n".encode()
        if result.stdout != expected or result.status != 0:
            raise Failure(f"{'green' if green else 'natively'} it ends with {result.status}", result, expected)
        return result

    @staticmethod
    def times(result):
        text = result.stderr.decode().strip()
        found = re.fullmatch(r"connected (\d+) ms, asked (\d+) ms", text)
        if not found:
            raise Failure(f"more on stderr than the times: {text[-500:]}", result)
        return text, int(found.group(2))


class Crawl(Case):
    """Threads that fetch a site by one queue, on their own or at the head of a shell's pipeline."""

    def __init__(self, count, pipeline=""):
        super().__init__(f"crawler{'_in_a_pipeline' if pipeline else ''}.{count}_threads")
        self.count, self.pipeline = count, pipeline

    def run(self, options):
        with Web() as service:
            command = [PYTHON, os.path.join(HERE, "crawler.py"), str(self.count), str(service.port)]
            if self.pipeline:
                command = ["/bin/sh", "-c", f"{shlex.join(command)} | {self.pipeline}"]
            native = run(command, RUN_LIMIT)
            if native.status != 0 or native.stderr or (not self.pipeline and len(native.stdout.splitlines()) < SITE):
                raise Failure(f"natively it ends with {native.status}", native)
            if options.native_only:
                return
            for _ in range(options.repeat or 1):
                self.compare(native, run(command, RUN_LIMIT, None, options.green))

    def compare(self, native, result):
        check_stats(result, 0)
        created = [stats["created"] for stats in result.stats.values() if stats["created"]]
        if max(created) < self.count or len(created) < (3 if self.pipeline else 1):
            raise Failure(f"the processes have made {created} green pthreads", result)
        if (result.status, result.stdout, result.stderr) != (0, native.stdout, b""):
            raise Failure(f"green it ends with {result.status}", result, native.stdout)


class Libaio(Rings):
    """Linked with the library alone, which has no file for pkg-config; others bring it with them."""

    def flags(self):
        demand("/usr/lib/*/libaio.so.1", self.package)
        return ["-l:libaio.so.1"]


class Alone(Case):
    """A program that needs no server and says by itself what is wrong; THREADS of it wait for one another's doings."""

    def __init__(self, program, threads):
        super().__init__(program.name)
        self.program, self.threads = program, threads

    def run(self, options):
        scratch = tempfile.mkdtemp(prefix="alone-")
        try:
            command = self.program.command(scratch)
            native = run(command, RUN_LIMIT)
            if native.status != 0:
                raise Skip(f"natively it ends with {native.status}: {native.stdout.decode(errors='replace')[:200]}")
            if options.native_only:
                return
            for _ in range(options.repeat or 1):
                result = run(command, RUN_LIMIT, None, options.green)
                check_stats(result, self.threads)
                if (result.status, result.stdout) != (0, native.stdout):
                    raise Failure(f"green it ends with {result.status}", result, native.stdout)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


PROGRAMS = (
    (Postgres, Python("psycopg2", "python3-psycopg2")),
    (Postgres, Compiled("libpq", "libpq", "libpq-dev")),
    (RedisServer, Python("redis", "python3-redis")),
    (RedisServer, Compiled("hiredis", "hiredis", "libhiredis-dev")),
    (MariaDB, Python("MySQLdb", "python3-mysqldb")),
    (MariaDB, Compiled("mariadb", "libmariadb", "libmariadb-dev")),
    (TlsOrigin, Python("http.client", "python3")),
    (TlsOrigin, Python("requests", "python3-requests")),
    (TlsOrigin, Compiled("curl", "libcurl", "libcurl4-openssl-dev")),
    (TlsOrigin, Script("ruby-net-http", "/usr/bin/ruby", "crew.rb", "ruby", 200)),
    # Each thread is a whole interpreter.
    (Web, Script("perl-http-tiny", "/usr/bin/perl", "crew.pl", "perl", 200)),
)
# What comes behind the crawler: programs with threads, and the shell's own.
PIPELINE = """perl -Mthreads -ne 'push @lines, uc;
    END { print threads->create({ context => "list" }, sub { return @lines })->join }' | \\
    ruby -e 'puts STDIN.each_line.map { |line| Thread.new { line.chomp.reverse } }.map(&:value)' | \\
    sort | while read -r line; do echo "$line"; done | sha256sum"""


def cases(_options):
    raise_descriptor_limit()
    yield Alone(Rings("rings", "liburing", "liburing-dev"), 20)
    yield Alone(Libaio("aio", None, "libaio1"), 8)
    # U3: the client's own threads
    yield Alone(Rings("kafka", "rdkafka", "librdkafka-dev"), 10)
    # U1: the library's own loop
    yield Alone(Grpc("grpc", "python3-grpcio"), 40)
    if not FAST:
        yield Crawl(100)
        yield Crawl(500)
        yield Crawl(100, PIPELINE)
    for service, program in PROGRAMS:
        yield Crew(service, program, 200, 1, PONDER_MS)
        if FAST:
            continue
        yield Crew(service, program, 100, 50, 0)
        if program.most >= 500:
            yield Crew(service, program, 500, 1, PONDER_MS)
            yield Crew(service, program, 500, 10, 0)


if __name__ == "__main__":
    if FAST:
        sys.argv.remove("--fast")
    sys.exit(main_with(cases))
