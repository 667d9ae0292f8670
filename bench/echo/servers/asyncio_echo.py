# SPDX-License-Identifier: MIT
"""asyncio_echo.py protocol|streams|sock asyncio|uvloop - asyncio's three ways to write a server, on either loop"""
import asyncio
import socket
import sys

CHUNK, BACKLOG = 4096, 1024


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def protocol(listener):
    await asyncio.get_running_loop().create_server(Echo, sock=listener, backlog=BACKLOG)


async def serve_stream(reader, writer):
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()


async def streams(listener):
    await asyncio.start_server(serve_stream, sock=listener, backlog=BACKLOG)


async def serve_sock(loop, connection):
    with connection:
        while data := await loop.sock_recv(connection, CHUNK):
            await loop.sock_sendall(connection, data)


async def sock(listener):
    loop, tasks = asyncio.get_running_loop(), set()
    listener.setblocking(False)
    while True:
        connection, _ = await loop.sock_accept(listener)
        task = loop.create_task(serve_sock(loop, connection))
        tasks.add(task)     # the loop itself keeps only weak references
        task.add_done_callback(tasks.discard)


async def main(form):
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    print("listening on", listener.getsockname()[1], flush=True)
    await form(listener)
    await asyncio.Event().wait()


if sys.argv[2] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main({"protocol": protocol, "streams": streams, "sock": sock}[sys.argv[1]]))
