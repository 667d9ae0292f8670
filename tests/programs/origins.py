# SPDX-License-Identifier: MIT
"""origins.py - servers for the clients under test that need no program: files by HTTP, and a sink that counts bytes

They run in a thread of this process.
"""

import asyncio
import functools
import socket
import threading

from harness import Failure

START_LIMIT = 30
BACKLOG = 2048


class Origin:
    """A server of asyncio's in a thread; each connection is one of PROTOCOL."""

    protocol, place = None, "127.0.0.1"

    def __init__(self):
        self.port, self.loop, self.ready = 0, asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        if not self.ready.wait(START_LIMIT):
            raise Failure("the origin does not start")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def run(self):
        asyncio.set_event_loop(self.loop)
        making = self.loop.create_server(lambda: self.protocol(self), "127.0.0.1", 0, backlog=BACKLOG)
        server = self.loop.run_until_complete(making)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()


# ---- files by HTTP ----

SITE = 2000


def links_of(number):
    """Each page but the first has a parent; some lead elsewhere, to where others have led before."""
    return [link for link in (3 * number - 1, 3 * number, 3 * number + 1, number * 7 % SITE + 1) if link <= SITE]


def page(number):
    links = "".join(f"<li><a href='/{number % 4 * 5}/site/{link}'>{link}</a>" for link in links_of(number))
    return f"<html><head><title>Page {number} &amp; more</title></head><body><ul>{links}</ul></body></html>".encode()


@functools.lru_cache(maxsize=2)
def content(path):
    """What /MS/SIZE/NAME holds: SIZE bytes in which its own path comes again and again; or a page."""
    if path.split("/")[2] == "site":
        return page(int(path.split("/")[3]))
    size = int(path.split("/")[2])
    line = f"{path} ".encode()
    return (line * (size // len(line) + 1))[:size]


def header(head, name):
    """The value of a header, or None."""
    for line in head.split("\r\n")[1:]:
        if line.lower().startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    return None


def answer(head):
    """The whole reply to a request, whole or a range of it."""
    method, path = head.split(" ")[:2]
    data = content(path)
    status, extra, span = "200 OK", "", header(head, "range")
    if span:
        first, last = span.split("=")[1].split("-")
        last = min(int(last or len(data) - 1), len(data) - 1)
        status, extra = "206 Partial Content", f"Content-Range: bytes {first}-{last}/{len(data)}\r\n"
        data = data[int(first):last + 1]
    text = (f"HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n{extra}"
            f"Content-Length: {len(data)}\r\n\r\n")
    return text.encode() + (b"" if method == "HEAD" else data)


class WebConnection(asyncio.Protocol):
    """Requests one after the other, each answered after the time that its path asks for."""

    def __init__(self, _origin):
        self.transport, self.received = None, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            head = head.decode()
            asyncio.get_running_loop().call_later(int(head.split("/")[1]) / 1000, self.reply, head)

    def reply(self, head):
        if self.transport.is_closing():
            return
        self.transport.write(answer(head))
        if header(head, "connection") == "close":
            self.transport.close()


class Web(Origin):
    """HTTP; /MS/SIZE/NAME is a file of SIZE bytes, /MS/site/N a page, each sent MS milliseconds after the request."""

    name, protocol = "the web server", WebConnection


# ---- a sink ----

class SinkConnection(asyncio.BufferedProtocol):
    """Counts what comes, into memory that nobody looks at."""

    buffer = bytearray(1 << 18)

    def __init__(self, origin):
        self.origin, self.count = origin, 0

    def connection_made(self, transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def get_buffer(self, _hint):
        return self.buffer

    def buffer_updated(self, count):
        self.count += count

    def connection_lost(self, _error):
        self.origin.counts.append(self.count)


class Sink(Origin):
    """Takes whatever comes; COUNTS has the number of bytes of each connection that has ended."""

    name, protocol = "the sink", SinkConnection

    def __init__(self):
        super().__init__()
        self.counts = []
