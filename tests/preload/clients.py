# SPDX-License-Identifier: MIT
"""clients.py - many connections to one server at once, which compare every byte; the origin behind a proxy"""

import asyncio
import re
import socket
import struct
import time
from contextlib import asynccontextmanager

from harness import Failure, describe_hang

REPLY_LIMIT = 30


# ---- what the clients say ----

async def dial(port):
    return await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)


def payload(connection, turn):
    """A text that no other connection or turn has; each hundredth connection sends more than any buffer holds."""
    text = b"%d/%d " % (connection, turn)
    size = 300000 if connection % 100 == 99 else 100
    return (text * (size // len(text) + 1))[:size]


async def write_all(writer, data):
    writer.write(data)
    await writer.drain()


async def echo_exchange(stream, connection, turn):
    """One message there and back: both directions at once, as the message may exceed the buffers."""
    reader, writer = stream
    data = payload(connection, turn)
    _, back = await asyncio.gather(write_all(writer, data), reader.readexactly(len(data)))
    return back == data


async def http_exchange(stream, connection, turn):
    reader, writer = stream
    size = http_size(connection)
    await write_all(writer, b"GET /file%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % size)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
    return head.split(b" ", 2)[1] == b"200" and await reader.readexactly(length) == body(size)


async def http_first(stream, _origin):
    """An answer shows that the connection was accepted, and makes room for the next."""
    if not await http_exchange(stream, 0, 0):
        raise Failure("the first reply is wrong")


def http_size(connection):
    return 300000 if connection % 100 == 99 else 100


def body(size):
    return bytes(i * 7 % 251 for i in range(1000)) * (size // 1000) if size >= 1000 else b"b" * size


async def connect_handshake(stream, origin):
    reader, writer = stream
    await write_all(writer, b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (origin, origin))
    head = await reader.readuntil(b"\r\n\r\n")
    if head.split(b" ", 2)[1] != b"200":
        raise Failure(f"the proxy says {head[:100]!r}")


async def socks_handshake(stream, origin):
    reader, writer = stream
    await write_all(writer, b"\5\1\0")
    if await reader.readexactly(2) != b"\5\0":
        raise Failure("the SOCKS greeting is wrong")
    await write_all(writer, b"\5\1\0\1" + socket.inet_aton("127.0.0.1") + struct.pack(">H", origin))
    reply = await reader.readexactly(10)
    if reply[:2] != b"\5\0":
        raise Failure(f"the SOCKS reply is {reply!r}")


async def serve_origin(reader, writer):
    """Behind a proxy: sends every byte back."""
    try:
        while data := await reader.read(65536):
            await write_all(writer, data)
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def origin_server():
    server = await asyncio.start_server(serve_origin, "127.0.0.1", 0, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# ---- clients at work ----

class Clients:
    """Connections to one server, opened a few at a time and kept."""

    def __init__(self, server, origin):
        self.server, self.origin, self.streams = server, origin, []
        self.gate = asyncio.Semaphore(server.kind.at_a_time)

    async def open_one(self, number):
        async with self.gate:
            stream = await dial(self.server.port)
            if self.server.kind.handshake:
                await self.server.kind.handshake(stream, self.origin)
        self.streams[number] = stream

    async def open(self, count):
        first = len(self.streams)
        self.streams += [None] * count
        await self.at_once(self.open_one(i) for i in range(first, first + count))

    async def exchange(self, turn, streams=None):
        """One message on each connection at once; all must come back whole."""
        chosen = range(len(self.streams)) if streams is None else streams
        good = await self.at_once(self.server.kind.exchange(self.streams[i], i, turn) for i in chosen)
        if not all(good):
            raise Failure(f"{good.count(False)} wrong replies in turn {turn}")

    async def at_once(self, steps):
        try:
            return await asyncio.wait_for(asyncio.gather(*steps), REPLY_LIMIT)
        except asyncio.TimeoutError:
            raise Failure(f"no answer in {REPLY_LIMIT} s\n{describe_hang(self.server.process.pid)}") from None
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise Failure(f"a connection was lost: {error!r}\n{self.server.printed()[-500:]}") from None

    def close(self, streams):
        for i in streams:
            self.streams[i][1].close()


@asynccontextmanager
async def clients_of(server):
    async with origin_server() as origin:
        clients = Clients(server, origin)
        try:
            yield clients
        finally:
            clients.close(i for i, stream in enumerate(clients.streams) if stream)


async def rounds_within(clients, streams, count, most):
    """COUNT messages on each of STREAMS, and the whole in at most MOST seconds."""
    start = time.monotonic()
    for turn in range(count):
        await clients.exchange(turn, streams)
    took = time.monotonic() - start
    if took > most:
        raise Failure(f"{count} rounds took {took:.1f} s, at most {most} s expected")
    return took
