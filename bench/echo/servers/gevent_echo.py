# SPDX-License-Identifier: MIT
"""gevent_echo.py server|sockets - gevent's StreamServer, or a greenlet per connection on its blocking sockets"""
import sys

import gevent
from gevent import socket
from gevent.server import StreamServer

CHUNK, BACKLOG = 4096, 1024


def echo(connection, _address):
    with connection:
        while data := connection.recv(CHUNK):
            connection.sendall(data)


def stream_server():
    server = StreamServer(("127.0.0.1", 0), echo, backlog=BACKLOG)
    server.start()
    print("listening on", server.server_port, flush=True)
    server.serve_forever()


def sockets():
    listener = socket.socket()  # create_server would make one of Python's own, which blocks every greenlet
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    print("listening on", listener.getsockname()[1], flush=True)
    while True:
        gevent.spawn(echo, *listener.accept())


{"server": stream_server, "sockets": sockets}[sys.argv[1]]()
