# SPDX-License-Identifier: MIT
"""events_kinds.py - servers with an event loop, with processes or with one connection at a time, all from Debian"""

import contextlib
import ftplib
import glob
import io
import os
import re
import signal
import socket
import ssl
import subprocess
import time

from harness import Failure
from servers import Kind
from services import certificate, demand, unprivileged
from speech import path_in

LONG_AGO = 1000000000
DATE = rb"(?im)^date:[^\r]*"


# The bar is 5 %; what a shared machine measures is coarser, and a defect is, too.
MOST_CPU = 1.3
# Where each request starts a program, the time that the dynamic linker takes for the shim counts as well.
MOST_CPU_OF_STARTS = 2.0
# Where spinning threads have two cores natively, and one carrier here.
MOST_CPU_OF_SPINS = 4.0


class Unharmed(Kind):
    """REQUEST is asked again and again; VARIES is what of the reply need not be the same; THREADS it has at least."""

    chooses_port, transport, connections, request, varies = True, "tcp", 16, b"", b""
    greets, threads, most_cpu, stop_signal, at_once = False, 0, MOST_CPU, signal.SIGTERM, True
    program, package, one_core = "", "", True

    def binary(self):
        return demand(self.program, self.package)

    def prepare_clients(self, server):
        """What has to be there before the clients come."""

    def talk(self, server):
        """What a few clients hear, one after the other and at once; two runs must hear the same."""
        with contextlib.ExitStack() as stack:
            if self.at_once:
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            return b"".join(self.masked(exchange(server.port, self.request, self.greets)) for _ in range(3))

    def masked(self, reply):
        return re.sub(self.varies, b"<varies>", reply) if self.varies else reply


def exchange(port, request, greets=False, quiet=0.3):
    """What one request is answered with, the greeting too; the connection's end or silence ends it."""
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.settimeout(10)
        seen = talk.recv(65536) if greets else b""
        talk.sendall(request)
        try:
            while piece := talk.recv(65536):
                seen += piece
                talk.settimeout(quiet)
        except socket.timeout:
            pass
        return seen


class Http(Unharmed):
    """GET /file of a thousand bytes, on connections that are kept."""

    varies = DATE
    request = b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n"
    content = "".join(f"line {i} of a file\n" for i in range(60))

    def page(self, server):
        os.chmod(server.directory, 0o777)
        os.utime(path_in(server.directory, "file", self.content), (LONG_AGO, LONG_AGO))
        return server.directory

    def talk(self, server):
        heard = super().talk(server)
        if self.content.encode() not in heard:
            raise Failure(f"the file is not in the reply: {heard[:300]!r}")
        return heard + self.masked(exchange(server.port, b"NONSENSE /\r\n\r\n"))


# ---- event loops ----

# U21, MP8: asyncio's loop
class Aiohttp(Http):
    """asyncio, Python."""

    name, program, package = "aiohttp", "/usr/lib/python3/dist-packages/aiohttp", "python3-aiohttp"
    script = ("import sys\nfrom aiohttp import web\n"
              "async def get(request):\n    return web.Response(text=open('file').read())\n"
              "app = web.Application()\napp.add_routes([web.get('/file', get)])\n"
              "web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)\n")

    def command(self, server, options):
        self.page(server)
        return ["/usr/bin/python3", path_in(server.directory, "app.py", self.script), str(server.port)]


class Ftp(Unharmed):
    """pyftpdlib; the load is a command, the talk is a whole session with files in both directions."""

    name, program, package = "pyftpdlib", "/usr/lib/python3/dist-packages/pyftpdlib", "python3-pyftpdlib"
    request, greets, server_class, script_import = b"NOOP\r\n", True, "FTPServer", "pyftpdlib.servers"
    script = ("import logging, sys\nfrom pyftpdlib.authorizers import DummyAuthorizer\n"
              "from pyftpdlib.handlers import FTPHandler\nfrom pyftpdlib.servers import {0}\n"
              "logging.basicConfig(level=logging.ERROR)\n"
              "users = DummyAuthorizer()\nusers.add_user('tester', 'secret', sys.argv[2], perm='elradfmw')\n"
              "FTPHandler.authorizer = users\n{0}(('127.0.0.1', int(sys.argv[1])), FTPHandler).serve_forever()\n")

    def command(self, server, options):
        os.mkdir(server.path("files"))
        script = path_in(server.directory, "app.py", self.script.format(self.server_class))
        return ["/usr/bin/python3", script, str(server.port), server.path("files")]

    def talk(self, server):
        heard = super().talk(server)
        for number in range(3):
            heard += ftp_session(server.port, "tester", "secret", number)
        return heard


