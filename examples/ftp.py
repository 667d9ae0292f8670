#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ftp.py CLAIM PROGRAM - clients of ftp_server, of ftplib and curl, for test_examples.sh; every byte is compared"""
import ftplib
import io
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30      # seconds that anything may take at most
USERS = 12         # at once
BIG = 3_000_007    # bytes of a file: several blocks of the server, and not a whole number of them
ENDLESS = 64 << 20 # bytes that fit into no buffers of sockets


class Server:
    """One that serves the users anna, bert and guest, each in a directory of its own, beside which lies a secret."""

    def __init__(self, program, *options, names=("anna", "bert")):
        self.top = tempfile.mkdtemp()
        with open(f"{self.top}/users", "w", encoding="utf-8") as users:
            users.write("# name:password:directory\n\n")
            for name in names:
                os.mkdir(f"{self.top}/{name}")
                users.write(f"{name}:secret of {name}:{self.top}/{name}\n")
            os.mkdir(f"{self.top}/guest")
            users.write(f"guest:*:{self.top}/guest:ro\n")
        self.put("secret", b"nobody's business")
        self.process = subprocess.Popen([program, f"{self.top}/users", "0", *options], stdout=subprocess.PIPE, text=True)
        self.port = int(re.fullmatch(r"listening on (\d+)\n", self.process.stdout.readline())[1])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.top)

    def put(self, path, content):
        with open(f"{self.top}/{path}", "wb") as file:
            file.write(content)

    def get(self, path):
        with open(f"{self.top}/{path}", "rb") as file:
            return file.read()

    def client(self, name=""):
        client = ftplib.FTP()
        client.connect("127.0.0.1", self.port, PATIENCE)
        if name:
            client.login(name, f"secret of {name}")
        return client

    def ends(self):
        """At SIGTERM, with status 0."""
        assert self.process.wait(PATIENCE) == 0, self.process.returncode


def store(client, name, content, **options):
    client.storbinary(f"STOR {name}", io.BytesIO(content), **options)


def retrieve(client, name, rest=None):
    parts = []
    client.retrbinary(f"RETR {name}", parts.append, rest=rest)
    return b"".join(parts)


def refused(code, function, *arguments):
    try:
        answer = function(*arguments)
    except ftplib.Error as error:
        assert str(error).startswith(code), f"{arguments}: {error} instead of {code}"
        return
    sys.exit(f"{arguments}: not refused: {answer}")


def alive(client):
    """Still in step: the answer to a command is the one to that command."""
    assert client.sendcmd("SYST") == "215 UNIX Type: L8"


def files(program):
    """Store, retrieve, append, list, rename, delete, and directories, each way that a data connection can be had."""
    with Server(program) as server, server.client("anna") as client:
        big = os.urandom(BIG)
        for client.af, name in ((socket.AF_INET, "by PASV"), (socket.AF_INET6, "by EPSV")):
            store(client, name, big)
            assert server.get(f"anna/{name}") == big
            assert retrieve(client, name) == big
            client.storbinary(f"APPE {name}", io.BytesIO(b"more"))
            assert server.get(f"anna/{name}") == big + b"more"
            assert client.size(name) == BIG + 4
        store(client, "by PASV", b"short")
        assert server.get("anna/by PASV") == b"short"
        store(client, "empty", b"")
        assert server.get("anna/empty") == b"" == retrieve(client, "empty")
        assert client.nlst() == ["by EPSV", "by PASV", "empty"]
        client.mkd("sub")
        client.cwd("sub")
        assert client.pwd() == "/sub"
        client.rename("../empty", "/sub/moved \"here\"")
        assert os.listdir(f"{server.top}/anna/sub") == ["moved \"here\""]
        client.mkd("a \"b\"")
        client.cwd("a \"b\"")
        assert client.pwd() == "/sub/a \"b\""
        client.cwd("..")
        client.rmd("a \"b\"")
        refused("550", client.rmd, "/sub")
        client.delete("moved \"here\"")
        client.cwd("/")
        client.rmd("sub")
        assert sorted(os.listdir(f"{server.top}/anna")) == ["by EPSV", "by PASV"]
        refused("550", retrieve, client, "none")
        refused("550", retrieve, client, "/")
        alive(client)


