#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""crew.py - CPython threads, each with a connection of its own through a driver that blocks; crew.c in Python

Arguments: driver, threads, turns, milliseconds that the server takes for an answer, port, place.
"""

import ssl
import sys
import threading
import time


class Psycopg2:
    """PostgreSQL through libpq: the C code blocks without a word to Python, other than that it drops the GIL."""

    def __init__(self, number, port, place):
        import psycopg2  # pylint: disable=import-outside-toplevel
        self.number = number
        self.connection = psycopg2.connect(host=place, port=port, dbname="postgres", user="tester", connect_timeout=20)
        self.connection.autocommit = True

    def ask(self, turn, ms):
        with self.connection.cursor() as cursor:
            cursor.execute("select pg_sleep(%s), %s * 7", (ms / 1000, self.number * 1000 + turn))
            return cursor.fetchone()[1] == (self.number * 1000 + turn) * 7

    def close(self):
        self.connection.close()


class Redis:
    """redis-py, all of it Python on sockets; to ponder is to wait for an element that nobody pushes."""

    def __init__(self, number, port, _place):
        import redis  # pylint: disable=import-outside-toplevel
        self.number = number
        self.client = redis.Redis(port=port, single_connection_client=True)
        self.client.ping()

    def ask(self, turn, ms):
        if ms and self.client.blpop(f"nothing:{self.number}", timeout=ms / 1000) is not None:
            return False
        text = b"%d of thread %d" % (turn, self.number)
        return self.client.set(f"own:{self.number}", text) and self.client.get(f"own:{self.number}") == text

    def close(self):
        self.client.close()


class MySQLdb:
    """MariaDB through its library in C."""

    def __init__(self, number, _port, place):
        import MySQLdb as driver  # pylint: disable=import-outside-toplevel
        self.number = number
        self.connection = driver.connect(unix_socket=place, user="tester", passwd="")

    def ask(self, turn, ms):
        cursor = self.connection.cursor()
        cursor.execute("select sleep(%s), %s * 7", (ms / 1000, self.number * 1000 + turn))
        return cursor.fetchone()[1] == (self.number * 1000 + turn) * 7

    def close(self):
        self.connection.close()


class HttpClient:
    """The standard library's HTTP client over TLS."""

    def __init__(self, number, port, place):
        import http.client  # pylint: disable=import-outside-toplevel
        context = ssl.create_default_context(cafile=place)
        self.number = number
        self.connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
        self.connection.connect()

    def ask(self, turn, ms):
        path = f"/{ms}/{self.number}-{turn}"
        self.connection.request("GET", path)
        return self.connection.getresponse().read() == path.encode()

    def close(self):
        self.connection.close()


class Requests:
    """requests, with a session for each thread, which keeps its connection."""

    def __init__(self, number, port, place):
        import requests  # pylint: disable=import-outside-toplevel
        self.number, self.base = number, f"https://localhost:{port}"
        self.session = requests.Session()
        self.session.trust_env, self.session.verify = False, place
        self.session.get(self.base + "/0/hello", timeout=30)

    def ask(self, turn, ms):
        path = f"/{ms}/{self.number}-{turn}"
        return self.session.get(self.base + path, timeout=30).text == path

    def close(self):
        self.session.close()


DRIVERS = {"psycopg2": Psycopg2, "redis": Redis, "MySQLdb": MySQLdb, "http.client": HttpClient, "requests": Requests}


class Worker(threading.Thread):
    """Connects, waits for the others, asks."""

    def __init__(self, number, make, connected, turns, ms):
        super().__init__()
        self.number, self.make, self.connected, self.turns, self.ms = number, make, connected, turns, ms
        self.right, self.lost = 0, True

    def run(self):
        try:
            connection = self.make(self.number)
            self.lost = False
        finally:
            self.connected.wait()
        self.right = sum(bool(connection.ask(turn, self.ms)) for turn in range(self.turns))
        connection.close()


def main():
    driver = DRIVERS[sys.argv[1]]
    threads, turns, ms, port = map(int, sys.argv[2:6])
    connected = threading.Barrier(threads + 1)
    threading.stack_size(512 * 1024)
    workers = [Worker(i, lambda number: driver(number, port, sys.argv[6]), connected, turns, ms)
               for i in range(threads)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    connected.wait()
    ready = time.monotonic()
    for worker in workers:
        worker.join()
    done = time.monotonic()
    right, lost = sum(worker.right for worker in workers), sum(worker.lost for worker in workers)
    print(f"connected {(ready - began) * 1e3:.0f} ms, asked {(done - ready) * 1e3:.0f} ms", file=sys.stderr)
    print(f"{right} right, {(threads - lost) * turns - right} wrong, {lost} without a connection")
    return 0 if right == threads * turns else 1


if __name__ == "__main__":
    sys.exit(main())
