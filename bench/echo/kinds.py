# SPDX-License-Identifier: MIT
"""kinds.py - the echo servers of the benchmark: how each is built and started, what it needs, whom it stands beside"""
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVERS, EXAMPLES = HERE / "servers", HERE.parent.parent / "examples"
PYTHON = "/usr/bin/python3"
LIMIT = "c_epoll"   # what all others are measured against
MALLOC_COUNTER = "bench/core/libcount_malloc.so"
SELECTED = 1000     # connections of those that use select, whose sets have room for few more


class Missing(Exception):
    """The package without which a server cannot run here."""


class Kind:
    """One server.  FAMILY: green (written with libgreen), shim (under `green run`) or peer."""

    serial = False          # serves one connection after the other, so there can be but one
    most = 1 << 30          # connections that it bears
    own_malloc = False      # its memory does not come from libc's malloc
    counts_instructions = False

    def __init__(self, key, name, family, against=()):
        self.key, self.name, self.family, self.against = key, name, family, against

    def prepare(self, build):
        """Builds what make has not built; Missing if this machine lacks what it takes."""

    def command(self, build):
        raise NotImplementedError


class Built(Kind):
    """A C program that make builds, in FOLDER of the build directory."""

    counts_instructions = True

    def __init__(self, key, name, family, against=(), folder="bench/echo", program=None, serial=False, most=Kind.most):
        super().__init__(key, name, family, against)
        self.path, self.serial, self.most = f"{folder}/{program or key}", serial, most

    def command(self, build):
        return [str(build / self.path)]


class Linked(Kind):
    """A C program on somebody else's library."""

    counts_instructions = True

    def __init__(self, key, name, library, header, package, most=Kind.most):
        super().__init__(key, name, "peer")
        self.library, self.header, self.package, self.most = library, header, package, most

    def program(self, build):
        return build / "bench/echo" / self.key

    def prepare(self, build):
        source, compiler = SERVERS / f"{self.key}.c", shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            raise Missing("gcc")
        probe = subprocess.run([compiler, "-E", "-x", "c", "-"], input=f"#include <{self.header}>\n", text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if probe.returncode:
            raise Missing(self.package)
        # The same options as configure's own for the others; libev's header is not clean of warnings.
        make_unless_newer(self.program(build), [source, SERVERS / "listen.c", SERVERS / "listen.h"],
                          [compiler, "-g", "-O2", "-D_GNU_SOURCE", "-o", str(self.program(build)), str(source),
                           str(SERVERS / "listen.c"), f"-l{self.library}"])

    def command(self, build):
        return [str(self.program(build))]


class Script(Kind):
    """A Python program; PACKAGE brings MODULE."""

    def __init__(self, key, name, arguments, module=None, package=None, folder=SERVERS, against=(), family="peer"):
        super().__init__(key, name, family, against)
        self.arguments, self.module, self.package, self.folder = arguments, module, package, folder

    def prepare(self, build):
        if not os.access(PYTHON, os.X_OK):
            raise Missing("python3")
        if self.module and subprocess.run([PYTHON, "-c", f"import {self.module}"], stderr=subprocess.DEVNULL,
                                          check=False).returncode:
            raise Missing(self.package)

    def command(self, build):
        return [PYTHON, str(self.folder / self.arguments[0]), *self.arguments[1:]]


class Node(Kind):
    own_malloc = True

    def prepare(self, build):
        if not shutil.which("node"):
            raise Missing("nodejs")

    def command(self, build):
        return ["node", str(SERVERS / "echo.js")]


class Go(Kind):
    own_malloc = True

    def program(self, build):
        return build / "bench/echo/echo_go"

    def prepare(self, build):
        if not shutil.which("go"):
            raise Missing("golang-go")
        make_unless_newer(self.program(build), [SERVERS / "echo.go"],
                          ["go", "build", "-o", str(self.program(build)), str(SERVERS / "echo.go")],
                          {"GOCACHE": str(build / "bench/echo/go-cache"), "CGO_ENABLED": "0", "GOFLAGS": "",
                           "GO111MODULE": "off"})

    def command(self, build):
        return [str(self.program(build))]


class Shimmed(Kind):
    """Another kind, unchanged, under `green run`."""

    def __init__(self, key, name, other):
        super().__init__(key, name, "shim", (other.key,))
        self.other, self.counts_instructions = other, other.counts_instructions

    def prepare(self, build):
        self.other.prepare(build)

    def command(self, build):
        return [str(build / "green"), "run", "--", *self.other.command(build)]


def make_unless_newer(target, sources, command, environment=None):
    if target.exists() and all(source.stat().st_mtime < target.stat().st_mtime for source in sources):
        return
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stdout.strip()[-500:]}")


