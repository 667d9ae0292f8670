#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""servers.py - real thread-per-connection servers under `green run`, natively too: many clients, bad clients, ends"""

import asyncio
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from clients import (body, clients_of, connect_handshake, dial, echo_exchange, http_exchange, http_first,
                     rounds_within, socks_handshake, write_all)
from harness import (Case, Failure, Skip, STATS_MAGIC, describe_hang, kill_group, main_with, raise_descriptor_limit,
                     read_proc, read_stats)

CONNECTIONS = 1000
SILENT = 2000
MOST_TASKS = 1 + 6
TICKS_PER_MESSAGE = 0.02
CALLS_PER_MESSAGE = 2.2


# ---- the process under test ----

class Server:
    """A server process, with the shim or without, from its start to its end."""

    counts = True  # GREEN_STATS

    def __init__(self, kind, options, green, port=0):
        self.directory = tempfile.mkdtemp(prefix="plain-")
        self.green, self.kind, self.options = green, kind, options
        self.port = port or (free_port() if kind.chooses_port else 0)
        command = kind.command(self, options)
        env = {k: v for k, v in os.environ.items() if not k.startswith("GREEN_")}
        if green:
            command = [options.green, "run", *kind.run_flags, "--", *command]
        if green and self.counts:
            env["GREEN_STATS"] = os.path.join(self.directory, "stats")
        self.output = open(os.path.join(self.directory, "output"), "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        env=env, cwd=self.directory, start_new_session=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def printed(self):
        with open(self.output.name, "rb") as file:
            return file.read().decode(errors="replace")

    def wait_until_listening(self, limit=15):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"the server ended with {self.process.returncode}: {self.printed()[-500:]}")
            if self.is_listening():
                return
            time.sleep(0.02)
        raise Failure(f"the server does not listen: {self.printed()[-500:]}\n{describe_hang(self.process.pid)}")

    def is_listening(self):
        if self.kind.announces:
            found = re.search(self.kind.announces, self.printed())
            self.port = int(found.group(1)) if found else 0
            return bool(found)
        address = self.kind.address(self)
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
            return probe.connect_ex(address) == 0

    def tasks(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stats(self):
        path = self.path(f"stats.{self.process.pid}")
        if not os.path.exists(path):
            raise Failure("the shim was not active: the server has no stats file")
        return read_stats(path)

    def check_shim(self, connections):
        """Whether CONNECTIONS threads were green and on one carrier."""
        stats = self.stats()
        if stats["magic"] != STATS_MAGIC or stats["stood_down"] or stats["carriers"] != 1:
            raise Failure(f"the shim was not active: {stats}")
        if stats["created"] < connections:
            raise Failure(f"{stats['created']} green pthreads for {connections} connections")
        if self.tasks() > MOST_TASKS:
            raise Failure(f"{self.tasks()} kernel threads, at most {MOST_TASKS} expected")

    def end(self, number, limit=10):
        """The status with which the server ends at signal NUMBER."""
        self.process.send_signal(number)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"the server outlives {signal.Signals(number).name}:\n"
                          f"{describe_hang(self.process.pid)}") from None

    def clean_up(self):
        kill_group(self.process)
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def serving(kind, options, green, port=0):
    server = Server(kind, options, green, port)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.clean_up()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


# ---- the kinds of servers ----

class Kind:
    """How a server is started and how it is spoken to."""

    name, announces, chooses_port, at_a_time, run_flags = "", None, False, 16, ()
    handshake, exchange = None, staticmethod(echo_exchange)

    def command(self, server, options):
        raise NotImplementedError

    def address(self, server):
        """Where it is connected to: a host and a port, or the path of a unix socket."""
        return "127.0.0.1", server.port

    def demand(self, path):
        if not os.path.exists(path):
            raise Skip(f"{path} is not there")
        return path


class PthreadEcho(Kind):
    """The example in C."""

    name, announces = "echo_server_pthread", r"listening on (\d+)\n"

    def command(self, server, options):
        return [self.demand(os.path.join(options.build, "examples", "echo_server_pthread")), "0"]


class PythonEcho(Kind):
    """The example in Python: socketserver's ThreadingTCPServer."""

    name, announces = "echo_server_py", r"listening on (\d+)\n"

    def command(self, server, options):
        here = os.path.dirname(os.path.abspath(__file__))
        script = os.path.join(here, "..", "..", "examples", "echo_server.py")
        return ["/usr/bin/python3", self.demand(os.path.normpath(script)), "0"]


class PythonHttp(Kind):
    """http.server, with connections that are kept.  It listens with a queue of five, which must not overflow."""

    name, announces, at_a_time = "http_server_py", r"port (\d+) ", 4
    handshake, exchange = staticmethod(http_first), staticmethod(http_exchange)

    def command(self, server, options):
        for size in (100, 300000):
            with open(server.path(f"file{size}"), "wb") as file:
                file.write(body(size))
        return ["/usr/bin/python3", "-u", "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", "127.0.0.1", "0"]


