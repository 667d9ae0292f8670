#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""http_traffic.py CASE PORT [ARGUMENT...] - what well-behaved, clumsy and hostile clients send to http_server

Its directory has index.html, which begins with "<h1>", and big.txt.
"""
import errno
import http.client
import os
import re
import select
import signal
import socket
import struct
import sys
import threading
import time

PATIENCE = 30
GET = b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
LAST = b"GET /index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def dial(port):
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_all(connection):
    """What comes until the end; a connection that is cut ends, too."""
    text = b""
    try:
        while more := connection.recv(65536):
            text += more
    except ConnectionResetError:
        pass
    return text


def talk(port, request):
    with dial(port) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_all(connection)


def statuses(answers):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def expect(holds, *facts):
    if not holds:
        sys.exit(" ".join(map(repr, facts)))


def body_of(answers):
    """The body of the first of them, which has chunks; how they are cut is the network's affair."""
    body, text = b"", answers.split(b"\r\n\r\n", 1)[1]
    while text:
        size, text = text.split(b"\r\n", 1)
        if not int(size, 16):
            break
        body, text = body + text[:int(size, 16)], text[int(size, 16) + 2:]
    return body


# ---- requests that are refused: name, bytes, status.  Each one ends the connection, and what follows it is no request. ----

def post(*headers, body=b""):
    return POST + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = [  # heads
    # The first line.
    ("no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("8 bits in the target", b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("zero in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("version 1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("version 0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("another protocol", b"GET / HTCP/1.1\r\nHost: a\r\n\r\n", 400),
    ("unknown method", b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("method of nobody here", b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("small letters", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n", 400),
    ("two empty lines", b"\r\n\r\n" + GET, 400),
    ("too long a line", b"GET /" + b"a" * (8193 - 14) + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("endless line", b"GET /" + b"a" * 100000, 414),
    ("encoded zero", b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("half an escape", b"GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("wrong escape", b"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    # Lines.
    ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("bare LF after a header", b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("bare CR", b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    ("zero", b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
    ("bell", b"GET / HTTP/1.1\r\nHost: a\7\r\n\r\n", 400),
    ("delete", b"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", 400),
    # Headers.
    ("space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400),
    ("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("space in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400),
    ("header that goes on", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("space before the first", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("too many headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: b\r\n" * 100 + b"\r\n", 431),
    ("too long a header", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"b" * 32768 + b"\r\n\r\n", 431),
    ("too much of headers", b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"b" * 1000 + b"\r\n") * 33 + b"\r\n", 431),
    ("endless header", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"b" * 100000, 431),
    ("unknown expectation", post(b"Expect: miracles", b"Content-Length: 1", body=b"a"), 417),
]
SMUGGLING = [  # how long a body is
    ("both lengths", post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), 400),
    ("both lengths, turned", post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"), 400),
    ("two lengths", post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab"), 400),
    ("a length twice", post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"), 400),
    ("list of lengths", post(b"Content-Length: 1, 1", body=b"a"), 400),
    ("length with a sign", post(b"Content-Length: +1", body=b"a"), 400),
    ("negative length", post(b"Content-Length: -1", body=b"a"), 400),
    ("hexadecimal length", post(b"Content-Length: 0x1", body=b"a"), 400),
    ("length with a point", post(b"Content-Length: 1.0", body=b"a"), 400),
    ("two figures apart", post(b"Content-Length: 1 0", body=b"a"), 400),
    ("no length at all", post(b"Content-Length:", body=b"a"), 400),
    ("length over 64 bits", post(b"Content-Length: 18446744073709551617", body=b"a"), 400),
    ("codings twice", post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400),
    ("chunked twice", post(CHUNKED + b", chunked", body=b"0\r\n\r\n"), 400),
    ("chunked not the last", post(CHUNKED + b", identity", body=b"0\r\n\r\n"), 400),
    ("identity", post(b"Transfer-Encoding: identity", body=b"a"), 400),
    ("unknown coding", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    ("nearly chunked", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    ("chunked in quotes", post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 400),
    ("vertical tab", post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    ("no coding", post(b"Transfer-Encoding:", body=b"0\r\n\r\n"), 400),
    ("chunked in 1.0", b"POST /echo HTTP/1.0\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n", 400),
    ("space in the name", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    # Chunks.
    ("no size", post(CHUNKED, body=b"\r\n\r\n"), 400),
    ("not hexadecimal", post(CHUNKED, body=b"g\r\n\r\n"), 400),
    ("size with a sign", post(CHUNKED, body=b"+1\r\na\r\n0\r\n\r\n"), 400),
    ("negative size", post(CHUNKED, body=b"-1\r\na\r\n0\r\n\r\n"), 400),
    ("size with 0x", post(CHUNKED, body=b"0x1\r\na\r\n0\r\n\r\n"), 400),
    ("space before a size", post(CHUNKED, body=b" 1\r\na\r\n0\r\n\r\n"), 400),
    ("space after a size", post(CHUNKED, body=b"1 \r\na\r\n0\r\n\r\n"), 400),
    ("size over 64 bits", post(CHUNKED, body=b"10000000000000001\r\na\r\n0\r\n\r\n"), 400),
    ("LF after a size", post(CHUNKED, body=b"1\na\r\n0\r\n\r\n"), 400),
    ("CR in an extension", post(CHUNKED, body=b"1;a\rb\r\na\r\n0\r\n\r\n"), 400),
    ("LF in an extension", post(CHUNKED, body=b"1;a\nb\r\na\r\n0\r\n\r\n"), 400),
    ("endless extension", post(CHUNKED, body=b"1;" + b"a" * 10000), 400),
    ("chunk longer than its size", post(CHUNKED, body=b"1\r\nab\r\n0\r\n\r\n"), 400),
    ("chunk without CR", post(CHUNKED, body=b"1\r\na\n0\r\n\r\n"), 400),
    ("chunk with other bytes behind it", post(CHUNKED, body=b"1\r\naXX0\r\n\r\n"), 400),
    # Trailers.
    ("trailer without a colon", post(CHUNKED, body=b"0\r\nnothing\r\n\r\n"), 400),
    ("trailer that goes on", post(CHUNKED, body=b"0\r\nX: a\r\n b\r\n\r\n"), 400),
    ("trailer with a length", post(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n"), 400),
    ("trailer with a coding", post(CHUNKED, body=b"0\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
    ("trailer with LF", post(CHUNKED, body=b"0\r\nX: a\n\r\n"), 400),
    ("trailers ended with LF", post(CHUNKED, body=b"0\r\n\n"), 400),
    ("request as a trailer", post(CHUNKED, body=b"0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
    ("endless trailers", post(CHUNKED, body=b"0\r\n" + b"X: a\r\n" * 10000), 400),
]


def refuse(port, table):
    for name, request, status in table:
        answers = talk(port, request + SMUGGLED)
        expect(statuses(answers) == [status], name, answers[:200])
        expect(b"\r\nConnection: close\r\n" in answers, name, answers)


def case_refused(port):
    refuse(port, REFUSED)


def case_smuggling(port):
    refuse(port, SMUGGLING)


# ---- requests that are in order: bytes, the statuses of all answers, what else is in them ----

ACCEPTED = [
    ("1.1", LAST, [200], b"<h1>"),
    ("1.0", b"GET / HTTP/1.0\r\n\r\n", [200], b"Connection: close"),
    ("empty line before", b"\r\n" + LAST, [200], b"<h1>"),
    ("address with a host", b"GET http://a/index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
     [200], b"<h1>"),
    ("query", b"GET /index.html?a=/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [200], b"<h1>"),
    ("escapes", b"GET /%69ndex%2ehtml HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [200], b"<h1>"),
    ("longest line", b"GET /" + b"a" * (8192 - 14) + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [404], b""),
    ("longest line with a query", b"GET /?" + b"a" * (8192 - 15) + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
     [200], b"<h1>"),
    ("as many headers as may be", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + b"X: b\r\n" * 98 + b"\r\n",
     [200], b"<h1>"),
    ("tabs, no spaces, 8 bits", b"GET / HTTP/1.1\r\nHost:a\t\r\nX:\tb c\xe4 \r\nConnection:close\r\n\r\n",
     [200], b"<h1>"),
    ("empty value", b"GET / HTTP/1.1\r\nHost:\r\nX:\r\nConnection: close\r\n\r\n", [200], b"<h1>"),
    ("list of options", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close ,y\r\n\r\n", [200], b"<h1>"),
    ("HEAD", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [200, 200], b"\r\n\r\nHTTP/1.1 200"),
    ("unused body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 38\r\n\r\n" + SMUGGLED, [200], b"Connection: close"),
    ("upgrade that is not wanted",
     b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + LAST, [200, 200], b"<h1>"),
    ("wrong method", b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [405, 200], b"Allow: OPTIONS, POST"),
    ("OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [204, 200], b"Allow: "),
    ("nothing there", b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [404, 200], b""),
    ("outside", b"GET /../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [403, 200], b""),
    ("outside, in escapes", b"GET /%2e%2e%2f%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [403, 200], b""),
    ("outside and back", b"GET /../www/index.html HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [403, 200], b""),
    ("link to outside", b"GET /outside HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [403, 200], b""),
    ("fifo", b"GET /fifo HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [403, 200], b""),
    ("directory", b"GET //sub HTTP/1.1\r\nHost: a\r\n\r\n" + LAST, [301, 200], b"Location: /sub/\r\n"),
    ("body of 1.0", b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", [200], b"\r\n\r\nabc"),
    ("chunk with an extension", post(CHUNKED, b"Connection: close", body=b"003;a=b\r\nabc\r\n0\r\n\r\n"), [200],
     b"c\r\n0\r\n\r\n"),
    ("trailers", post(CHUNKED, body=b"A\r\n0123456789\r\n000\r\nX: a\r\nY:\r\n\r\n") + LAST, [200, 200], b"9\r\n0\r\n\r\nHTTP/1.1 200 OK"),
    ("no body", post(b"Connection: close"), [200], b"\r\n\r\n0\r\n\r\n"),
    ("type", b"POST /echo?type=text/plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
     [200], b"Content-Type: text/plain\r\n"),
]


def case_accepted(port):
    for name, request, wanted, text in ACCEPTED:
        answers = talk(port, request)
        expect(statuses(answers) == wanted and text in answers, name, answers[:300])
        # Byte by byte it is the same request.
        with dial(port) as connection:
            try:
                for at in range(0, len(request), 1 + len(request) // 200):
                    connection.sendall(request[at:at + 1 + len(request) // 200])
            except (BrokenPipeError, ConnectionResetError):
                pass
            answers = read_all(connection)
        expect(statuses(answers) == wanted and text in answers, name, "in pieces", answers[:300])


def case_injection(port):
    """What a client names gets into a header of the answer, unless it would end it."""
    good = b"text/plain", b"a%20b"
    bad = b"a%0d%0aX-Evil:1", b"a%0aX-Evil:1", b"a%0dX-Evil:1", b"a%7f"
    for value, status in [(value, 200) for value in good] + [(value, 400) for value in bad]:
        answers = talk(port, b"POST /echo?type=%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % value)
        expect(statuses(answers) == [status] and b"Evil" not in answers, value, answers)
    answers = talk(port, b"GET //sub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    expect(b"\r\nLocation: /sub/\r\n" in answers, answers)


# ---- keep-alive, pipelining ----

def case_keep_alive(port):
    """Many requests on one connection of the standard client; HTTP/1.0 keeps it only if it is asked to."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.connect()
    first = connection.sock
    for i in range(100):
        connection.request("POST", "/echo", body=(b"%d " % i for _ in range(i)), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        answer = connection.getresponse()
        expect(answer.status == 200 and answer.read() == b"%d " % i * i, i)
        connection.request("GET", "/index.html")
        answer = connection.getresponse()
        expect(answer.status == 200 and answer.read().startswith(b"<h1>") and connection.sock is first, i)
    connection.close()
    old = b"GET /index.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answers = talk(port, old * 3 + b"GET /index.html HTTP/1.0\r\n\r\n" + SMUGGLED)
    expect(statuses(answers) == [200] * 4 and answers.count(b"Connection: keep-alive\r\n") == 3, answers)


def case_pipelining(port):
    """Requests at once are answered in their order, each after the one before it."""
    count = 300
    pairs = (post(b"Content-Length: 3", body=b"%03d" % i) + post(CHUNKED, body=b"3\r\n%03d\r\n0\r\n\r\n" % (i + 1))
             for i in range(0, count, 2))
    answers = talk(port, b"".join(pairs) + LAST)
    expect(statuses(answers) == [200] * (count + 1), statuses(answers))
    bodies = [body_of(answer) for answer in answers.split(b"HTTP/1.1 200 OK")[1:-1]]
    expect(bodies == [b"%03d" % i for i in range(count)], answers[:500])
    # One that is refused is the last one.
    answers = talk(port, GET * 3 + b"GET / HTTP/1.1\r\n\r\n" + GET * 3)
    expect(statuses(answers) == [200, 200, 200, 400], answers)


def case_big_echo(port):
    """What is sent while the answer comes is all there, in many chunks."""
    data = os.urandom(3_000_000)
    with dial(port) as connection:
        def send():
            connection.sendall(post(CHUNKED, b"Connection: close"))
            for at in range(0, len(data), 70_001):
                piece = data[at:at + 70_001]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        sender = threading.Thread(target=send)
        sender.start()
        answers = read_all(connection)
        sender.join()
    expect(body_of(answers) == data, len(answers))


# ---- 100-continue ----

def receive(connection, text):
    got = b""
    while text not in got:
        more = connection.recv(65536)
        expect(more, got)
        got += more
    return got


def case_continue(port):
    """The body is asked for only if it is wanted, and never in HTTP/1.0."""
    with dial(port) as connection:
        connection.sendall(post(b"Expect: 100-Continue", b"Content-Length: 3", b"Connection: close"))
        receive(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        expect(not select.select([connection], [], [], 0.2)[0], "an answer before the body")
        connection.sendall(b"abc")
        answers = read_all(connection)
        expect(statuses(answers) == [200] and body_of(answers) == b"abc", answers)
    for target, status in (b"/none", 405), (b"/index.html", 405):
        request = b"POST %b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 38\r\n\r\n" % target
        answers = talk(port, request + SMUGGLED)
        expect(statuses(answers) == [status] and b"Connection: close" in answers, answers)
    answers = talk(port, b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
    expect(statuses(answers) == [200] and answers.endswith(b"\r\n\r\nabc"), answers)


# ---- what goes wrong ----

def case_cut_short(port):
    """An answer that has begun is never ended as if it were whole; without one the client is told."""
    for body in b"3\r\nabc\r\nzz\r\n", b"3\r\nabc\r\n3\r\nabcX\r\n":
        answers = talk(port, post(CHUNKED, body=body))
        expect(len(statuses(answers)) <= 1 and not answers.endswith(b"0\r\n\r\n"), answers)
    for request in post(b"Content-Length: 5"), post(CHUNKED), post(CHUNKED, body=b"0\r\n"), b"GET / HTTP/1.1\r\nHost":
        with dial(port) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answers = read_all(connection)
        expect(statuses(answers) in ([400], []) and (statuses(answers) or b"GET" in request), request, answers)


    # Without chunks only a reset tells an answer that is cut short from one that is whole.
    with dial(port) as connection:
        connection.sendall(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nabc")
        receive(connection, b"\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        try:
            sys.exit(f"the end as if it were whole: {connection.recv(100)}")
        except ConnectionResetError:
            pass


def sends_on_after_answer(port):
    with dial(port) as connection:
        connection.sendall(b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        expect(b"Connection: close" in receive(connection, b"405 Method Not Allowed\n"), "no answer")
        try:
            for _ in range(20):
                connection.sendall(b"x" * 10000)
                time.sleep(0.005)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True


def case_unwanted_body(port):
    """Who sends on while the refusal comes is not reset for a second, so that it is read; a client that sleeps longer tries again."""
    expect(any(sends_on_after_answer(port) for _ in range(10)), "reset at once")


def case_vanish(port):
    """Clients that reset their connections, before, in and after an answer, trouble nobody."""
    for i in range(60):
        connection = dial(port)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        big = b"GET /big.txt HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall([b"GET", GET, big * 20, post(b"Content-Length: 9", body=b"abc")][i % 4])
        if i % 3:
            connection.recv(100 if i % 4 else 0)
        connection.close()
    expect(statuses(talk(port, LAST)) == [200], "no answer")


def case_no_descriptors(port):
    """Without a descriptor for the file the answer is 500, and the last one."""
    connections = []
    while len(connections) < 200:
        connection = dial(port)
        connection.settimeout(5)
        connections.append(connection)
        try:
            connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            if statuses(connection.recv(1000)) != [204]:
                break
        except TimeoutError:
            break  # it waits in the backlog
    first = connections[0]
    first.settimeout(PATIENCE)
    first.sendall(GET)
    answers = read_all(first)
    expect(statuses(answers) == [500] and b"Connection: close" in answers, len(connections), answers)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + PATIENCE
    while statuses(answers) != [200] and time.monotonic() < deadline:
        answers = talk(port, LAST)
    expect(statuses(answers) == [200], answers)


def case_timeouts(port):
    """Each after one second: no request, a head that does not end (408), a body that does not come (408), an answer nobody reads."""
    def ask(request, trickle=False):
        begin = time.monotonic()
        with dial(port) as connection:
            connection.sendall(request)
            try:
                while trickle and not select.select([connection], [], [], 0.1)[0]:
                    connection.sendall(b"X")
            except (BrokenPipeError, ConnectionResetError):
                pass
            answers = read_all(connection)
        expect(0.8 < time.monotonic() - begin < PATIENCE, request, time.monotonic() - begin)
        return statuses(answers)
    expect(ask(b"") == [], "silence")
    expect(ask(GET) == [200], "keep-alive")
    expect(ask(b"GET / HTTP/1.1\r\nHo") == [408], "half a head")
    expect(ask(b"GET / HTTP/1.1\r\nHost: ", trickle=True) == [408], "a head in drops")
    expect(ask(post(b"Content-Length: 5", body=b"")) == [408], "no body")
    with dial(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        deadline, cut = time.monotonic() + PATIENCE, False
        while not cut and time.monotonic() < deadline:
            time.sleep(0.1)
            cut = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1  # no more ESTABLISHED
        expect(cut, "an answer that nobody reads")


def case_workers(port):
    """Two workers that serve one client each serve two clients at a time."""
    connections = [dial(port) for _ in range(24)]
    for connection in connections:
        connection.sendall(GET)
    answered, deadline = set(), time.monotonic() + PATIENCE
    while len(answered) < 2 and time.monotonic() < deadline:
        answered.update(select.select(connections, [], [], 0.1)[0])
    time.sleep(0.3)
    answered.update(select.select(connections, [], [], 0)[0])
    expect(len(answered) == 2, len(answered))
    for connection in connections:
        connection.close()


# ---- logs ----

def case_secrets(port):
    """One request with a secret, one with a name that could end a text, one that is none."""
    answers = talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic sesame\r\nConnection: close\r\n\r\n")
    expect(statuses(answers) == [200], answers)
    answers = talk(port, b'GET /a"\\b HTTP/1.1\r\nHost: a\r\nCookie: sesame\r\nConnection: close\r\n\r\n')
    expect(statuses(answers) == [404], answers)
    answers = talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nCookie sesame\r\n\r\n")
    expect(statuses(answers) == [400], answers)


# ---- the end ----

def case_stop(port, pid):
    """At SIGTERM silent connections are closed at once, and requests that have begun are answered."""
    idle, begun, posting = dial(port), dial(port), dial(port)
    for connection in idle, begun:
        connection.sendall(GET)
        receive(connection, b"</h1>")
    begun.sendall(GET[:10])
    posting.sendall(post(CHUNKED, body=b"3\r\nabc\r\n"))
    receive(posting, b"abc\r\n")
    os.kill(int(pid), signal.SIGTERM)
    expect(read_all(idle) == b"", "the silent one")
    expect(not select.select([posting], [], [], 0.3)[0], "the one in the middle")
    try:
        dial(port).close()
        sys.exit("it still listens")
    except ConnectionRefusedError:
        pass
    posting.sendall(b"3\r\ndef\r\n0\r\n\r\n")
    expect(read_all(posting) == b"3\r\ndef\r\n0\r\n\r\n", "the rest")
    begun.sendall(GET[10:])
    answers = read_all(begun)
    expect(statuses(answers) == [200] and b"Connection: close" in answers, answers)


# ---- servers that the client must not believe ----

ANSWERS = [
    ("fine", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("until the end", b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
    ("in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x\r\nk\r\n0\r\nX: y\r\n\r\n", b"ok"),
    ("after interim answers",
     b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("nothing", b"", None),
    ("no HTTP", b"SSH-2.0-x\r\n\r\n", None),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-", None),
    ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", None),
    ("half of the chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None),
    ("half of the trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", None),
    ("both lengths", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\nok", None),
    ("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n", None),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", None),
    ("header that goes on", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", None),
    ("endless head", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000, None),
    ("endless interim answers", b"HTTP/1.1 102 Wait\r\n\r\n" * 1000, None),
]


def case_answers(client):
    import subprocess
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    for name, answer, body in ANSWERS:
        process = subprocess.Popen([client, "--timeout=20", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with listener.accept()[0] as connection:
            request = receive(connection, b"\r\n\r\n")
            expect(request.startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:"), request)
            try:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has seen enough
            output, errors = process.communicate(timeout=PATIENCE)
        expect((output, process.returncode) == ((body, 0) if body else (b"", 1)), name, output, errors)


def case_reuse(client):
    """One connection for three requests; a new one if the server has closed it meanwhile."""
    import subprocess
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    process = subprocess.Popen([client, *(url + str(i) for i in range(5))], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    number = 0
    for count in 3, 2:
        with listener.accept()[0] as connection:
            for _ in range(count):
                expect(receive(connection, b"\r\n\r\n").startswith(b"GET /%d " % number), number)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)
                number += 1
            if count == 3:
                receive(connection, b"GET /3 ")  # which it gets no answer to
    expect(process.communicate(timeout=PATIENCE)[0] == b"01234" and process.returncode == 0, "the rest")


def case_pipelined(client):
    """All requests come before the first answer; what one connection leaves unanswered is asked for on the next."""
    import subprocess
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    urls = [url + str(i) for i in range(7)]
    process = subprocess.Popen([client, "--pipeline", *urls], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for first, end in (0, 3), (3, 7):
        with listener.accept()[0] as connection:
            asked = receive(connection, b"GET /6 HTTP/1.1\r\nHost: " + url[7:-1].encode() + b"\r\n\r\n")
            expect(re.findall(rb"GET /(\d)", asked) == [b"%d" % i for i in range(first, 7)], asked)
            for i in range(first, end):
                close = b"Connection: close\r\n" if i == 2 else b""
                connection.sendall(b"HTTP/1.1 200 OK\r\n%bContent-Length: 1\r\n\r\n%d" % (close, i))
            read_all(connection)
    expect(process.communicate(timeout=PATIENCE)[0] == b"0123456" and process.returncode == 0, "the rest")


def case_serve(directory):
    """A server of the standard library with keep-alive: files, /chunked, and what is posted in chunks, turned round."""
    import http.server

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=directory)

        def log_message(self, *arguments):
            pass

        def answer_in_chunks(self, pieces):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def do_GET(self):
            if self.path == "/chunked":
                self.answer_in_chunks(b"%d " % i * i for i in range(1, 500))
            else:
                super().do_GET()

        def do_POST(self):
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self.answer_in_chunks(piece[::-1] for piece in reversed(pieces))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print("listening on", server.server_port, flush=True)
    server.serve_forever()


def case_chunked_text(path):
    """What /chunked has."""
    with open(path, "rb") as file:
        expect(file.read() == b"".join(b"%d " % i * i for i in range(1, 500)), path)


def case_free_port(unused):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1])


def main():
    case, first, *more = sys.argv[1:]
    globals()["case_" + case](int(first) if first.isdigit() else first, *more)


main()
