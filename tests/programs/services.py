# SPDX-License-Identifier: MIT
"""services.py - real servers for the clients under test, each of its own in a scratch directory, stopped at the end

They run natively and as an unprivileged user, listen on loopback only, and keep their data unsafely and fast.
"""

import asyncio
import glob
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from harness import Failure, Skip, kill_group

CONNECTIONS = 600
START_LIMIT = 30


def demand(path, package):
    """PATH, a pattern, as it is here; without it the case is skipped."""
    found = sorted(glob.glob(path))
    if not found:
        raise Skip(f"Debian's package {package} is not installed")
    return found[-1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def accepts(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def unprivileged():
    """How subprocess starts a program that refuses to be root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Service:
    """A server process and its directory; PORT and PLACE are what the clients are told."""

    name, stop_signal = "", signal.SIGTERM

    def __init__(self):
        self.port, self.process = free_port(), None
        self.directory = tempfile.mkdtemp(prefix="service-")
        os.chmod(self.directory, 0o755)
        self.data = os.path.join(self.directory, "data")
        os.mkdir(self.data)
        if os.getuid() == 0:
            os.chown(self.data, pwd.getpwnam("nobody").pw_uid, -1)
        self.log = open(os.path.join(self.directory, "log"), "w+b")
        self.place = self.data

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
            kill_group(self.process)
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        self.prepare()
        self.process = subprocess.Popen(self.command(), **self.how(), start_new_session=True)
        deadline = time.monotonic() + START_LIMIT
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{self.name} does not start: {self.printed()[-500:]}")
            time.sleep(0.02)

    def how(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GREEN_", "LD_"))}
        return {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log, "cwd": self.data, "env": env,
                **unprivileged()}

    def once(self, *command):
        if subprocess.run(command, check=False, timeout=60, **self.how()).returncode:
            raise Failure(f"{command[0]} failed: {self.printed()[-500:]}")

    def printed(self):
        with open(self.log.name, "rb") as file:
            return file.read().decode(errors="replace")

    def prepare(self):
        """What comes before the server."""

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        return accepts(socket.AF_INET, ("127.0.0.1", self.port))


class Postgres(Service):
    """PostgreSQL on a unix socket, whose directory is the place.  SIGINT is its quick and orderly end."""

    name, stop_signal = "postgres", signal.SIGINT

    def prepare(self):
        self.bin = os.path.dirname(demand("/usr/lib/postgresql/*/bin/initdb", "postgresql"))
        self.once(f"{self.bin}/initdb", "--no-sync", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C",
                  "-D", f"{self.data}/cluster")

    def command(self):
        return [f"{self.bin}/postgres", "-D", f"{self.data}/cluster", "-p", str(self.port), "-h", "", "-k", self.data,
                "-N", str(CONNECTIONS), "-F", "-c", "shared_buffers=16MB", "-c", "max_wal_senders=0"]

    def is_ready(self):
        return "ready to accept connections" in self.printed()


class RedisServer(Service):
    """Redis, which keeps nothing."""

    name = "redis-server"

    def command(self):
        return [demand("/usr/bin/redis-server", "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--hz", "100"]


class MariaDB(Service):
    """mariadbd without tables and users of its own, on a unix socket, which is the place."""

    name = "mariadbd"

    def prepare(self):
        self.place = os.path.join(self.data, "socket")
        self.port = 0

    def command(self):
        return [demand("/usr/sbin/mariadbd", "mariadb-server"), "--no-defaults", f"--datadir={self.data}",
                f"--socket={self.place}", "--skip-networking", "--skip-grant-tables", "--skip-innodb",
                "--default-storage-engine=MyISAM", f"--max-connections={CONNECTIONS}", "--skip-log-bin"]

    def is_ready(self):
        return accepts(socket.AF_UNIX, self.place)


class TlsOrigin:
    """An HTTPS server in a thread of this process.  /MS/TEXT is answered with its own path after MS milliseconds."""

    name = "the TLS server"

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="service-")
        self.place = os.path.join(self.directory, "certificate")
        self.port, self.loop, self.ready = 0, asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        certificate(self.place, os.path.join(self.directory, "key"))
        self.thread.start()
        if not self.ready.wait(START_LIMIT):
            raise Failure("the TLS server does not start")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self):
        asyncio.set_event_loop(self.loop)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.place, os.path.join(self.directory, "key"))
        self.loop.set_exception_handler(lambda *_: None)
        server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()

    @staticmethod
    async def serve(reader, writer):
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
                await asyncio.sleep(int(path.split(b"/")[1]) / 1000)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


def certificate(path, key):
    """A certificate for localhost, which signs itself."""
    command = [demand("/usr/bin/openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
               "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", path]
    if subprocess.run(command, check=False, capture_output=True, timeout=60).returncode:
        raise Failure("openssl makes no certificate")
