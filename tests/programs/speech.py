# SPDX-License-Identifier: MIT
"""speech.py - how a client speaks to each kind of server: a greeting, then questions whose answers are known

A speech makes texts only; talk.c says them and compares.  What cannot be known beforehand, such as the name and version
in a header, is learned from the native server, and the green one must say the same.
"""

import os
import re
import socket
import struct

from clients import payload
from harness import Failure

PATIENCE = 20


def expect(seen, expected, what):
    if seen != expected:
        raise Failure(f"{what} is {seen[:200]!r}, not {expected[:200]!r}")


def path_in(directory, name, content):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    return path


class Line:
    """One connection, while it is being greeted."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, data):
        self.socket.sendall(data)

    def hear(self, size):
        """Exactly SIZE bytes; each time the other end need not wait for an acknowledgement."""
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise Failure(f"the connection was closed after {data[-200:]!r}")
            data += piece
            if len(data) < size and self.socket.family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    def hear_until(self, end):
        data = b""
        while not data.endswith(end):
            data += self.hear(1)
        return data

    def ask(self, question, end=b"\n"):
        self.say(question)
        return self.hear_until(end)


class Speech:
    """An echo; the others say something else."""

    tls, origin = False, 0

    def greet(self, line, connection):
        """What comes before the first question."""

    def question(self, connection, turn):
        return payload(connection % 99, turn)

    def answer(self, connection, turn):
        return self.question(connection, turn)

    def free(self, _answer):
        """Where an answer may be anything, and for how many bytes."""
        return 0, 0

    def turn(self, connection, turn):
        """One turn of the script, as talk.c reads it."""
        question, answer = self.question(connection, turn), self.answer(connection, turn)
        text = struct.pack("=4I", len(question), len(answer), *self.free(answer)) + question + answer
        return text + bytes(-len(text) % 4)

    def script(self, connections, first, turns):
        """What is said on all connections in TURNS turns from the FIRST on."""
        return b"".join(struct.pack("=I", turns) + b"".join(self.turn(i, turn) for turn in range(first, first + turns))
                        for i in range(connections))


class Tls(Speech):
    """Only talk.c speaks TLS."""

    tls = True


# ---- proxies ----

class ConnectProxy(Speech):
    """An HTTP proxy that tunnels to the origin."""

    def greet(self, line, connection):
        place = b"127.0.0.1:%d" % self.origin
        head = line.ask(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (place, place), b"\r\n\r\n")
        expect(head.split(b" ", 2)[1], b"200", "the proxy's status")


class SocksProxy(Speech):
    """SOCKS 5 without a password."""

    def greet(self, line, connection):
        line.say(b"\5\1\0")
        expect(line.hear(2), b"\5\0", "the greeting")
        line.say(b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + struct.pack(">H", self.origin))
        expect(line.hear(10)[:2], b"\5\0", "the proxy's answer")


# ---- answers with a frame that is learned ----

class Learned(Speech):
    """Each answer is a text that is known within a frame that is always the same."""

    frame = None

    def greet(self, line, connection):
        before, after = self.frame_of(line, self.text(connection, 0), self.question(connection, 0))
        if self.frame is None:
            self.frame = before, after
        at, size = self.free(before)
        known = self.frame[0]
        expect(before[:at] + before[at + size:], known[:at] + known[at + size:], "what is before the answer")
        expect(after, self.frame[1], "what is after the answer")

    def frame_of(self, line, text, question):
        raise NotImplementedError

    def text(self, connection, turn):
        raise NotImplementedError

    def answer(self, connection, turn):
        return self.frame[0] + self.text(connection, turn) + self.frame[1]


class Http(Learned):
    """The answer is the path itself, whose length never changes."""

    def text(self, connection, turn):
        return b"/%04d/%06d" % (connection, turn)

    def path(self, connection, turn):
        return self.text(connection, turn)

    def question(self, connection, turn):
        return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % self.path(connection, turn)

    def frame_of(self, line, text, question):
        head = line.ask(question, b"\r\n\r\n")
        expect(head.split(b" ", 2)[1], b"200", "the status")
        expect(line.hear(int(re.search(rb"(?i)content-length: *(\d+)", head)[1])), text, "the body")
        return head, b""

    def free(self, answer):
        date = re.search(rb"(?i)\r\ndate: *([^\r]*)", answer)
        return (date.start(1), len(date[1])) if date else (0, 0)


class File(Http):
    """The answer is always the same file, which is given here."""

    def __init__(self, name, content):
        self.name, self.content = name, content

    def text(self, connection, turn):
        return self.content

    def path(self, connection, turn):
        return b"/%s?%d" % (self.name, turn)


def packet_of(number, data):
    return len(data).to_bytes(3, "little") + bytes([number]) + data


class Mysql(Learned):
    """A row of one column: its count, its description, an end, the row, an end."""

    def greet(self, line, connection):
        self.log_in(line)
        super().greet(line, connection)

    @staticmethod
    def packet(line):
        head = line.hear(4)
        return head + line.hear(int.from_bytes(head[:3], "little"))

    def log_in(self, line):
        """Protocol 4.1 and secure connections, in the name of a user without a password."""
        greeting = self.packet(line)
        expect(greeting[4], 10, "the protocol")
        line.say(packet_of(greeting[3] + 1, struct.pack("<IIB23x", 0x8200, 1 << 24, 33) + b"tester\0\0"))
        answer = self.packet(line)
        if answer[4:5] == b"\xfe":
            line.say(packet_of(answer[3] + 1, b""))
            answer = self.packet(line)
        expect(answer[4:5], b"\0", "the answer to the login")

    def text(self, connection, turn):
        return b"row %08d" % (connection * 7919 + turn)

    def question(self, connection, turn):
        return packet_of(0, b"\3select '%s' as answer" % self.text(connection, turn))

    def frame_of(self, line, text, question):
        line.say(question)
        before, found, after = b"".join(self.packet(line) for _ in range(5)).partition(text)
        expect(found, text, "the row")
        return before, after


# ---- NBD's old style ----

BLOCK = 4096


class Nbd(Speech):
    """A block is written to a place of the connection's own, and read in the next turn."""

    def greet(self, line, connection):
        expect(line.hear(152)[:16], b"NBDMAGIC" + bytes.fromhex("0000420281861253"), "the greeting")

    @staticmethod
    def block(connection, turn):
        return (payload(connection % 99, turn // 2) * 50)[:BLOCK]

    @staticmethod
    def handle(connection, turn):
        return struct.pack(">II", connection, turn)

    def question(self, connection, turn):
        reads = turn % 2
        head = struct.pack(">II8sQI", 0x25609513, 1 - reads, self.handle(connection, turn), connection * BLOCK, BLOCK)
        return head + (b"" if reads else self.block(connection, turn))

    def answer(self, connection, turn):
        head = struct.pack(">II8s", 0x67446698, 0, self.handle(connection, turn))
        return head + (self.block(connection, turn) if turn % 2 else b"")


# ---- Subversion's protocol ----

class Svn(Speech):
    """Whether a path of the connection's own is there."""

    @staticmethod
    def item(line):
        """One parenthesised item as it came."""
        text, depth = b"", 0
        while depth or not text:
            piece = line.hear_until(b" ")
            text += piece
            depth += (piece == b"( ") - (piece == b") ")
        return text

    def greet(self, line, connection):
        self.item(line)
        url = b"svn://127.0.0.1/repo"
        line.say(b"( 2 ( edit-pipeline svndiff1 ) %d:%s ) " % (len(url), url))
        self.item(line)
        line.say(b"( ANONYMOUS ( 0: ) ) ")
        self.item(line)
        expect(self.item(line)[:12], b"( success ( ", "the repository")

    def question(self, connection, turn):
        path = b"file-%d-%d" % (connection, turn)
        return b"( check-path ( %d:%s ( 0 ) ) ) " % (len(path), path)

    def answer(self, connection, turn):
        return b"( success ( ( ) 0: ) ) ( success ( none ) ) "


# ---- lines ----

class Rrd(Speech):
    """A file of the connection's own is made and then updated, at times that must rise."""

    def greet(self, line, connection):
        made = line.ask(b"CREATE %d.rrd -b 1000000000 DS:x:GAUGE:60:0:U RRA:LAST:0.5:1:10\n" % connection)
        expect(made, b"0 RRD created OK\n", "the answer to CREATE")

    def question(self, connection, turn):
        return b"UPDATE %d.rrd %d:%d\n" % (connection, 1000000060 + 60 * turn, connection)

    def answer(self, connection, turn):
        return b"0 errors, enqueued 1 value(s).\n"


class Collectd(Speech):
    """Values of the connection's own, at times that must rise."""

    def question(self, connection, turn):
        return b"PUTVAL host%d/tests/gauge-values interval=10 %d:%d\n" % (connection, 1000000000 + 10 * turn, turn)

    def answer(self, connection, turn):
        return b"0 Success: 1 value has been dispatched.\n"
