#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""console.py PROGRAM SOCKET - talks to the console of debug_console, and ends its workers"""
import re
import signal
import socket
import subprocess
import sys
import time

PROMPT = b"green> "


class Console:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.answer()

    def answer(self):
        text = b""
        while not text.endswith(PROMPT):
            more = self.socket.recv(65536)
            if not more:
                return text.decode()
            text += more
        return text[:-len(PROMPT)].decode()

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\n")
        return self.answer()


def expect(pattern, text):
    found = re.search(pattern, text)
    if not found:
        sys.exit(f"nothing like {pattern!r} in:\n{text}")
    return found


def main(program, path):
    process = subprocess.Popen([program, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        expect(rf"process {process.pid} waits", process.stdout.readline())
        time.sleep(0.5)
        console, other = Console(path), Console(path)
        numbers = [expect(rf"worker-{i} \((\d+), task\): sleeps", console.ask("list"))[1] for i in (1, 2, 3)]
        expect(r"greenlets \d+\n(.*\n)*switches \d+", other.ask("stats"))
        expect(rf"worker-2 \({numbers[1]}, task\)", console.ask(f"stacks {numbers[1]}"))
        process.send_signal(signal.SIGQUIT)
        time.sleep(0.5)
        for number in numbers:
            expect("was asked to end", console.ask(f"kill {number}"))
        output, errors = process.communicate(timeout=20)
        expect(r"green: task careless \(\d+\) has failed with ENODATA", errors)
        expect(r"green: for \d+ ms nobody else could run; hub of kernel thread \d+: kept by hog", errors)
        expect(r"hub of kernel thread \d+: \d+ greenlets(.*\n)*.*worker-3 \(", errors)
        return process.returncode
    finally:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
