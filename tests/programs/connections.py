#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""connections.py - thread-per-connection servers that others wrote, natively and under `green run` side by side

Each is started with 1, 100 and 1,000 connections; every reply is compared, SIGTERM must end it alike, and what the
process costs is one row of a table: printed, and written to programs.md in the current directory.  With --fast some of
them are started with 100 connections.
"""

import asyncio
import glob
import os
import shlex
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "preload"))

# pylint: disable=wrong-import-position
import speech  # noqa: E402
from clients import clients_of, connect_handshake, origin_server  # noqa: E402
from harness import Case, Failure, Skip, main_with, raise_descriptor_limit  # noqa: E402
from servers import Kind, Server  # noqa: E402
from services import certificate, demand  # noqa: E402

FAST = "--fast" in sys.argv
COUNTS = (100,) if FAST else (1, 100, 1000)
ROUNDS = {1: 400, 100: 20, 1000: 5}
KERNEL_STACK_KB = 16


# ---- the kinds of servers ----

class Program(Kind):
    """A server that comes in a Debian package.  Some end only after their last client, some have a pool of threads."""

    chooses_port, at_a_time, most, pool, waits_for_clients = True, 8, 1000, False, False
    exchange = staticmethod(speech.small_echo)


class MariaDB(Program):
    """A thread for each connection, thirteen of its own, and InnoDB, here with its own asynchronous I/O."""

    name, aio = "mariadbd", 0
    handshake, exchange = staticmethod(speech.mysql_handshake), staticmethod(speech.mysql_exchange)

    def command(self, server, options):
        return [demand("/usr/sbin/mariadbd", "mariadb-server"), "--no-defaults", f"--datadir={server.directory}",
                "--user=root", "--skip-grant-tables", "--bind-address=127.0.0.1", f"--port={server.port}",
                f"--socket={server.path('socket')}", "--max-connections=2000", "--thread-handling=one-thread-per-connection",
                "--back-log=1000", f"--innodb-use-native-aio={self.aio}", "--innodb-buffer-pool-size=16M",
                "--skip-networking=0"]


class MariaDBUring(MariaDB):
    """The same with io_uring, on whose ring a thread of its own waits."""

    name, aio = "mariadbd-io_uring", 1


class Stunnel(Program):
    """TLS in front of the origin in this process."""

    name, handshake = "stunnel4", staticmethod(speech.tls_handshake)

    def command(self, server, options):
        program = demand("/usr/bin/stunnel4", "stunnel4")
        certificate(server.path("certificate"), server.path("key"))
        conf = ("foreground = yes\nsyslog = no\npid =\ndebug = 3\n[echo]\n"
                f"accept = 127.0.0.1:{server.port}\nconnect = 127.0.0.1:{self.origin}\n"
                f"cert = {server.path('certificate')}\nkey = {server.path('key')}\n")
        return [program, speech.path_in(server.directory, "conf", conf)]


class Nbdkit(Program):
    """A disk in memory; one thread serves a connection."""

    name, waits_for_clients = "nbdkit", True
    handshake, exchange = staticmethod(speech.nbd_handshake), staticmethod(speech.nbd_exchange)

    def command(self, server, options):
        return [demand("/usr/sbin/nbdkit", "nbdkit") if glob.glob("/usr/sbin/nbdkit") else
                demand("/usr/bin/nbdkit", "nbdkit"), "-f", "-o", "-t", "1", "-i", "127.0.0.1", "-p", str(server.port),
                "memory", "64M"]


class Svnserve(Program):
    """A pool of threads over APR, here as large as need be."""

    name = "svnserve"
    handshake, exchange = staticmethod(speech.svn_handshake), staticmethod(speech.svn_exchange)

    def command(self, server, options):
        program = demand("/usr/bin/svnserve", "subversion")
        subprocess.run(["/usr/bin/svnadmin", "create", server.path("repo")], check=True, timeout=30)
        return [program, "-d", "--foreground", "-T", "--max-threads", "2000", "--listen-host", "127.0.0.1",
                "--listen-port", str(server.port), "-r", server.directory]


class Rrdcached(Program):
    """Queues of updates, condition variables and files; SIGTERM is taken by a thread that waits for signals."""

    name = "rrdcached"
    handshake, exchange = staticmethod(speech.rrd_handshake), staticmethod(speech.rrd_exchange)

    def command(self, server, options):
        return [demand("/usr/bin/rrdcached", "rrdcached"), "-g", "-l", f"127.0.0.1:{server.port}", "-b",
                server.directory, "-p", server.path("pid"), "-R"]


class Privoxy(Program):
    """A proxy through which the clients tunnel to the origin."""

    name, handshake = "privoxy", staticmethod(connect_handshake)

    def command(self, server, options):
        conf = (f"listen-address 127.0.0.1:{server.port}\nmax-client-connections 2000\nlimit-connect 1-65535\n"
                f"confdir {server.directory}\nlogdir {server.directory}\nsocket-timeout 300\nlisten-backlog 1024\n"
                f"actionsfile none.action\n")
        speech.path_in(server.directory, "none.action", "")
        return [demand("/usr/sbin/privoxy", "privoxy"), "--no-daemon",
                speech.path_in(server.directory, "conf", conf)]


class Compiled(Program):
    """A short server on a library, compiled here; it says on which port it listens."""

    announces, chooses_port, compiler = r"listening on (\d+)\n", False, ["gcc", "-std=gnu11", "-O2"]
    source, package = "", ""

    def command(self, server, options):
        if not self.is_there():
            raise Skip(f"Debian's package {self.package} is not installed")
        program = os.path.join(options.build, "tests", "programs", self.source.rsplit(".", 1)[0])
        source = os.path.join(HERE, self.source)
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
            self.make(program, source)
        return [program]

    def make(self, program, source):
        made = subprocess.run([*self.compiler, "-o", program, source, *self.flags()], check=False,
                              capture_output=True, text=True)
        if made.returncode:
            raise Failure(f"{self.source} does not compile: {made.stderr[-1000:]}")

    def is_there(self):
        return True

    def flags(self):
        return []


class Microhttpd(Compiled):
    """GNU's HTTP library in its mode of a thread per connection."""

    name, source, package = "libmicrohttpd", "server_microhttpd.c", "libmicrohttpd-dev"
    handshake, exchange = staticmethod(speech.path_first), staticmethod(speech.path_exchange)

    def is_there(self):
        return os.path.exists("/usr/include/microhttpd.h")

    def flags(self):
        return shlex.split("-Wall -Wextra -pthread -lmicrohttpd")


