# SPDX-License-Identifier: MIT
"""targets.py - what echo servers written with libgreen have to reach, judged round by round"""
from bars import Bar, always, figure, times
from kinds import LIMIT
from report import amount
from shapes import SOME

GREEN, NATIVE = "green_tasks", "c_pthreads"
LIBRARIES = (("c_uv", "libuv"), ("go", "Go"), ("c_st", "State Threads"))
MOST_CALLS = 2.2            # of a message: recv, send, and a share of epoll_wait


def microseconds(value):
    return f"{amount(value)} µs"


def rate(value):
    return f"{value:,.0f}/s"


def key(shape, kind, what):
    """Where a round has that figure."""
    return f"{tuple(shape)} {kind} {what}"


def beside(shape, what, words, theirs, factor, show, peer, least=False):
    limit = f"{factor:g} × {peer}" if factor != 1 else f"that of {peer}"
    return Bar(f"{words}, {shape.name}", limit, figure(key(shape, GREEN, what)),
               times(factor, key(shape, theirs, what)), show, least)


def bars_of(shape):
    if shape.count in SOME:
        yield beside(shape, "cpu", "CPU/message", LIMIT, 1.05, microseconds, "epoll by hand")
    if shape.plain:
        for theirs, peer in LIBRARIES:
            yield beside(shape, "cpu", "CPU/message", theirs, 1, microseconds, peer)
        if shape.count in (1, 8):
            yield beside(shape, "rate", "messages/s", NATIVE, 0.97, rate, "native threads", least=True)
        if shape.count >= 64:
            yield Bar(f"system calls/message, {shape.name}", f"{MOST_CALLS:g}", figure(key(shape, GREEN, "calls")),
                      always(MOST_CALLS), "{:.2f}".format)
        if shape.count == 1000:
            yield beside(shape, "p99", "p99", LIMIT, 1.3, microseconds, "epoll by hand")


def all_bars(shapes):
    return [bar for shape in shapes for bar in bars_of(shape)]


def scalars(figures):
    """All rounds as bars judge them, system calls as one more."""
    rounds = [{} for _ in range(max(map(len, figures.rounds.values()), default=0))]
    for (kind, shape), runs in figures.rounds.items():
        for values, run in zip(rounds, runs):
            values.update({key(shape, kind, what): value for what, value in (run or {}).items()})
    return [*rounds, {key(shape, kind, "calls"): calls for (kind, shape), calls in figures.calls.items() if calls}]