class FtpThreads(Ftp):
    """The same with a thread for each session."""

    name, server_class, threads = "pyftpdlib-threads", "ThreadedFTPServer", 3


def ftp_session(port, user, password, number):
    """Files there and back and their list."""
    content = b"%d bytes and more\n" % number * 20000
    heard = io.BytesIO()
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", port, timeout=20)
        said = [ftp.login(user, password)]
        said.append(ftp.storbinary(f"STOR file{number}", io.BytesIO(content)))
        said.append(ftp.retrbinary(f"RETR file{number}", heard.write))
        said += sorted(ftp.nlst()) + [ftp.delete(f"file{number}"), ftp.quit()]
    if heard.getvalue() != content:
        raise Failure("the file came back otherwise")
    return "\n".join(said).encode()


class Nginx(Http):
    """A master and two workers, each with epoll."""

    name, program, package, extra, main = "nginx", "/usr/sbin/nginx", "nginx", "", ""

    def command(self, server, options):
        conf = (f"daemon off; master_process on; worker_processes 2; error_log stderr; pid {server.path('pid')};\n"
                f"{self.main} events {{ worker_connections 256; }}\nhttp {{ access_log off; root {self.page(server)};\n"
                + "".join(f"{name}_temp_path {server.path(name)};\n" for name in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) +
                f"{self.extra} keepalive_requests 1000000;\n"
                f"server {{ listen 127.0.0.1:{server.port}; location / {{ }} }} }}\n")
        return [self.binary(), "-p", server.directory, "-c",
                path_in(server.directory, "nginx.conf", conf)]


class NginxThreads(Nginx):
    """Files are read by a pool of threads."""

    name, threads = "nginx-threads", 8
    main, extra = "thread_pool default threads=4 max_queue=1000;", "aio threads; sendfile off; output_buffers 1 64k;"


