# SPDX-License-Identifier: MIT
"""contestants.py - the servers of this benchmark that bench/echo does not have, and how they are called here"""
import os
import shutil
from pathlib import Path

import kinds
from kinds import Built, Kind, Missing, Script, Shimmed, make_unless_newer

HERE = Path(__file__).resolve().parent
FOLDER = "bench/served"
PROGRAMS = HERE.parent.parent / "tests/programs"
PAGE = b"hello, world\n" * 8


def needs(*programs):
    """Each is a path and the package that has it."""
    for path, package in programs:
        if not os.path.exists(path):
            raise Missing(package)


WRK, SYSBENCH = ("/usr/bin/wrk", "wrk"), ("/usr/bin/sysbench", "sysbench")


# ---- echo servers ----

ECHO = {kind.key: kind for kind in kinds.all_kinds()}


def native_and_green(key, name, other):
    return other, Shimmed(f"run_{key}", f"green run: {name}", other)


HOGGED = native_and_green("hogged", "C, thread per connection, and one that computes",
                          Built("hogged_pthreads", "C: thread per connection, and one that computes", "peer",
                                folder=FOLDER))
HOGGED_LIMIT = Built("hogged_epoll", "C: epoll by hand, and a thread that computes", "peer", folder=FOLDER)
SMALL = native_and_green("small", "C, thread per connection, stacks of 64 KB",
                         Built("small_pthreads", "C: thread per connection, stacks of 64 KB", "peer", folder=FOLDER))


# ---- HTTP servers: what each answers to PATH is BODY ----

class Microhttpd(Kind):
    """The server of tests/programs, on GNU's HTTP library in its mode of a thread per connection."""

    path, body = "/hello-world", b"/hello-world"

    def prepare(self, build):
        needs(WRK, ("/usr/include/microhttpd.h", "libmicrohttpd-dev"))
        source = PROGRAMS / "server_microhttpd.c"
        if not shutil.which("gcc"):
            raise Missing("gcc")
        make_unless_newer(build / FOLDER / "server_microhttpd", [source],
                          ["gcc", "-D_GNU_SOURCE", "-g", "-O2", "-pthread", "-o", *self.command(build), str(source),
                           "-lmicrohttpd"])

    def command(self, build):
        return [str(build / FOLDER / "server_microhttpd")]


class PythonHttp(Script):
    path, body = "/", PAGE

    def prepare(self, build):
        needs(WRK)
        super().prepare(build)


class GreenHttp(Kind):
    """The server of examples, which serves a file."""

    path, body, program = "/hello.txt", PAGE, "examples/http_server"

    def prepare(self, build):
        needs(WRK, (build / self.program, "libhttp-parser-dev"))
        self.files(build).mkdir(exist_ok=True)
        (self.files(build) / self.path[1:]).write_bytes(PAGE)

    @staticmethod
    def files(build):
        return build / FOLDER / "files"

    def command(self, build):
        return [str(build / self.program), str(self.files(build)), "0"]


class ShimmedHttp(Shimmed):
    def __init__(self, key, name, other):
        super().__init__(key, name, other)
        self.path, self.body = other.path, other.body


MICROHTTPD = Microhttpd("microhttpd", "libmicrohttpd: thread per connection", "peer")
PYTHON_HTTP = PythonHttp("python_http", "CPython: ThreadingHTTPServer", ["http_threads.py"], folder=HERE / "programs")
HTTP = [MICROHTTPD, ShimmedHttp("run_microhttpd", "green run: libmicrohttpd, thread per connection", MICROHTTPD),
        PYTHON_HTTP, ShimmedHttp("run_python_http", "green run: CPython, ThreadingHTTPServer", PYTHON_HTTP),
        GreenHttp("http_server", "libgreen: http_server of examples", "green")]


# ---- a proxy ----

class Proxied(Kind):
    """Started by trials.Proxy, which knows how.  ORIGIN answers behind it."""

    def __init__(self, key, name, family, origin):
        super().__init__(key, name, family)
        self.origin = origin

    def prepare(self, build):
        needs(("/usr/bin/tinyproxy", "tinyproxy-bin"))
        self.origin.prepare(build)


PROXIES = [Proxied("tinyproxy", "tinyproxy: thread per connection", "peer", HTTP[-1]),
           Proxied("run_tinyproxy", "green run: tinyproxy, thread per connection", "shim", HTTP[-1])]


# ---- a database ----

class MariaDB(Kind):
    """Started by trials.Database, which knows how."""

    def prepare(self, build):
        needs(("/usr/sbin/mariadbd", "mariadb-server"), ("/usr/bin/mariadb", "mariadb-client"), SYSBENCH)


SQL = [MariaDB("mariadb", "MariaDB: thread per connection", "peer"),
       MariaDB("run_mariadb", "green run: MariaDB, thread per connection", "shim")]
