#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""chat.py CLAIM PORT [PROCESS] - people who talk by chat_server, for test_examples.sh"""
import os
import re
import signal
import socket
import struct
import sys
import time

PATIENCE = 30     # seconds that anything may take at most
CROWD = 40        # who talk at once; the server keeps 64 lines for each reader
ROUNDS = 12
TEXT = "x" * 480


class Person:
    def __init__(self, port, name="", receive_buffer=0):
        self.name = name
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""
        self.notices = []
        if name:
            self.expect("*** what is your name?")
            self.say(name)
            self.expect("*** you are in room lobby")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def hear(self):
        """A line; empty at the end.  What came before a timeout stays in the buffer."""
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                assert not self.buffer, self.buffer
                return ""
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def hear_others(self):
        """What somebody said; what the server tells goes to the notices."""
        while (line := self.hear()).startswith("***"):
            self.notices.append(line)
        return line

    def expect(self, line):
        heard = self.hear()
        assert heard == line, f"{self.name} heard {heard!r} instead of {line!r}"

    def ask(self, line, answer):
        self.say(line)
        self.expect(answer)

    def expect_end(self):
        self.expect("")
        self.socket.close()

    def vanish(self):
        """As a machine that was switched off and on: no end of stream but a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def manners(port):
    """What each command does, who hears it, and what is refused."""
    anna, bert = Person(port, "anna"), Person(port)
    bert.expect("*** what is your name?")
    bert.ask("", "*** a name is 1 to 20 letters, digits, - or _")
    bert.ask("b/rt", "*** a name is 1 to 20 letters, digits, - or _")
    bert.ask("b" * 21, "*** a name is 1 to 20 letters, digits, - or _")
    bert.ask("ANNA", "*** ANNA is here already")
    bert.ask("bert", "*** you are in room lobby")
    anna.expect("*** bert comes in")
    anna.say("good morning")
    bert.expect("[anna] good morning")
    anna.say("\x1b[2Jred\r")
    bert.expect("[anna]  [2Jred")
    bert.ask("/nick anna", "*** anna is here already")
    bert.ask("/nick Bert", "*** you are called Bert")
    anna.expect("*** bert is called Bert now")
    anna.ask("/join kitchen", "*** you are in room kitchen")
    bert.expect("*** anna goes to room kitchen")
    anna.say("nobody hears this")
    anna.ask("/who", "*** in room kitchen: anna")
    bert.ask("/who", "*** in room lobby: Bert")
    anna.ask("/msg carl hello", "*** nobody is called carl")
    anna.ask("/msg bert", "*** /msg NAME TEXT")
    anna.say("/msg bert come here")
    bert.expect("[anna, to you] come here")
    bert.ask("/sing", "*** there are /join ROOM, /msg NAME TEXT, /nick NAME, /who and /quit")
    bert.ask("/join kitchen", "*** you are in room kitchen")
    anna.expect("*** Bert comes in")
    bert.say("/quit")
    bert.expect_end()
    anna.expect("*** Bert has left")
    anna.ask("y" * 513, "*** a line has 512 bytes at most: good bye")
    anna.expect_end()


def gather(port, count):
    people = []
    for i in range(count):
        people.append(Person(port, f"p{i}"))
        for other in people[:-1]:
            other.expect(f"*** p{i} comes in")
    return people


def one_round(people, number):
    """Each says a line, and hears one of every other: all of them, in the order in which each was said."""
    for person in people:
        person.say(f"{number} {TEXT}")
    for person in people:
        heard = {person.hear_others() for _ in people[1:]}
        assert heard == {f"[{other.name}] {number} {TEXT}" for other in people if other is not person}, person.name


def read_again(slow, crier, said):
    """What SLOW hears and what it is told to have missed is all that was SAID."""
    heard, lost = 0, 0
    for attempt in range(100):
        crier.say(f"that was all {attempt}")
        said += 1
        slow.socket.settimeout(0.2)
        try:
            while True:
                line = slow.hear()
                note = re.match(r"\*\*\* (\d+) lines are lost", line)
                lost += int(note[1]) if note else 0
                heard += not note
                if "that was all" in line and heard + lost == said:
                    return lost
        except TimeoutError:
            pass
    sys.exit(f"{said} lines were said, {heard} heard and {lost} told as lost")


def crowd(port):
    """Many talk at once, one reads nothing, one breaks off: the others miss nothing, and the slow one learns what it missed."""
    people = gather(port, CROWD)
    slow = Person(port, "slow", receive_buffer=4096)
    for person in people:
        person.expect("*** slow comes in")
    for number in range(ROUNDS):
        one_round(people, number)
    assert not any(person.notices for person in people)
    lost = read_again(slow, people[0], CROWD * ROUNDS)
    assert lost > 0, "the kernel took everything: the slow one was not slow enough"
    people.pop(CROWD // 2).vanish()
    slow.socket.settimeout(PATIENCE)
    slow.expect(f"*** p{CROWD // 2} has left")
    for person in people:
        while "that was all" in (line := person.hear()):
            assert person is not people[0]
        assert line == f"*** p{CROWD // 2} has left", line
    one_round(people, ROUNDS)


def too_slow(port):
    """Who does not read for longer than is allowed is out; the others are told, and go on."""
    people = gather(port, 3)
    slow = Person(port, "slow", receive_buffer=4096)
    for person in people:
        person.expect("*** slow comes in")
    number, end = 0, time.monotonic() + PATIENCE
    while not all(person.notices for person in people) and time.monotonic() < end:
        one_round(people, number)
        number += 1
    one_round(people, number)
    for person in people:
        assert person.notices == ["*** slow read too slowly and is out"], person.notices
    try:
        while slow.socket.recv(65536):
            pass
    except ConnectionResetError:
        pass


def idle(port):
    """Who says nothing is sent away, whether it has a name or not."""
    nobody, somebody = Person(port), Person(port, "somebody")
    nobody.expect("*** what is your name?")
    for person in (nobody, somebody):
        person.expect("*** you said nothing for 3 seconds: good bye")
        person.expect_end()


def limit(port):
    """Of a server for two a third one hears nothing before one of them has left."""
    first, second, third = Person(port, "first"), Person(port, "second"), Person(port)
    third.socket.settimeout(0.3)
    try:
        sys.exit(f"the third one was let in: {third.hear()}")
    except TimeoutError:
        third.socket.settimeout(PATIENCE)
    first.vanish()
    assert third.socket.recv(100) == b"*** what is your name?\n"
    second.expect("*** first has left")


def stop(port, pid):
    """At SIGTERM everybody is told, and one who does not read keeps nobody waiting."""
    people = gather(port, 3)
    slow = Person(port, "slow", receive_buffer=4096)
    for person in people:
        person.expect("*** slow comes in")
    for number in range(100):
        one_round(people, number)
    os.kill(pid, signal.SIGTERM)
    for person in people:
        while (line := person.hear()) != "*** the server ends: good bye":
            assert re.match(r"\*\*\* \w+ has left", line), line
        person.expect_end()
    slow.vanish()


if __name__ == "__main__":
    globals()[sys.argv[1]](*map(int, sys.argv[2:]))
