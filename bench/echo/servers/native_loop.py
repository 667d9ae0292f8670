# SPDX-License-Identifier: MIT
"""native_loop.py - a coroutine loop by hand: generators that yield what they wait for, a ready queue, and select"""
import socket
from collections import deque
from select import select

CHUNK, BACKLOG = 4096, 1024
ready, readers, writers = deque(), {}, {}


def echo(connection):
    with connection:
        while True:
            yield readers, connection
            data = connection.recv(CHUNK)
            if not data:
                return
            while data:
                yield writers, connection
                data = data[connection.send(data):]


def server():
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print("listening on", listener.getsockname()[1], flush=True)
    while True:
        yield readers, listener
        ready.append(echo(listener.accept()[0]))


def run():
    while True:
        while not ready:
            can_read, can_write, _ = select(readers, writers, [])
            ready.extend(readers.pop(connection) for connection in can_read)
            ready.extend(writers.pop(connection) for connection in can_write)
        task = ready.popleft()
        try:
            waits, connection = next(task)
            waits[connection] = task
        except (StopIteration, ConnectionError):
            pass


ready.append(server())
run()