class Tinyproxy(Kind):
    """An HTTP proxy; its clients tunnel to the origin in this process."""

    name, chooses_port = "tinyproxy", True
    handshake = staticmethod(connect_handshake)

    def command(self, server, options):
        with open(server.path("conf"), "w", encoding="utf-8") as file:
            file.write(f"Port {server.port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 2500\nAllow 127.0.0.1\n"
                       "LogLevel Critical\n")
        return [self.demand("/usr/bin/tinyproxy"), "-d", "-c", server.path("conf")]


class Microsocks(Kind):
    """A SOCKS5 proxy with threads of 32 KB."""

    name, chooses_port = "microsocks", True
    handshake = staticmethod(socks_handshake)

    def command(self, server, options):
        return [self.demand("/usr/bin/microsocks"), "-i", "127.0.0.1", "-p", str(server.port)]


# ---- the cases ----

class ServerCase(Case):
    """A case with one kind of server; the native run is there for comparison."""

    def __init__(self, kind, name):
        super().__init__(f"{kind.name}.{name}")
        self.kind = kind

    def run(self, options):
        green = not options.native_only
        for _ in range(options.repeat or 1):
            self.run_once(options, green)

    def run_once(self, options, green):
        with serving(self.kind, options, green) as server:
            asyncio.run(self.talk(server))

    async def talk(self, server):
        raise NotImplementedError


