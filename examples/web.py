#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""web.py CLAIM PROGRAM - bulk_urls against a local server with odd habits, for test_examples.sh"""
import http.server
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30    # seconds that anything may take at most


class Odd(http.server.BaseHTTPRequestHandler):
    """What each path does is the method of its name; /NAME/REST gets REST."""
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    asked = {}                        # when each path was asked for
    now, most = 0, 0                  # how many requests are being answered, and were at most
    gate = threading.Event()          # what /gate waits for
    meeting = threading.Barrier(8)    # how many /meet waits for

    def log_message(self, *unused):
        pass

    def do_GET(self):
        name, _, rest = self.path[1:].partition("/")
        with Odd.lock:
            Odd.asked.setdefault(self.path, []).append(time.monotonic())
            Odd.now += 1
            Odd.most = max(Odd.most, Odd.now)
            self.counted = True
        try:
            getattr(self, name)(rest)
        except OSError:
            self.close_connection = True
        self.leave()

    def leave(self):
        """Not counted any more: before the answer goes out, as the client may ask for the next one at once."""
        with Odd.lock:
            Odd.now -= self.counted
            self.counted = False

    def answer(self, status, body=b"", **headers):
        self.leave()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def size(self, count):
        self.answer(200, b"x" * int(count))

    def status(self, number):
        self.answer(int(number))

    def chunked(self, rest):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")

    def hops(self, count):
        self.answer(302, Location=f"/hops/{int(count) - 1}" if int(count) > 1 else "../size/7#end")

    def loop(self, rest):
        self.answer(301, Location=self.path)

    def away(self, rest):
        self.answer(307, Location="ftp://127.0.0.1/")

    def closing(self, rest):
        self.close_connection = True

    def cut(self, rest):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"too little")
        self.close_connection = True

    def garbage(self, rest):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.close_connection = True

    def flaky(self, times):
        self.answer(200 if len(Odd.asked[self.path]) > int(times) else 503)

    def silent(self, rest):
        """Nothing comes until the client gives up."""
        self.connection.settimeout(PATIENCE)
        self.connection.recv(1)
        self.close_connection = True

    def drip(self, rest):
        """There is always something coming, and never an end."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while True:
            self.wfile.write(b"x")
            time.sleep(0.05)

    def gated(self, rest):
        Odd.gate.wait(PATIENCE)
        self.answer(200)

    def meet(self, rest):
        Odd.meeting.wait(PATIENCE)
        self.answer(200)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler=Odd):
        super().__init__(("127.0.0.1", 0), handler)
        self.port = self.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


def refused_port():
    """A port at which nobody listens, and that is ours as long as the socket is."""
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    return keeper, keeper.getsockname()[1]


def run(program, *options, urls, status, environment=None):
    """The lines that PROGRAM prints about URLS: URL -> (status, size, rest), and the last one."""
    done = subprocess.run([program, *options], input="\n".join(urls) + "\n", capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    *lines, last = done.stdout.splitlines()
    told = {}
    for line in lines:
        found = re.fullmatch(r" *(\d+|-) +\d+\.\d+ s +(\d+)  ([^ ]*?)(: .*| \(.*|)", line)
        assert found and found[3] not in told, line
        told[found[3]] = (found[1], int(found[2]), found[4])
    assert set(told) == set(urls), (told, urls)
    return told, last, done.stderr


def answers(program):
    """Each kind of answer, and of no answer, is told for what it is."""
    keeper, refused = refused_port()
    origin = Server().origin
    expected = {
        f"{origin}/size/0": ("200", 0, ""),
        f"{origin}/size/3000000": ("200", 3000000, ""),
        f"{origin}/chunked": ("200", 11, ""),
        f"{origin}/status/204": ("204", 0, ""),
        f"{origin}/status/404": ("404", 0, ""),
        f"{origin}/status/500": ("500", 0, " (3 tries)"),
        f"{origin}/flaky/2": ("200", 0, " (3 tries)"),
        f"{origin}/hops/5": ("200", 7, ""),
        f"{origin}/hops/6": ("-", 0, ": too many redirects"),
        f"{origin}/loop": ("-", 0, ": too many redirects"),
        f"{origin}/away": ("-", 0, ": neither http nor https"),
        f"{origin}/closing": ("-", 0, ": the answer is cut short (3 tries)"),
        f"{origin}/cut": ("-", 0, ": the answer is cut short (3 tries)"),
        f"{origin}/garbage": ("-", 0, ": the answer is not HTTP"),
        f"http://127.0.0.1:{refused}/": ("-", 0, ": Connection refused (3 tries)"),
        "http://nobody.invalid/": ("-", 0, ": no such host"),
        "http://": ("-", 0, ": no URL"),
        "mailto:anna@example.org": ("-", 0, ": neither http nor https"),
    }
    told, last, _ = run(program, "--pause=0.01", "--redirects=5", "--at-once=20", urls=list(expected), status=1)
    wrong = {url: told[url] for url in expected if told[url] != expected[url]}
    assert not wrong, wrong
    good = sum(status.startswith("2") for status, _, _ in expected.values())
    assert last.startswith(f"{good} good, {len(expected) - good} bad, 0 given up;"), last
    keeper.close()


def timeouts(program):
    """Whoever says nothing, or never comes to an end, is given up in time."""
    origin = Server().origin
    urls = [f"{origin}/silent", f"{origin}/drip"]
    told, last, _ = run(program, "--timeout=0.5", "--retries=1", "--pause=0", urls=urls, status=1)
    assert all(told[url] == ("-", 0, ": timed out (2 tries)") for url in urls), told
    assert last.startswith("0 good, 2 bad, 0 given up;"), last


def at_once(program):
    """Exactly eight at a time: eight meet in the server, which only eight at once can, and there are never nine."""
    origin = Server().origin
    run(program, "--at-once=8", urls=[f"{origin}/meet/{i}" for i in range(64)], status=0)
    assert Odd.most == 8, Odd.most


def as_ready(program):
    """The second is told while the first one still waits, and before there is a third."""
    origin = Server().origin
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    process.stdin.write(f"{origin}/gated\n# not this one\n\n{origin}/size/1\n")
    assert process.stdout.readline().endswith("/size/1\n")
    process.stdin.write(f"{origin}/size/2\n")
    assert process.stdout.readline().endswith("/size/2\n")
    Odd.gate.set()
    assert process.stdout.readline().endswith("/gated\n")
    process.stdin.close()
    assert process.stdout.readline().startswith("3 good, 0 bad, 0 given up;")
    assert process.wait(PATIENCE) == 0


def back_off(program):
    """Each next try comes after at least twice the time."""
    origin = Server().origin
    run(program, "--pause=0.1", "--retries=3", urls=[f"{origin}/status/500"], status=1)
    times = Odd.asked["/status/500"]
    assert len(times) == 4, times
    for earlier, later, pause in zip(times, times[1:], (0.1, 0.2, 0.4)):
        assert later - earlier >= pause, (times, pause)


def total(program):
    """When the time for all is over nothing is lost of what was known, and the rest is told as given up."""
    origin = Server().origin
    urls = [f"{origin}/size/{i}" for i in range(10)] + [f"{origin}/silent/{i}" for i in range(3)]
    told, last, errors = run(program, "--total=4", urls=urls, status=1)
    assert all(told[url] == ("200", i, "") for i, url in enumerate(urls[:10])), told
    assert all(told[url] == ("-", 0, ": given up") for url in urls[10:]), told
    assert last.startswith("10 good, 0 bad, 3 given up;") and errors == "bulk_urls: the time for all is over\n", (last, errors)


def interrupt(program):
    """The same when somebody presses Ctrl-C."""
    origin = Server().origin
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    process.stdin.write(f"{origin}/silent\n{origin}/size/1\n")
    assert process.stdout.readline().endswith("/size/1\n")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and errors == "bulk_urls: interrupted\n", (process.returncode, errors)
    assert re.fullmatch(r".*/silent: given up\n1 good, 0 bad, 1 given up;.*\n", output, re.DOTALL), output


def tls(program):
    """A certificate that is trusted and is for this host, and not for another."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key", f"{folder}/certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *unused: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        right, wrong = f"https://localhost:{port}/size/100000", f"https://127.0.0.1:{port}/size/1"
        told, _, _ = run(program, urls=[right, wrong], status=1, environment={"SSL_CERT_FILE": certificate})
        assert told[right] == ("200", 100000, "") and told[wrong][2].startswith(": TLS failed"), told
        told, _, _ = run(program, urls=[right], status=1)
        assert told[right][2].startswith(": TLS failed"), told


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
