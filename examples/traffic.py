#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""traffic.py CLAIM PORT... - clients for test_examples.sh; each claim about a server is checked byte for byte"""
import os
import socket
import sys
import threading

PATIENCE = 20   # seconds that anything may take at most
MANY = 60       # connections to a server that has descriptors for fewer


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def to_the_end(connection):
    parts = []
    while more := connection.recv(65536):
        parts.append(more)
    return b"".join(parts)


def one_stream(port, size, wrongs):
    """Sends random bytes, then half-closes; all must come back, then the end."""
    try:
        with connect(port) as connection:
            sent = os.urandom(size)
            sender = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
            sender.start()
            received = to_the_end(connection)
            sender.join()
        if received != sent:
            wrongs.append(f"{len(received)} bytes came back, or others than the {len(sent)} sent")
    except OSError as error:
        wrongs.append(repr(error))


def streams(port):
    """Forty streams of different lengths at once, all echoed."""
    wrongs = []
    clients = [threading.Thread(target=one_stream, args=(port, 20000 * i + 1, wrongs)) for i in range(40)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not wrongs, wrongs[0]


def few_descriptors(port):
    """Those for whom there is no descriptor wait in the backlog, and are served when others have left."""
    connections = [connect(port) for _ in range(MANY)]
    for number, connection in enumerate(connections):
        connection.sendall(bytes([number]))
    for number, connection in enumerate(connections):
        with connection:
            assert connection.recv(2) == bytes([number]), f"connection {number} got something else"


def both_ends(proxy, listening):
    """One connection through the proxy, from both sides."""
    with socket.create_server(("127.0.0.1", listening)) as listener:
        listener.settimeout(PATIENCE)
        client = connect(proxy)
        server = listener.accept()[0]
        server.settimeout(PATIENCE)
    return client, server


def half_close(proxy, listening):
    """Each side in turn ends its direction first, and the other direction still carries data."""
    for turn in range(2):
        ends = both_ends(proxy, listening)
        early, late = ends[turn], ends[1 - turn]
        early.sendall(b"first words")
        early.shutdown(socket.SHUT_WR)
        assert to_the_end(late) == b"first words"
        late.sendall(b"x" * 300000)
        late.close()
        assert to_the_end(early) == b"x" * 300000
        early.close()


def nobody_there(proxy):
    """The target refuses: the client sees the end, and the proxy lives on."""
    for _ in range(3):
        with connect(proxy) as client:
            assert client.recv(1) == b""


def main():
    claims = {f.__name__: f for f in (streams, few_descriptors, half_close, nobody_there)}
    try:
        claims[sys.argv[1]](*map(int, sys.argv[2:]))
    except (AssertionError, OSError) as error:
        print(f"traffic.py: {sys.argv[1]}: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
