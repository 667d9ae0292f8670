# SPDX-License-Identifier: MIT
"""connections_kinds.py - the servers of connections.py: how each is started, and how it is spoken to"""

import glob
import os
import shlex
import subprocess

import speech
from harness import Failure, Skip
from servers import Kind, Microsocks, PthreadEcho, PythonEcho, PythonHttp, Tinyproxy
from services import certificate, demand

HERE = os.path.dirname(os.path.abspath(__file__))


class Program(Kind):
    """A server that comes in a Debian package, with what is special about it.

    PACE: how many turns it gets, compared with an echo
    MOST: connections it is meant for
    POOL: its threads are there before the connections
    HELPERS: kernel threads besides the carrier while it is idle, for calls that wait in the kernel all the time
    WAITS_FOR_CLIENTS: it ends only after its last client
    """

    chooses_port, pace, most, pool, helpers, waits_for_clients = True, 1, 1000, False, 0, False
    speech = speech.Speech


class Compiled(Program):
    """A short server on a library, compiled here; it says on which port it listens."""

    announces, chooses_port, compiler = r"listening on (\d+)\n", False, ["gcc", "-std=gnu11", "-O2"]
    source, package, needs, flags = "", "", "", "-Wall -Wextra -pthread"

    def command(self, server, options):
        return [compiled(self, options)]


def compiled(kind, options):
    """The path of what KIND's source is compiled to, which is done once."""
    if not os.path.exists(kind.needs):
        raise Skip(f"Debian's package {kind.package} is not installed")
    program = os.path.join(options.build, "tests", "programs", kind.source.rsplit(".", 1)[0])
    source = os.path.join(HERE, kind.source)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        compile_with([*kind.compiler, "-o", program, source, *shlex.split(kind.flags)])
    return program


def compile_with(command):
    made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    if made.returncode:
        raise Failure(f"{command[0]} fails: {made.stderr[-1000:]}")


# ---- C ----

class CEcho(Program, PthreadEcho):
    """This project's example."""

    name, chooses_port = "C echo", False


class Socks(Program, Microsocks):
    """A SOCKS proxy with threads of 32 KB."""

    speech = speech.SocksProxy


class Tiny(Program, Tinyproxy):
    """An HTTP proxy; one of its threads waits for the others in turn."""

    speech = speech.ConnectProxy


class Privoxy(Program):
    """A proxy that filters, through which the clients tunnel to the origin."""

    name, speech = "privoxy", speech.ConnectProxy

    def command(self, server, options):
        conf = (f"listen-address 127.0.0.1:{server.port}\nmax-client-connections 2000\nlimit-connect 1-65535\n"
                f"confdir {server.directory}\nlogdir {server.directory}\nsocket-timeout 300\nlisten-backlog 1024\n"
                f"actionsfile none.action\n")
        speech.path_in(server.directory, "none.action", "")
        return [demand("/usr/sbin/privoxy", "privoxy"), "--no-daemon", speech.path_in(server.directory, "conf", conf)]


# MP9, U17, X22: TLS by OpenSSL, in front of a server
class Stunnel(Program):
    """TLS in front of the origin."""

    name, speech, pace = "stunnel4", speech.Tls, 0.5

    def command(self, server, options):
        program = demand("/usr/bin/stunnel4", "stunnel4")
        certificate(server.path("certificate"), server.path("key"))
        conf = ("foreground = yes\nsyslog = no\npid =\ndebug = 3\n[echo]\n"
                f"accept = 127.0.0.1:{server.port}\nconnect = 127.0.0.1:{self.origin}\n"
                f"cert = {server.path('certificate')}\nkey = {server.path('key')}\n")
        return [program, speech.path_in(server.directory, "conf", conf)]


class Nbdkit(Program):
    """A disk in memory; one thread serves a connection."""

    name, speech, pace, waits_for_clients = "nbdkit", speech.Nbd, 0.5, True

    def command(self, server, options):
        return [demand("/usr/*bin/nbdkit", "nbdkit"), "-f", "-o", "-t", "1", "-i", "127.0.0.1", "-p", str(server.port),
                "memory", "64M"]


class Svnserve(Program):
    """A pool of threads over APR, here as large as need be."""

    name, speech, pace = "svnserve", speech.Svn, 0.5

    def command(self, server, options):
        program = demand("/usr/bin/svnserve", "subversion")
        subprocess.run(["/usr/bin/svnadmin", "create", server.path("repo")], check=True, timeout=30)
        return [program, "-d", "--foreground", "-T", "--max-threads", "2000", "--listen-host", "127.0.0.1",
                "--listen-port", str(server.port), "-r", server.directory]


class Rrdcached(Program):
    """Queues of updates, condition variables and files; SIGTERM is taken by a thread that waits for signals."""

    name, speech = "rrdcached", speech.Rrd

    def command(self, server, options):
        return [demand("/usr/bin/rrdcached", "rrdcached"), "-g", "-l", f"127.0.0.1:{server.port}", "-b",
                server.directory, "-p", server.path("pid"), "-R"]