class Asio(Compiled):
    """C++ threads over Asio's blocking sockets."""

    name, source, package, compiler = "asio", "server_asio.cpp", "libasio-dev", ["g++", "-std=c++20", "-O2"]

    def is_there(self):
        return os.path.exists("/usr/include/asio.hpp")

    def flags(self):
        return ["-Wall", "-Wextra", "-pthread"]


class Rust(Compiled):
    """Rust's own threads and sockets."""

    name, source, package, compiler = "rust", "server_rust.rs", "rustc", ["rustc", "--edition=2021", "-O"]

    def is_there(self):
        return os.path.exists("/usr/bin/rustc")


class Puma(Program):
    """Ruby: a reactor thread, and a pool that holds a thread for a request only."""

    name, most, pool = "puma", 100, True
    handshake, exchange = staticmethod(speech.path_first), staticmethod(speech.path_exchange)

    def command(self, server, options):
        program = demand("/usr/bin/puma", "puma")
        rack = "run lambda { |env| [200, {}, [env['PATH_INFO']]] }\n"
        return [program, "-q", "-b", f"tcp://127.0.0.1:{server.port}", "-t", "100:100", "-e", "production",
                speech.path_in(server.directory, "config.ru", rack)]


KINDS = (MariaDB, MariaDBUring, Stunnel, Nbdkit, Svnserve, Rrdcached, Privoxy, Microhttpd, Asio, Rust, Puma)
IN_CHECK = (Stunnel, Nbdkit, Microhttpd, Rust)


# ---- one row of the table ----

