# SPDX-License-Identifier: MIT
"""jobs.py - a job server as one writes it in CPython: threads, locks, timers, sockets, subprocesses and exceptions"""

import concurrent.futures
import queue
import socket
import socketserver
import subprocess
import sys
import threading
import time


class Refused(Exception):
    """What the server says of a job that makes no sense."""


def checksum(text):
    """Work that keeps the interpreter busy for some switches of its lock."""
    value = 7
    for _ in range(300):
        for char in text:
            value = (value * 31 + ord(char)) % 1000003
    return value


def by_command(text):
    done = subprocess.run(["sort", "-r"], input=text.replace(",", "\n"), capture_output=True, text=True, check=True)
    return done.stdout.replace("\n", ",").rstrip(",")


def failing_command(_):
    try:
        subprocess.run(["sh", "-c", "exit 5"], check=True)
    except subprocess.CalledProcessError as error:
        raise Refused(f"status {error.returncode}") from error


def slow_command(_):
    try:
        subprocess.run(["sleep", "30"], timeout=0.05, check=False)
    except subprocess.TimeoutExpired:
        return "killed in time"
    return "it slept on"


KINDS = {"sum": checksum, "sort": by_command, "fail": failing_command, "slow": slow_command}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        with self.server.counting:
            self.server.connections += 1
        for line in self.rfile:
            kind, _, text = line.decode().rstrip("\n").partition(" ")
            try:
                if kind not in KINDS:
                    raise Refused(f"no such job: {kind}")
                answer = f"ok {KINDS[kind](text)}"
            except Refused as refusal:
                answer = f"refused {refusal}"
            self.wfile.write(answer.encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.counting, self.connections = threading.Lock(), 0


def client(number, port, answers):
    jobs = [f"sum client{number}", f"sort c{number},a,b", "nonsense x", "fail", f"sum again{number}"]
    if number % 4 == 0:
        jobs.append("slow")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, connection.makefile("rw") as file:
        for job in jobs:
            file.write(job + "\n")
            file.flush()
            answers.put((number, job, file.readline().rstrip("\n")))


def serve():
    server, answers = Server(), queue.Queue()
    server_thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    server_thread.start()
    clients = [threading.Thread(target=client, args=(i, server.server_address[1], answers)) for i in range(12)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    server.shutdown()
    server.server_close()
    server_thread.join()
    for number, job, answer in sorted(answers.queue):
        print(f"{number} {job}: {answer}")
    print("connections", server.connections)


def timers():
    fired, all_fired = [], threading.Event()

    def fire(name, last):
        fired.append(name)
        if last:
            all_fired.set()

    cancelled = threading.Timer(0.05, fire, ("cancelled", False))
    cancelled.start()
    for index, name in enumerate(["first", "second", "third"]):
        threading.Timer(0.1 + 0.2 * index, fire, (name, index == 2)).start()
    cancelled.cancel()
    print("in time", all_fired.wait(30), fired)


def pipeline():
    """A bounded buffer between producers and consumers, with a condition and with errors that travel in futures."""
    changed, buffer, consumed = threading.Condition(), [], []

    def produce(base):
        for value in range(base, base + 50):
            with changed:
                changed.wait_for(lambda: len(buffer) < 4)
                buffer.append(value)
                changed.notify_all()

    def consume():
        while True:
            with changed:
                changed.wait_for(lambda: buffer)
                value = buffer.pop(0)
                changed.notify_all()
            if value is None:
                raise EOFError("nothing is left")
            consumed.append(value)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        consumers = [pool.submit(consume) for _ in range(3)]
        producers = [pool.submit(produce, base) for base in (0, 1000, 2000)]
        for future in producers:
            future.result()
        with changed:
            buffer.extend([None] * 3)
            changed.notify_all()
        print([repr(future.exception()) for future in consumers])
    print("consumed", len(consumed), sum(consumed))


def unhandled():
    """An exception that leaves a thread ends that thread only."""
    seen = []
    threading.excepthook = lambda args: seen.append(f"{args.exc_type.__name__}: {args.exc_value}")
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    print("unhandled", seen)


def locals_and_barriers():
    own, barrier, order = threading.local(), threading.Barrier(5), []

    def run(number):
        own.value = number
        serial = barrier.wait()
        time.sleep(0.001 * (5 - number))
        order.append((own.value, serial >= 0))
        barrier.wait()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("locals", sorted(order), hasattr(own, "value"))


if __name__ == "__main__":
    sys.setswitchinterval(0.002)
    serve()
    timers()
    pipeline()
    unhandled()
    locals_and_barriers()
    print("threads left", threading.active_count())