class Collectd(Program):
    """stdio on unix sockets, and threads with intervals."""

    name, speech = "collectd", speech.Collectd

    def address(self, server):
        return server.path("socket")

    def command(self, server, options):
        conf = (f'BaseDir "{server.directory}"\nPIDFile "{server.path("pid")}"\n'
                'TypesDB "/usr/share/collectd/types.db"\nHostname "localhost"\nFQDNLookup false\nInterval 1\nLoadPlugin load\nLoadPlugin unixsock\n'
                f'<Plugin unixsock>\n  SocketFile "{self.address(server)}"\n</Plugin>\n')
        return [demand("/usr/sbin/collectd", "collectd-core"), "-f", "-C",
                speech.path_in(server.directory, "conf", conf)]


class Microhttpd(Compiled):
    """GNU's HTTP library in its mode of a thread per connection."""

    name, source, speech = "libmicrohttpd", "server_microhttpd.c", speech.Http
    package, needs, flags = "libmicrohttpd-dev", "/usr/include/microhttpd.h", Compiled.flags + " -lmicrohttpd"


# ---- C++ and Rust ----

class MariaDB(Program):
    """A thread for each connection and thirteen of its own."""

    name, speech, pace, aio = "mariadbd", speech.Mysql, 0.5, 0

    def command(self, server, options):
        return [demand("/usr/sbin/mariadbd", "mariadb-server"), "--no-defaults", f"--datadir={server.directory}",
                "--user=root", "--skip-grant-tables", "--bind-address=127.0.0.1", f"--port={server.port}",
                f"--socket={server.path('socket')}", "--max-connections=2000",
                "--thread-handling=one-thread-per-connection", "--back-log=1000", "--innodb-buffer-pool-size=16M",
                f"--innodb-use-native-aio={self.aio}", "--skip-networking=0"]


class MariaDBUring(MariaDB):
    """The same with io_uring, on whose ring a thread of its own waits."""

    name, aio = "mariadbd, io_uring", 1


class Asio(Compiled):
    """C++ threads over Asio's blocking sockets."""

    name, source, package, needs = "asio", "server_asio.cpp", "libasio-dev", "/usr/include/asio.hpp"
    compiler = ["g++", "-std=c++20", "-O2"]


class Rust(Compiled):
    """Rust's own threads and sockets."""

    name, source, package, needs, flags = "Rust", "server_rust.rs", "rustc", "/usr/bin/rustc", ""
    compiler = ["rustc", "--edition=2021", "-O"]


# ---- Java, Python, Ruby ----

def java_command(name, options):
    """How the class of that name is run, once it is compiled."""
    compiler = demand("/usr/lib/jvm/java-*-openjdk-*/bin/javac", "openjdk-17-jdk-headless")
    where = os.path.join(options.build, "tests", "programs")
    source, made = os.path.join(HERE, f"{name}.java"), os.path.join(where, f"{name}.class")
    if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(source):
        compile_with([compiler, "-d", where, source])
    return [os.path.join(os.path.dirname(compiler), "java"), "-Xmx256m", "-cp", where, name]


class Java(Program):
    """A virtual machine with its collectors and compilers, whose threads are all green if that is asked for."""

    name, announces, chooses_port, run_flags = "Java, --carry", Compiled.announces, False, ("--carry",)

    def command(self, server, options):
        return java_command("ServerJava", options)


class PyEcho(Program, PythonEcho):
    """socketserver's ThreadingTCPServer."""

    name, chooses_port = "Python socketserver", False


class PyHttp(Program, PythonHttp):
    """http.server with connections that are kept."""

    name, chooses_port, pace = "Python http.server", False, 0.1
    content = b"b" * 100

    @staticmethod
    def speech():
        return speech.File(b"file", PyHttp.content)

    def command(self, server, options):
        with open(server.path("file"), "wb") as file:
            file.write(self.content)
        os.utime(server.path("file"), (10**9, 10**9))
        return super().command(server, options)


class Werkzeug(Program):
    """A WSGI server."""

    name, speech, pace = "Python werkzeug", speech.Http, 0.1

    def command(self, server, options):
        if not glob.glob("/usr/lib/python3/dist-packages/werkzeug"):
            raise Skip("Debian's package python3-werkzeug is not installed")
        return ["/usr/bin/python3", os.path.join(HERE, "server_werkzeug.py"), str(server.port)]


class Puma(Program):
    """Ruby: a reactor thread, and a pool that holds a thread for a request only."""

    name, speech, pace, most, pool = "Ruby puma", speech.Http, 0.3, 100, True

    def command(self, server, options):
        program = demand("/usr/bin/puma", "puma")
        rack = "run lambda { |env| [200, {}, [env['PATH_INFO']]] }\n"
        return [program, "-q", "-b", f"tcp://127.0.0.1:{server.port}", "-t", "100:100", "-e", "production",
                speech.path_in(server.directory, "config.ru", rack)]


KINDS = (CEcho, Socks, Tiny, Privoxy, Stunnel, Nbdkit, Svnserve, Rrdcached, Collectd, Microhttpd, MariaDB, MariaDBUring,
         Asio, Rust, Java, PyEcho, PyHttp, Werkzeug, Puma)
IN_CHECK = (Stunnel, Nbdkit, Microhttpd, Rust)
