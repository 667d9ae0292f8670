# SPDX-License-Identifier: MIT
"""speech.py - how a client speaks to each kind of server: a greeting, and an exchange of which every byte is known"""

import os
import ssl
import struct

from clients import payload, write_all
from harness import Failure


def expect(seen, expected, what):
    if seen != expected:
        raise Failure(f"{what} is {seen[:200]!r}, not {expected[:200]!r}")


# ---- lines ----

async def ask_line(stream, question):
    reader, writer = stream
    await write_all(writer, question + b"\n")
    return await reader.readuntil(b"\n")


# ---- TLS ----

async def tls_handshake(stream, _origin):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await stream[1].start_tls(context)


async def small_echo(stream, connection, turn):
    reader, writer = stream
    data = payload(connection % 99, turn)
    await write_all(writer, data)
    return await reader.readexactly(len(data)) == data


# ---- HTTP ----

async def path_exchange(stream, connection, turn):
    """The server answers with the path itself."""
    reader, writer = stream
    path = b"/%d/%d" % (connection, turn)
    await write_all(writer, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return head.split(b" ", 2)[1] == b"200" and await reader.readexactly(length) == path


async def path_first(stream, _origin):
    if not await path_exchange(stream, 0, 0):
        raise Failure("the first reply is wrong")


# ---- MySQL's protocol ----

async def packet(reader):
    head = await reader.readexactly(4)
    return await reader.readexactly(int.from_bytes(head[:3], "little")), head[3]


def packet_of(number, data):
    return len(data).to_bytes(3, "little") + bytes([number]) + data


async def mysql_handshake(stream, _origin):
    """Protocol 4.1 and secure connections, in the name of a user without a password."""
    reader, writer = stream
    greeting, number = await packet(reader)
    if greeting[0] != 10:
        raise Failure(f"the greeting is {greeting[:100]!r}")
    await write_all(writer, packet_of(number + 1, struct.pack("<IIB23x", 0x8200, 1 << 24, 33) + b"tester\0\0"))
    answer, number = await packet(reader)
    if answer[:1] == b"\xfe":
        await write_all(writer, packet_of(number + 1, b""))
        answer, number = await packet(reader)
    if answer[:1] != b"\0":
        raise Failure(f"the login is answered by {answer!r}")


async def mysql_exchange(stream, connection, turn):
    """A row of one column: its count, its description, an end, the row, an end."""
    reader, writer = stream
    await write_all(writer, packet_of(0, b"\3select concat('row ', %d * 7 + %d)" % (connection, turn)))
    packets = [(await packet(reader))[0] for _ in range(5)]
    expected = b"row %d" % (connection * 7 + turn)
    return packets[0] == b"\1" and packets[3] == bytes([len(expected)]) + expected


# ---- NBD's old style ----

BLOCK = 4096


async def nbd_handshake(stream, _origin):
    head = await stream[0].readexactly(152)
    expect(head[:16], b"NBDMAGIC" + bytes.fromhex("0000420281861253"), "the greeting")


async def nbd_exchange(stream, connection, turn):
    """A block written to a place of the connection's own and read back."""
    reader, writer = stream
    data = (payload(connection % 99, turn) * 50)[:BLOCK]
    for command, content, reply in ((1, data, b""), (0, b"", data)):
        handle = struct.pack(">II", connection, turn)
        await write_all(writer, struct.pack(">II8sQI", 0x25609513, command, handle, connection * BLOCK, BLOCK) + content)
        expect(await reader.readexactly(16), struct.pack(">II8s", 0x67446698, 0, handle), "the reply's head")
        expect(await reader.readexactly(len(reply)), reply, "the block")
    return True


# ---- Subversion's protocol ----

async def svn_item(reader):
    """One parenthesised item as it came."""
    text, depth = b"", 0
    while True:
        piece = await reader.readuntil((b" "))
        text += piece
        depth += (piece == b"( ") - (piece == b") ")
        if depth == 0:
            return text


async def svn_handshake(stream, origin):
    reader, writer = stream
    await svn_item(reader)
    url = b"svn://127.0.0.1/repo"
    await write_all(writer, b"( 2 ( edit-pipeline svndiff1 ) %d:%s ) " % (len(url), url))
    await svn_item(reader)
    await write_all(writer, b"( ANONYMOUS ( 0: ) ) ")
    await svn_item(reader)
    if not (await svn_item(reader)).startswith(b"( success ( "):
        raise Failure("the repository is not there")
    del origin


async def svn_exchange(stream, connection, turn):
    """The newest revision, and whether a path of the connection's own is there."""
    reader, writer = stream
    nothing = b"( success ( ( ) 0: ) ) "
    await write_all(writer, b"( get-latest-rev ( ) ) ")
    expect(await svn_item(reader) + await svn_item(reader), nothing + b"( success ( 0 ) ) ", "the revision")
    path = b"file-%d-%d" % (connection, turn)
    await write_all(writer, b"( check-path ( %d:%s ( 0 ) ) ) " % (len(path), path))
    expect(await svn_item(reader) + await svn_item(reader), nothing + b"( success ( none ) ) ", "the path")
    return True


# ---- rrdcached's lines ----

async def rrd_handshake(stream, _origin):
    expect(await ask_line(stream, b"PING"), b"0 PONG\n", "the answer to PING")


async def rrd_exchange(stream, connection, turn):
    """A file of the connection's own is made once and then updated, at times that must rise."""
    name = b"%d.rrd" % connection
    if turn == 0:
        made = await ask_line(stream, b"CREATE " + name + b" -b 1000000000 DS:x:GAUGE:60:0:U RRA:LAST:0.5:1:10")
        expect(made, b"0 RRD created OK\n", "the answer to CREATE")
    answer = await ask_line(stream, b"UPDATE %s %d:%d" % (name, 1000000060 + 60 * turn, connection))
    expect(answer, b"0 errors, enqueued 1 value(s).\n", "the answer to UPDATE")
    return True


def path_in(directory, name, content):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    return path