class Connections(ServerCase):
    """Many connections at once, each byte compared; then SIGTERM ends it as natively."""

    def __init__(self, kind):
        super().__init__(kind, "connections")
        hard = raise_descriptor_limit()
        self.count = min(CONNECTIONS, (hard - 100) // 4)
        if self.count < CONNECTIONS:
            self.note = f"only {self.count} connections, RLIMIT_NOFILE is {hard}"

    def run_once(self, options, green):
        native = self.session(options, False, min(self.count, 50))
        seen = self.session(options, green, self.count)
        if native != seen:
            raise Failure(f"SIGTERM ends it with {seen}, natively with {native}")

    def session(self, options, green, count):
        with serving(self.kind, options, green) as server:
            return asyncio.run(self.talk_and_end(server, count))

    async def talk_and_end(self, server, count):
        async with clients_of(server) as clients:
            await clients.open(count)
            await clients.exchange(0)
            if server.green:
                server.check_shim(count)
            await clients.exchange(1)
            await clients.exchange(2)
            clients.close(range(20, count))
            del clients.streams[20:]
            await clients.exchange(3)
            return server.end(signal.SIGTERM)


async def vanish(server, number):
    """Leaves in the middle of a message: even ones by a reset, odd ones by an end of file."""
    reader, writer = await dial(server.port)
    await write_all(writer, b"half of a mess")
    if number % 3 == 0:
        writer.write(b"x" * 1000000)
        await asyncio.sleep(0.05)
    if number % 2 == 0:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    del reader


class Vanishing(ServerCase):
    """Clients that disappear must not hurt the others, and their threads must end."""

    async def talk(self, server):
        async with clients_of(server) as clients:
            await clients.open(20)
            await clients.exchange(0)
            for _ in range(3):
                await clients.at_once(vanish(server, number) for number in range(30))
                await rounds_within(clients, range(20), 5, 10)
            await clients.open(1)
            await clients.exchange(1)
            if server.green:
                await self.wait_for_ends(server, 22)

    @staticmethod
    async def wait_for_ends(server, alive):
        """Main and the threads of the living clients are left."""
        for _ in range(100):
            if server.stats()["alive"] <= alive:
                return
            await asyncio.sleep(0.1)
        raise Failure(f"{server.stats()['alive']} threads are alive, {alive} expected")


async def trickle(server, seconds):
    """One byte a second, and each of them comes back."""
    reader, writer = await dial(server.port)
    for i in range(seconds):
        await write_all(writer, b"%d" % i)
        if await reader.readexactly(1) != b"%d" % i:
            raise Failure("a slow byte came back wrong")
        await asyncio.sleep(1)
    writer.close()


class Slow(ServerCase):
    """Clients that send one byte a second do not slow the others down."""

    async def talk(self, server):
        async with clients_of(server) as clients:
            await clients.open(5)
            slow = asyncio.gather(*(trickle(server, 3) for _ in range(20)))
            await asyncio.sleep(0.1)
            await rounds_within(clients, range(5), 100, 5)
            await clients.at_once([slow])


class Silent(ServerCase):
    """Those who connect and say nothing cost nothing but memory."""

    async def talk(self, server):
        async with clients_of(server) as clients:
            await clients.open(SILENT)
            await clients.exchange(0, [0])
            if server.green:
                await self.all_accepted(server)
                server.check_shim(SILENT)
            await rounds_within(clients, [0, SILENT // 2, SILENT - 2], 100, 5)

    @staticmethod
    async def all_accepted(server):
        for _ in range(100):
            if server.stats()["created"] >= SILENT:
                return
            await asyncio.sleep(0.1)


class Exhausted(ServerCase):
    """accept fails for lack of descriptors: those inside are served on, and room is used when there is some."""

    async def talk(self, server):
        async with clients_of(server) as clients:
            await clients.open(5)
            await clients.exchange(0)
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (48, 48))
            await clients.open(100)
            await rounds_within(clients, range(5), 100, 8)
            open_now = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            if open_now < 40:
                raise Failure(f"only {open_now} descriptors are open, the limit was not reached")
            clients.close(range(5, 80))
            await rounds_within(clients, [0, 85, 104], 20, 10)


class Restarted(ServerCase):
    """SIGKILL leaves nothing behind: the next one starts at once, on the same port."""

    def run_once(self, options, green):
        with serving(self.kind, options, green) as first:
            asyncio.run(self.talk(first))
            left = files_in_use(first)
            if first.end(signal.SIGKILL) != -signal.SIGKILL:
                raise Failure("it was not killed")
            remaining = [path for path in left if os.path.exists(path)]
            if remaining:
                raise Failure(f"left behind: {remaining}")
            with serving(self.kind, options, green) as second:
                asyncio.run(self.talk(second))

    async def talk(self, server):
        async with clients_of(server) as clients:
            await clients.open(20)
            await clients.exchange(0)
            if server.green:
                server.check_shim(20)


def link_of(path):
    """What a descriptor refers to; it may be closed meanwhile."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def files_in_use(server):
    """What the server has open or mapped in places that outlive it, but for what the test gave it."""
    base = f"/proc/{server.process.pid}"
    paths = [link_of(f"{base}/fd/{fd}") for fd in os.listdir(f"{base}/fd")]
    paths += [line.split(maxsplit=5)[5] for line in read_proc(f"{base}/maps").splitlines() if line.count("/")]
    paths += [f"{place}/{name}" for place in ("/tmp", "/dev/shm", "/run") for name in os.listdir(place)
              if re.search(rf"(?<!\d){server.process.pid}(?!\d)", name)]
    return {path for path in paths if path.startswith(("/tmp/", "/dev/shm/", "/run/"))
            and not path.startswith((server.directory, server.options.build))}


# U16: calls of the kernel are counted
class SystemCalls(ServerCase):
    """What a message costs on connections that are warm: no registration, hardly more than a read and a write."""

    connections, messages, rounds = 64, 400, 8

    def run_once(self, options, green):
        load = os.path.join(options.build, "bench", "load")
        if not os.path.exists(load):
            raise Skip(f"{load} is not there")
        with serving(self.kind, options, green) as server:
            rounds = [self.measure(server, load) for _ in range(self.rounds if green else 1)]
        if green:
            self.judge(rounds)

    def measure(self, server, load):
        count = self.connections * self.messages
        client = subprocess.Popen([load, "--port", str(server.port), "--connections", str(self.connections),
                                   "--requests", str(count), "--hold"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.expect(client, "ready")
            time.sleep(0.3)
            before = server.stats() if server.green else {}
            self.go_on(client)
            self.expect(client, "done")
            after = server.stats() if server.green else {}
            rest = client.communicate("\n", timeout=20)[0]
        finally:
            client.kill()
            client.wait()
        if client.returncode != 0:
            raise Failure(f"the load client ends with {client.returncode}: {rest}")
        return before, after, count

    @staticmethod
    def expect(client, word):
        line = client.stdout.readline().strip()
        if line != word:
            raise Failure(f"the load client says {line!r} in place of {word!r}")

    @staticmethod
    def go_on(client):
        client.stdin.write("\n")
        client.stdin.flush()

    def judge(self, rounds):
        """The figure is that of a busy server, and only in some rounds does a shared machine keep it busy: the best counts."""
        grown = [{name: after[name] - before[name] for name in ("epoll_wait", "epoll_ctl", "io")}
                 for before, after, _ in rounds]
        ticks = sum(after["ticks"] - before["ticks"] for before, after, _ in rounds)
        best = min(grown, key=lambda calls: sum(calls.values()))
        count = rounds[0][2]
        each = sum(best.values()) / count
        self.note = f"{each:.2f} calls a message: " + ", ".join(f"{k} {v / count:.2f}" for k, v in best.items())
        self.note += f"; {ticks} ticks"
        registered = sum(calls["epoll_ctl"] for calls in grown)
        if registered:
            raise Failure(f"{registered} registrations on warm connections")
        # Threads that give way by themselves are not to be hurried.
        if ticks > TICKS_PER_MESSAGE * count * len(rounds):
            raise Failure(f"{ticks} ticks in {count * len(rounds)} messages")
        if each > CALLS_PER_MESSAGE:
            raise Failure(f"{each:.2f} system calls a message, at most {CALLS_PER_MESSAGE} expected")


def cases(options):
    for kind in (PthreadEcho(), PythonEcho(), PythonHttp(), Tinyproxy(), Microsocks()):
        yield Connections(kind)
    for kind in (PthreadEcho(), PythonEcho()):
        yield Vanishing(kind, "vanishing_clients")
        yield Slow(kind, "slow_clients")
        yield Silent(kind, "silent_clients")
        yield Restarted(kind, "killed_and_restarted")
    yield Exhausted(PthreadEcho(), "out_of_descriptors")
    yield SystemCalls(PthreadEcho(), "syscalls_per_message")


if __name__ == "__main__":
    sys.exit(main_with(cases))