def build_malloc_counter(build):
    """What counts requests for memory when it is preloaded."""
    target, source = build / MALLOC_COUNTER, HERE.parent / "core/programs/count_malloc.c"
    make_unless_newer(target, [source], ["gcc", "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", str(target),
                                         str(source)])


def asyncio_kinds():
    for loop, package in (("asyncio", None), ("uvloop", "python3-uvloop")):
        for form in ("protocol", "streams", "sock"):
            name = {"protocol": "Protocol", "streams": "streams", "sock": "sock_recv, sock_sendall"}[form]
            yield Script(f"{loop}_{form}", f"{loop}: {name}", ["asyncio_echo.py", form, loop],
                         loop if package else None, package)


def gevent_kinds():
    for form, name in (("server", "StreamServer"), ("sockets", "greenlet per connection")):
        yield Script(f"gevent_{form}", f"gevent: {name}", ["gevent_echo.py", form], "gevent", "python3-gevent")


def all_kinds():
    pthreads = Built("c_pthreads", "C: thread per connection", "peer", (), "examples", "echo_server_pthread")
    threads = Script("python_threads", "CPython: thread per connection", ["echo_server.py"], folder=EXAMPLES)
    return [
        Built(LIMIT, "C: edge-triggered epoll by hand", "peer"),
        Built("green_blocking", "libgreen: one after the other", "green", ("c_blocking",), serial=True),
        Built("green_tasks", "libgreen: task per connection, read and write", "green",
              ("c_pthreads", "c_st", "c_pth", "python_threads", "go")),
        Built("green_sock", "libgreen: task per connection, recv and send", "green",
              ("asyncio_sock", "uvloop_sock", "gevent_sockets")),
        Built("green_stream", "libgreen: task per connection, streams", "green", ("asyncio_streams", "uvloop_streams")),
        Built("green_server", "libgreen: green_server", "green", ("gevent_server", "green_sock")),
        Built("green_callbacks", "libgreen: watchers that call back", "green",
              ("c_ev", "c_uv", "asyncio_protocol", "uvloop_protocol", "node")),
        Built("green_select", "libgreen: one task, green_select", "green", ("c_select",)),
        Built("green_native_loop", "greenlets: loop and poll by hand", "green", ("python_loop", "green_sock"),
              "examples", "native_loop"),
        Shimmed("run_pthreads", "green run: C, thread per connection", pthreads),
        Shimmed("run_python", "green run: CPython, thread per connection", threads),
        Built("c_blocking", "C: one after the other", "peer", serial=True),
        Built("c_select", "C: select", "peer", most=SELECTED),
        pthreads,
        Linked("c_st", "State Threads: thread per connection, poll", "st", "st.h", "libst-dev"),
        Linked("c_pth", "GNU Pth: thread per connection, select", "pth", "pth.h", "libpth-dev", most=SELECTED),
        Linked("c_uv", "C: libuv", "uv", "uv.h", "libuv1-dev"),
        Linked("c_ev", "C: libev", "ev", "ev.h", "libev-dev"),
        Go("go", "Go: goroutine per connection", "peer"),
        Node("node", "node: pipe", "peer"),
        threads,
        Script("python_loop", "CPython: generators and select by hand", ["native_loop.py"]),
        *asyncio_kinds(),
        *gevent_kinds(),
    ]