def listings(program):
    """LIST is as of ls -l, for a directory, a file, and another directory; MDTM is the time of a file."""
    with Server(program) as server, server.client("anna") as client:
        os.mkdir(f"{server.top}/anna/sub")
        server.put("anna/file", b"12345")
        os.chmod(f"{server.top}/anna/file", 0o640)
        os.utime(f"{server.top}/anna/file", (951782400, 951782400))
        lines = []
        client.dir(lines.append)
        assert lines[0] == "-rw-r----- 1 ftp ftp 5 Feb 29  2000 file", lines
        assert re.fullmatch(r"drwx.{6} 2 ftp ftp \d+ \w{3} [ \d]\d \d\d:\d\d sub", lines[1]) and len(lines) == 2, lines
        client.dir("-la file", lines.append)
        assert lines[2:] == lines[:1], lines
        client.dir("sub", lines.append)
        assert len(lines) == 3, lines
        assert client.sendcmd("MDTM file") == "213 20000229000000"
        for number in range(2000):
            server.put(f"anna/sub/{number:04}", b"")
        assert client.nlst("sub") == [f"{number:04}" for number in range(2000)]


def resume(program):
    """REST goes on where a transfer stopped, in both directions, and counts for the next transfer only."""
    with Server(program) as server, server.client("anna") as client:
        big = os.urandom(BIG)
        server.put("anna/big", big)
        for offset in (0, 1, BIG // 2, BIG - 1, BIG):
            assert retrieve(client, "big", rest=offset) == big[offset:]
            store(client, "copy", big[:offset])
            store(client, "copy", big[offset:], rest=offset)
            assert server.get("anna/copy") == big
        assert retrieve(client, "big", rest=BIG + 10) == b""
        assert retrieve(client, "big") == big
        refused("554", lambda: store(client, "copy", b"x", rest=BIG + 1))
        refused("501", client.sendcmd, "REST -1")
        assert server.get("anna/copy") == big
        alive(client)


def one_user(server, name, wrongs):
    try:
        with server.client(name) as client:
            for size in (1, 70_001, BIG):
                content = os.urandom(size)
                store(client, "file", content)
                assert server.get(f"{name}/file") == content, f"{name}: {size} bytes stored"
                assert retrieve(client, "file") == content, f"{name}: {size} bytes retrieved"
            assert client.nlst() == ["file"]
    except (OSError, EOFError, AssertionError, ftplib.Error) as error:
        wrongs.append(f"{name}: {error!r}")


def users(program):
    """Many at once, each with files of the same names, none of which gets into another's hands."""
    names = [f"user{number}" for number in range(USERS)]
    wrongs = []
    with Server(program, names=names) as server:
        threads = [threading.Thread(target=one_user, args=(server, name, wrongs)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrongs, wrongs


def passwords(program):
    """Without the right one nothing is told; after three wrong ones the connection ends; who only reads changes nothing."""
    with Server(program) as server:
        client = server.client()
        for command in ("PWD", "PASV", "LIST", "SIZE ../secret", "CWD /", "DELE x"):
            refused("530", client.sendcmd, command)
        refused("530", client.login, "anna", "secret of bert")
        refused("530", client.login, "nobody", "*")
        refused("530", client.sendcmd, "PWD")
        refused("421", client.login, "anna", "*")
        assert client.sock.recv(1) == b""
        client.close()
        server.put("guest/file", b"for all")
        with server.client() as guest:
            guest.login("guest", "whatever@example.org")
            assert retrieve(guest, "file") == b"for all"
            for command in ("STOR x", "APPE file", "DELE file", "MKD x", "RMD x", "RNFR file"):
                refused("550", guest.sendcmd, command)
            assert server.get("guest/file") == b"for all"


def confined(program):
    """No path and no link leads out of the user's directory, neither to read nor to write nor to go there."""
    with Server(program) as server, server.client("anna") as client:
        for name, target in (("up", ".."), ("there", "../secret"), ("absolute", f"{server.top}/secret"), ("root", "/")):
            os.symlink(target, f"{server.top}/anna/{name}")
        for path in ("../secret", "/../secret", f"{server.top}/secret", "up/secret", "there", "absolute", "root/etc/passwd"):
            refused("550", retrieve, client, path)
            refused("550", client.size, path)
        for path in ("up/new", "there", "absolute"):
            refused("550", store, client, path, b"overwritten")
        for path in ("up", "root", "up/bert"):
            refused("550", client.cwd, path)
            refused("550", client.nlst, path)
        store(client, "mine", b"mine")
        refused("550", client.rename, "mine", "up/bert/mine")
        refused("550", client.rename, "up/secret", "got")
        refused("550", client.delete, "up/secret")
        refused("550", client.mkd, "up/new")
        client.cwd("../../..")
        assert client.pwd() == "/" and "mine" in client.nlst("/../..")
        client.delete("there")
        assert server.get("secret") == b"nobody's business"
        assert sorted(os.listdir(server.top)) == ["anna", "bert", "guest", "secret", "users"]
        assert not os.listdir(f"{server.top}/bert")


def reset(connection):
    """As a machine that was switched off and on."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def endless(server):
    with open(f"{server.top}/anna/endless", "wb") as file:
        file.truncate(ENDLESS)


def cut_short(program):
    """Of a transfer that the client breaks off the client is told; the session, and the others', go on."""
    with Server(program) as server, server.client("anna") as client, server.client("bert") as other:
        endless(server)
        data = client.transfercmd("RETR endless")
        assert data.recv(10) == bytes(10)
        reset(data)
        refused("426", client.voidresp)
        data = client.transfercmd("STOR partly")
        data.sendall(b"x" * 1000)
        while os.stat(f"{server.top}/anna/partly").st_size < 1000:
            time.sleep(0.01)
        reset(data)
        refused("426", client.voidresp)
        assert server.get("anna/partly") == b"x" * 1000
        store(client, "partly", b"y" * 500, rest=1000)
        assert retrieve(client, "partly") == b"x" * 1000 + b"y" * 500
        with server.client("anna") as vanishing:
            data = vanishing.transfercmd("RETR endless")
            assert data.recv(10) == bytes(10)
            vanishing.file.close()
            reset(vanishing.sock)
            reset(data)
        store(other, "file", b"still served")
        assert retrieve(other, "file") == b"still served"
        alive(client)


def abort(program):
    """ABOR, also as urgent data, ends a transfer in either direction, or one nobody has connected for; and is no error without."""
    with Server(program) as server, server.client("anna") as client:
        endless(server)
        assert client.sendcmd("ABOR").startswith("226")
        for _ in range(3):
            data = client.transfercmd("RETR endless")
            assert data.recv(10) == bytes(10)
            assert client.abort().startswith("426")
            assert client.voidresp().startswith("226")
            data.close()
        data = client.transfercmd("STOR partly")
        data.sendall(b"x" * 1000)
        while os.stat(f"{server.top}/anna/partly").st_size < 1000:
            time.sleep(0.01)
        client.sock.sendall(b"\xff\xf4\xff\xf2ABOR\r\n")
        refused("426", client.voidresp)
        assert client.voidresp().startswith("226")
        data.close()
        assert server.get("anna/partly") == b"x" * 1000
        client.sendcmd("PASV")
        client.putcmd("RETR endless")
        assert client.getresp().startswith("150")
        assert client.abort().startswith("426")
        assert client.voidresp().startswith("226")
        assert retrieve(client, "partly") == b"x" * 1000
        alive(client)


def idle(program):
    """Who says nothing is sent away, and a transfer that stands still is given up; one that is slow lasts."""
    with Server(program, "--idle=5", "--stalled=2") as server, server.client("anna") as client, server.client("bert") as quiet:
        endless(server)
        server.put("anna/small", b"abc")
        standing = client.transfercmd("RETR endless")
        refused("426", client.voidresp)
        standing.close()
        slow = client.transfercmd("STOR slowly")
        for _ in range(16):
            slow.sendall(b"x")
            time.sleep(0.25)
        slow.close()
        assert client.voidresp().startswith("226")
        assert server.get("anna/slowly") == b"x" * 16
        refused("421", quiet.getresp)
        assert quiet.sock.recv(1) == b""


def stop(program):
    """At SIGTERM who does nothing is sent away, a transfer comes to its end, and then its client is sent away."""
    with Server(program) as server:
        big = os.urandom(ENDLESS)
        server.put("anna/big", big)
        idler, busy = server.client("bert"), server.client("anna")
        data = busy.transfercmd("RETR big")
        received = data.recv(10)
        server.process.send_signal(signal.SIGTERM)
        refused("421", idler.getresp)
        assert idler.sock.recv(1) == b""
        try:
            socket.create_connection(("127.0.0.1", server.port), PATIENCE).close()
            sys.exit("it still accepts clients")
        except ConnectionRefusedError:
            pass
        with data, data.makefile("rb") as file:
            received += file.read()
        assert received == big
        assert busy.voidresp().startswith("226")
        refused("421", busy.getresp)
        idler.close()
        busy.close()
        server.ends()


def stop_in_time(program):
    """A transfer that goes on for longer than the time of grace does not keep the server."""
    with Server(program, "--grace=1") as server:
        endless(server)
        client = server.client("anna")
        data = client.transfercmd("RETR endless")
        assert data.recv(10) == bytes(10)
        server.process.send_signal(signal.SIGTERM)
        server.ends()
        data.close()
        client.close()


def curl(program):
    """What curl does with ftp://: get, list, go on, store, append, rename, delete, several files on one connection."""
    with Server(program) as server:
        url = f"ftp://127.0.0.1:{server.port}"
        big = os.urandom(BIG)
        server.put("big", big)
        server.put("half", big[:BIG // 2])

        def run(*arguments, user="anna", status=0):
            done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), "-u", f"{user}:secret of {user}", *arguments],
                                  capture_output=True, check=False)
            assert done.returncode == status, (arguments, done.returncode, done.stderr)
            return done.stdout

        run("-T", f"{server.top}/big", f"{url}/new/dir/big", "--ftp-create-dirs")
        assert server.get("anna/new/dir/big") == big == run(f"{url}/new/dir/big") == run("--disable-epsv", f"{url}/new/dir/big")
        assert run(f"{url}/new/dir/big", f"{url}/new/dir/big") == big + big
        assert run("-r", "100-199", f"{url}/new/dir/big") == big[100:200]
        run("-C", "-", "-o", f"{server.top}/half", f"{url}/new/dir/big")
        assert server.get("half") == big
        run("-a", "-T", f"{server.top}/secret", f"{url}/new/dir/big")
        assert server.get("anna/new/dir/big") == big + b"nobody's business"
        run("-Q", "RNFR new/dir/big", "-Q", "RNTO moved", f"{url}/")
        assert run("-l", f"{url}/") == b"moved\nnew\n"
        run("-Q", "DELE moved", f"{url}/")
        assert os.listdir(f"{server.top}/anna") == ["new"]
        run("--path-as-is", f"{url}/../secret", status=78)
        run(f"{url}/%2f../%2e%2e/secret", "--path-as-is", status=78)
        run(f"{url}/", user="nobody", status=67)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