class Redis(Unharmed):
    """An event loop, and three threads for the background."""

    name, program, package, threads = "redis-server", "/usr/bin/redis-server", "redis-server", 3
    request, more = b"SET key 0123456789\r\nGET key\r\nINCR counter\r\nDEL counter\r\n", ()

    def command(self, server, options):
        return [self.binary(), "--port", str(server.port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", *self.more]

    def talk(self, server):
        """A dump in the background is made by a child."""
        heard = super().talk(server)
        for line in (b"MSET a 1 b 2 c 3", b"SORT l BY nosort", b"BGSAVE", b"BGREWRITEAOF", b"UNLINK a b c",
                     b"NONSENSE"):
            heard += exchange(server.port, line + b"\r\n")
        return heard


class RedisThreads(Redis):
    """Sockets are read and written by four threads, which spin; natively on as many cores as there are."""

    name, more, threads = "redis-server-io-threads", ("--io-threads", "4", "--io-threads-do-reads", "yes"), 6
    most_cpu, one_core = MOST_CPU_OF_SPINS, False


class Memcached(Unharmed):
    """Four threads with an event loop each."""

    name, program, package, threads = "memcached", "/usr/bin/memcached", "memcached", 4
    request = b"set key 0 0 10\r\n0123456789\r\nget key\r\n"

    def command(self, server, options):
        return [self.binary(), "-u", "nobody", "-t", "4", "-l", "127.0.0.1", "-p", str(server.port), "-U", "0"]

    def talk(self, server):
        heard = super().talk(server)
        for line in (b"add key 0 0 1\r\n1\r\n", b"incr none 1\r\n", b"delete key\r\n", b"nonsense\r\n"):
            heard += exchange(server.port, line)
        return heard


# U21, MP8: libuv's loop
class Node(Http):
    """V8 and libuv, with their pools of threads; the file is read by one of them each time."""

    name, program, package, threads, announces = "node", "/usr/bin/node", "nodejs", 4, None
    script = ("const http = require('http'), fs = require('fs');\n"
              "http.createServer((q, a) => fs.readFile('file', (e, text) => { a.writeHead(e ? 404 : 200, "
              "{'Content-Length': text.length}); a.end(text); })).listen(+process.argv[2], '127.0.0.1');\n")

    def command(self, server, options):
        self.page(server)
        return ["/usr/bin/node", path_in(server.directory, "app.js", self.script), str(server.port)]


class NodeWorkers(Node):
    """Two workers, each with an engine of its own, compute what is asked for; natively on as many cores."""

    name, threads, one_core, most_cpu = "node-workers", 6, False, MOST_CPU_OF_SPINS
    script = ("const http = require('http'), { Worker } = require('worker_threads');\n"
              "const text = require('fs').readFileSync('file');\n"
              "const code = `const { parentPort } = require('worker_threads'); parentPort.on('message', n => {"
              "let s = 0; for (let i = 0; i < 300000; i++) s = (s * 31 + i) % 65521;"
              "parentPort.postMessage([n, s]); });`;\n"
              "const workers = [0, 1].map(() => new Worker(code, { eval: true })), waiting = new Map();\n"
              "let last = 0;\n"
              "for (const w of workers) w.on('message', ([n, s]) => { const a = waiting.get(n); waiting.delete(n);\n"
              "a.writeHead(200, {'Content-Length': text.length, 'Sum': s}); a.end(text); });\n"
              "http.createServer((q, a) => { waiting.set(++last, a); workers[last % 2].postMessage(last); })"
              ".listen(+process.argv[2], '127.0.0.1');\n")


class Dnsmasq(Unharmed):
    """Datagrams, answered from a list of hosts; connections are served by children."""

    name, program, package, transport = "dnsmasq", "/usr/sbin/dnsmasq", "dnsmasq-base", "udp"
    request = bytes.fromhex("123401000001000000000000") + b"\4host\7example\0\0\1\0\1"

    def command(self, server, options):
        hosts = path_in(server.directory, "hosts", "127.1.2.3 host.example\n")
        return [self.binary(), "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                f"--addn-hosts={hosts}", f"--port={server.port}", "--listen-address=127.0.0.1", "--bind-interfaces",
                "--pid-file=", "--log-facility=-"]

    def talk(self, server):
        heard = b""
        for kind in (b"\0\1", b"\0\x1c", b"\0\xff"):
            question = self.request[:-4] + kind + b"\0\1"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
                talk.settimeout(10)
                talk.sendto(question, ("127.0.0.1", server.port))
                heard += talk.recv(4096)
            heard += exchange(server.port, len(question).to_bytes(2, "big") + question)
        if bytes([127, 1, 2, 3]) not in heard:
            raise Failure(f"the address is not in the answers: {heard!r}")
        return heard


# ---- processes ----

class Apache(Http):
    """Processes before, without threads."""

    module, program, package = "prefork", "/usr/sbin/apache2", "apache2-bin"

    @property
    def name(self):
        return f"apache2-{self.module}"

    def limits(self):
        return "StartServers 24\nMinSpareServers 4\nMaxSpareServers 24\nMaxRequestWorkers 24\n"

    def command(self, server, options):
        program = self.binary()
        modules = glob.glob("/usr/lib/apache2/modules/mod_*.so")
        wanted = (f"mpm_{self.module}", "authz_core", "mime", "cgi" if self.module == "prefork" else "cgid", "unixd")
        loads = "".join(f"LoadModule {name}_module {path}\n" for name in wanted for path in modules
                        if os.path.basename(path) == f"mod_{name}.so")
        script = path_in(self.page(server), "script.cgi", CGI_SCRIPT)
        os.chmod(script, 0o755)
        conf = (f"{loads}ServerRoot {server.directory}\nServerName localhost\nListen 127.0.0.1:{server.port}\n"
                f"PidFile {server.path('pid')}\nErrorLog /dev/stderr\nLogLevel crit\nDocumentRoot {server.directory}\n"
                f"User www-data\nGroup www-data\nKeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n"
                f"DefaultRuntimeDir {server.directory}\nTypesConfig /dev/null\nMutex posixsem\n{self.limits()}"
                f"<IfModule cgid_module>\nScriptSock {server.path('cgisock')}\n</IfModule>\n"
                f"<Directory {server.directory}>\nOptions +ExecCGI\nAddHandler cgi-script .cgi\nRequire all granted\n"
                "</Directory>\n")
        return [program, "-DFOREGROUND", "-f", path_in(server.directory, "apache.conf", conf)]

    def talk(self, server):
        return super().talk(server) + cgi_talk(server, CGI_GET, CGI_POST)


CGI_GET = b"GET /script.cgi?a=b HTTP/1.0\r\n\r\n"
CGI_POST = b"POST /script.cgi HTTP/1.0\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde"


def cgi_talk(server, *requests):
    """What a script answers; its length is told only if it is known in time."""
    heard = b""
    for request in requests:
        answer = re.sub(rb"(?im)^(date|content-length):[^\r]*\r\n", b"", exchange(server.port, request))
        if b"nonblocking none" not in answer:
            raise Failure(f"the script does not answer: {answer!r}")
        heard += answer
    return heard


# What a script sees of its standard files: a pipe or socket that is not to be waited for would be a surprise.
CGI_SCRIPT = """#!/usr/bin/python3
import fcntl, os, sys
body = sys.stdin.read(int(os.environ.get("CONTENT_LENGTH") or 0))
odd = [fd for fd in range(3) if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK]
print("Content-Type: text/plain\\r\\n\\r\\n" + os.environ["REQUEST_METHOD"], os.environ.get("QUERY_STRING"), body,
      "nonblocking", odd or "none")
"""


class ApacheEvent(Apache):
    """Processes with threads, and a thread that listens for all of them."""

    module, threads = "event", 50

    def limits(self):
        return ("StartServers 2\nServerLimit 2\nThreadsPerChild 25\nMaxRequestWorkers 50\nMinSpareThreads 25\n"
                "MaxSpareThreads 50\n")


class MiniHttpd(Http):
    """A child for each connection, and a CGI script."""

    name, program, package, transport = "mini-httpd", "/usr/sbin/mini_httpd", "mini-httpd", "once"
    request = b"GET /file HTTP/1.0\r\n\r\n"

    def command(self, server, options):
        script = path_in(self.page(server), "script.cgi", CGI_SCRIPT)
        os.chmod(script, 0o755)
        return [self.binary(), "-D", "-C", "/dev/null", "-p", str(server.port), "-h", "127.0.0.1",
                "-d", server.directory, "-u", "root", "-c", "**.cgi"]

    def talk(self, server):
        return super().talk(server) + cgi_talk(server, CGI_GET)


class Socat(Unharmed):
    """A child for each connection, which sends everything back."""

    name, program, package, transport = "socat-fork", "/usr/bin/socat", "socat", "tcp"
    request = b"what is sent comes back\n" * 40

    def command(self, server, options):
        return [self.binary(), f"TCP-LISTEN:{server.port},bind=127.0.0.1,fork,reuseaddr,backlog=64", "PIPE"]


class SocatExec(Socat):
    """A child for each connection, which starts a program that has the socket as its standard files."""

    name, transport, request, most_cpu = "socat-exec", "once", b"", MOST_CPU_OF_STARTS

    def command(self, server, options):
        path_in(server.directory, "file", "the file\n" * 100)
        return [self.binary(), f"TCP-LISTEN:{server.port},bind=127.0.0.1,fork,reuseaddr,backlog=64",
                f"EXEC:/bin/cat {server.path('file')}"]


class Vsftpd(Unharmed):
    """A child for each session, which lowers RLIMIT_AS to 200 MB before the login."""

    name, program, package, connections = "vsftpd", "/usr/sbin/vsftpd", "vsftpd", 8
    greets = True

    def command(self, server, options):
        for directory in ("empty", "files"):
            os.mkdir(server.path(directory), 0o755)
        os.chmod(server.directory, 0o755)
        os.chmod(server.path("files"), 0o755)
        os.mkdir(server.path("files/up"))
        os.chmod(server.path("files/up"), 0o777)
        path_in(server.directory, "files/file", "line of a file\n" * 5000)
        conf = (f"listen=YES\nlisten_address=127.0.0.1\nlisten_port={server.port}\n"
                "anonymous_enable=YES\nlocal_enable=NO\n"
                f"background=NO\nanon_root={server.path('files')}\nsecure_chroot_dir={server.path('empty')}\n"
                "no_anon_password=YES\nwrite_enable=YES\nanon_upload_enable=YES\nanon_other_write_enable=YES\n"
                "ftp_username=ftp\n"
                "seccomp_sandbox=NO\nmax_clients=0\nmax_per_ip=0\nanon_umask=022\n")
        return [self.binary(), path_in(server.directory, "vsftpd.conf", conf)]

    def talk(self, server):
        return b"".join(self.session(server) for _ in range(3))

    @staticmethod
    def session(server):
        said, heard = [], io.BytesIO()
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", server.port, timeout=20)
            said.append(ftp.login())
            said.append(ftp.retrbinary("RETR file", heard.write))
            said += [str(sorted(ftp.nlst())), ftp.cwd("up"), ftp.storbinary("STOR sent", io.BytesIO(b"sent" * 20000))]
            said += [ftp.delete("sent"), ftp.quit()]
        if heard.getvalue() != b"line of a file\n" * 5000:
            raise Failure("the file is wrong")
        return "\n".join(said).encode()

    def load(self, server, count):
        for _ in range(count):
            self.session(server)


class Postgres(Unharmed):
    """A process for each connection, and some for the cluster; the load is pgbench's."""

    name, program, package = "postgresql", "/usr/lib/postgresql/*/bin/initdb", "postgresql"
    connections, stop_signal = 40, signal.SIGTERM
    script = ("umask 077\n{bin}/initdb --no-sync -A trust -U tester -E UTF8 --locale=C -D {data} >/dev/null || exit 1\n"
              "exec {bin}/postgres -D {data} -p {port} -h 127.0.0.1 -k '' -F -c shared_buffers=16MB "
              "-c max_wal_senders=0 -c logging_collector=off\n")

    def command(self, server, options):
        """The cluster is made under the shim, too.  Postgres refuses to be root."""
        binaries = os.path.dirname(self.binary())
        os.chmod(server.directory, 0o777)
        script = path_in(server.directory, "start",
                         self.script.format(bin=binaries, data=server.path("cluster"), port=server.port))
        user = unprivileged()
        become = ["setpriv", f"--reuid={user['user']}", f"--regid={user['group']}", "--clear-groups"] if user else []
        return [*become, "sh", script]

    def psql(self, server, *arguments):
        binary = os.path.join(os.path.dirname(self.binary()), arguments[0])
        done = subprocess.run([binary, "-h", "127.0.0.1", "-p", str(server.port), "-U", "tester", *arguments[1:]],
                              check=False, capture_output=True, timeout=120)
        if done.returncode:
            raise Failure(f"{arguments[0]} fails: {done.stderr.decode()[-500:]}")
        return done.stdout

    def prepare_clients(self, server):
        """It listens before it lets anybody in."""
        deadline = time.monotonic() + 20
        while "ready to accept connections" not in server.printed() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        self.psql(server, "pgbench", "-i", "-q", "-s", "1", "postgres")

    def talk(self, server):
        questions = ("select count(*), sum(aid) from pgbench_accounts",
                     "select md5(string_agg(i::text, ',')) from generate_series(1, 100000) i",
                     "create index on pgbench_accounts(abalance)", "vacuum analyze pgbench_accounts",
                     "set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0; "
                     "set parallel_setup_cost = 0; select count(*) from pgbench_accounts where aid % 7 = 3",
                     "select pg_sleep(0.1)", "nonsense")
        said = []
        for question in questions[:-1]:
            said.append(self.psql(server, "psql", "-X", "-A", "-t", "-c", question, "postgres"))
        return b"".join(said)

    def load(self, server, count):
        self.psql(server, "pgbench", "-n", "-S", "-c", "8", "-j", "1", "-t", str(max(1, count // 8)), "postgres")


# ---- one connection at a time ----

# MP9, U17, X22: TLS by OpenSSL
class OpensslServer(Http):
    """TLS; the page tells the session's keys, so that only its frame is compared."""

    name, program, package, transport, connections = "openssl-s_server", "/usr/bin/openssl", "openssl", "tls", 1

    def command(self, server, options):
        certificate(server.path("certificate"), server.path("key"))
        self.page(server)
        return [self.binary(), "s_server", "-quiet", "-WWW", "-accept", f"127.0.0.1:{server.port}", "-cert",
                server.path("certificate"), "-key", server.path("key")]

    def talk(self, server):
        heard = b"".join(self.fetch(server) for _ in range(3))
        if self.content.encode() not in heard:
            raise Failure(f"the file is not in the reply: {heard[:300]!r}")
        return heard

    def fetch(self, server):
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            with tls_context().wrap_socket(plain) as talk:
                talk.settimeout(10)
                talk.sendall(b"GET /file HTTP/1.0\r\n\r\n")
                seen = b""
                try:
                    while piece := talk.recv(65536):
                        seen += piece
                except OSError:
                    pass
                return seen

    def load(self, server, count):
        for _ in range(count):
            self.fetch(server)


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Netcat(Unharmed):
    """What comes is printed; connections queue up."""

    name, program, package, transport, connections = "nc", "/bin/nc.openbsd", "netcat-openbsd", "once", 1

    def command(self, server, options):
        path_in(server.directory, "file", "the file\n" * 100)
        return [self.binary(), "-lkN", "127.0.0.1", str(server.port)]

    def talk(self, server):
        for number in range(3):
            with socket.create_connection(("127.0.0.1", server.port)) as talk:
                talk.sendall(b"connection %d\n" % number * 1000)
                talk.shutdown(socket.SHUT_WR)
                if talk.recv(1):
                    raise Failure("nc answers")
        deadline = time.monotonic() + 10
        while server.printed().count("\n") < 3000 and time.monotonic() < deadline:
            time.sleep(0.02)
        return server.printed().encode()

    def load(self, server, count):
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", server.port)) as talk:
                talk.sendall(b"line\n" * 10000)
                talk.shutdown(socket.SHUT_WR)
                talk.recv(1)


class Iterative(Http):
    """A language's own server, one connection after the other."""

    transport, connections, request, at_once = "once", 2, b"GET /file HTTP/1.0\r\n\r\n", False


class PerlDaemon(Iterative):
    """HTTP::Daemon."""

    name, program, package = "perl-http-daemon", "/usr/share/perl5/HTTP/Daemon.pm", "libhttp-daemon-perl"
    script = ("use HTTP::Daemon;\n"
              "my $d = HTTP::Daemon->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], ReuseAddr => 1, "
              "Listen => 64) or die;\nwhile (my $c = $d->accept) {\n"
              "while (my $r = $c->get_request) { $c->send_file_response('.' . $r->uri->path); }\n"
              "$c->close; undef $c;\n}\n")

    def command(self, server, options):
        self.page(server)
        return ["/usr/bin/perl", path_in(server.directory, "app.pl", self.script), str(server.port)]


class Wsgiref(Iterative):
    """wsgiref's simple_server."""

    name, program, package = "wsgiref", "/usr/bin/python3", "python3"
    script = ("import sys\nfrom wsgiref.simple_server import WSGIRequestHandler, make_server\n"
              "class Quiet(WSGIRequestHandler):\n    def log_message(self, *_):\n        pass\n"
              "def app(environ, start):\n    start('200 OK', [('Content-Type', 'text/plain')])\n"
              "    return [open('file', 'rb').read()]\n"
              "make_server('127.0.0.1', int(sys.argv[1]), app, handler_class=Quiet).serve_forever()\n")

    def command(self, server, options):
        self.page(server)
        return ["/usr/bin/python3", path_in(server.directory, "app.py", self.script), str(server.port)]


class Php(Iterative):
    """PHP's own development server."""

    name, program, package = "php-S", "/usr/bin/php", "php-cli"

    def command(self, server, options):
        self.page(server)
        return [self.binary(), "-q", "-d", "error_log=/dev/null", "-S", f"127.0.0.1:{server.port}", "-t",
                server.directory]


IN_CHECK = (Nginx, Redis, Apache, Socat)
KINDS = (Aiohttp, Ftp, FtpThreads, Nginx, NginxThreads, Redis, RedisThreads, Memcached, Node, NodeWorkers, Dnsmasq,
         Apache, ApacheEvent, MiniHttpd, Socat, SocatExec, Vsftpd, Postgres, OpensslServer, Netcat, PerlDaemon, Wsgiref,
         Php)