def cpu_seconds(pid):
    """What the whole process has used, from its own clock: /proc knows hundredths of seconds only."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_kb(pid):
    """Its share of what is resident: code that the other processes map counts little."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


class Session:
    """A server's life with COUNT connections: what it costs, and with which status it ends."""

    def __init__(self, server, count):
        self.server, self.count, self.latencies = server, count, []

    async def run(self):
        async with clients_of(self.server) as clients:
            await clients.open(self.count)
            await clients.exchange(0)
            await asyncio.sleep(0.2)
            self.tasks, self.memory = self.server.tasks(), resident_kb(self.server.process.pid)
            before = cpu_seconds(self.server.process.pid)
            rounds = ROUNDS[self.count]
            await clients.at_once(self.many(clients, number, rounds) for number in range(self.count))
            self.cpu = (cpu_seconds(self.server.process.pid) - before) / (rounds * self.count)
            self.judge()
            if self.server.kind.waits_for_clients:
                clients.close(range(self.count))
                await asyncio.sleep(0.1)
            self.status = self.server.end(signal.SIGTERM, 20)
        self.latencies.sort()

    def judge(self):
        if self.server.green:
            self.server.check_shim(10 if self.server.kind.pool else self.count)

    async def many(self, clients, number, rounds):
        for turn in range(1, rounds + 1):
            began = time.monotonic()
            if not await self.server.kind.exchange(clients.streams[number], number, turn):
                raise Failure(f"connection {number} has a wrong reply in turn {turn}")
            self.latencies.append(time.monotonic() - began)

    def percentile(self, part):
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * part))] * 1e3


# ---- the cases ----

class Comparison(Case):
    """One kind of server with COUNT connections, natively and green."""

    rows = []

    def __init__(self, kind, count):
        super().__init__(f"{kind.name}.{count}_connections")
        self.kind, self.count = kind, count

    def run(self, options):
        native = self.session(options, False)
        if options.native_only:
            return
        green = self.session(options, True)
        self.rows.append((self.kind.name, self.count, native, green))
        self.note = (f"{native.tasks} -> {green.tasks} threads, {native.memory} -> {green.memory} KB, "
                     f"{native.cpu * 1e6:.0f} -> {green.cpu * 1e6:.0f} us a request, ends with {green.status}")
        if native.status != green.status:
            raise Failure(f"SIGTERM ends it with {green.status}, natively with {native.status}")

    def session(self, options, green):
        try:
            return asyncio.run(self.talk(options, green))
        except Failure as failure:
            raise Failure(f"{'green' if green else 'natively'}: {failure}") from None

    async def talk(self, options, green):
        async with origin_server() as origin:
            self.kind.origin = origin
            server = Server(self.kind, options, green)
            try:
                server.wait_until_listening()
                session = Session(server, self.count)
                await session.run()
                return session
            finally:
                server.clean_up()


HEAD = """| server | connections | kernel threads | memory of its own, MB | kernel stacks, MB | CPU a request, us | p50, ms | p99, ms |
|---|---|---|---|---|---|---|---|
"""


def row(name, count, native, green):
    """Natively -> green, in each column.  Every reply was right, or there would be no row."""
    def both(text):
        return f"{text(native)} → {text(green)}"
    columns = (both(lambda s: s.tasks), both(lambda s: f"{s.memory / 1024:.1f}"),
               both(lambda s: f"{s.tasks * KERNEL_STACK_KB / 1024:.2f}"), both(lambda s: f"{s.cpu * 1e6:.0f}"),
               both(lambda s: f"{s.percentile(0.5):.1f}"), both(lambda s: f"{s.percentile(0.99):.1f}"))
    return f"| {name} | {count} | " + " | ".join(columns) + " |\n"


def write_table(path):
    text = HEAD + "".join(row(*each) for each in Comparison.rows)
    print("\n" + text)
    with open(path, "w", encoding="utf-8") as file:
        file.write("Natively → under `green run`, on the same machine one after the other.  The client is Python\n"
                   f"on the same machine; a kernel stack takes {KERNEL_STACK_KB} KB.\n\n" + text)


def cases(options):
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
        write_table("programs.md")
    return status


if __name__ == "__main__":
    sys.exit(main())
