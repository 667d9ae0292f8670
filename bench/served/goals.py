# SPDX-License-Identifier: MIT
"""goals.py - what whole servers have to reach under `green run`, judged round by round"""
from bars import Bar, always, figure, times
from kinds import LIMIT
from report import amount, count_name
from settings import BUSY, IDLE, PIPELINE, SHORT, SIZES, echo_key

GREEN, NATIVE = "run_pthreads", "c_pthreads"
MOST_CALLS = 2.2            # of a message: recv, send, and a share of epoll_wait
MOST_SLEEPS = 0.05          # of a message


def microseconds(value):
    return f"{amount(value)} µs"


def rate(value):
    return f"{value:,.0f}/s"


def kilobytes(value):
    return f"{value:.2f} KB"


def times_each(value):
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def key(setting, kind, what):
    """Where a round has that figure."""
    return f"{setting} {kind} {what}"


# Each goal is a pair of the setting that it is about and the bar.

def at_most(setting, what, words, mine, theirs, factor, show, peer):
    return setting, Bar(words, f"{factor:g} × {peer}", figure(key(setting, mine, what)),
                        times(factor, key(setting, theirs, what)), show)


def at_least(setting, words, mine, theirs, factor, peer, what="rate"):
    return setting, Bar(words, f"{factor:g} × {peer}", figure(key(setting, mine, what)),
                        times(factor, key(setting, theirs, what)), rate, least=True)


def below(setting, what, words, mine, limit):
    return setting, Bar(words, f"{limit:g}", figure(key(setting, mine, what)), always(limit), times_each)


def shapes():
    for pipeline in (1, PIPELINE):
        for size in SIZES:
            yield size, pipeline, f"{size:,} bytes" + (f", {pipeline} in flight" if pipeline > 1 else "")


def echo_bars():
    for size, pipeline, words in shapes():
        for count, share in ((64, 0.8), (1000, 0.65)):
            setting, name = echo_key(count, size, pipeline), f"CPU/message, {count_name(count)}, {words}"
            yield at_most(setting, "cpu", name, GREEN, LIMIT, 1.05, microseconds, "epoll by hand")
            yield at_most(setting, "cpu", name, GREEN, NATIVE, share, microseconds, "native threads")
    for size, pipeline, words in shapes():
        for count in (1, 8):
            yield at_least(echo_key(count, size, pipeline), f"messages/s, {count_name(count)}, {words}", GREEN, NATIVE,
                           0.95, "native threads")
    for count in (64, 1000):
        yield below(echo_key(count), "calls", f"system calls/message, {count_name(count)}, 64 bytes", GREEN, MOST_CALLS)
    yield below("switches", "switches", f"sleeps/message, {BUSY} connections", GREEN, MOST_SLEEPS)


def python_bars():
    for count, share, threads in ((BUSY, 0.9, 1.3), (1000, 0.75, 3)):
        peers = (("gevent_server", 2, "gevent's StreamServer"), ("uvloop_sock", 1.3, "uvloop's sock_recv"),
                 ("uvloop_protocol", share, "uvloop's Protocol"), ("python_threads", threads, "native threads"))
        for theirs, factor, peer in peers:
            yield at_least(f"python{count}", f"CPython: messages/s, {count_name(count)}", "run_python", theirs, factor,
                           peer)
    yield below(f"python{BUSY}", "switches", f"CPython: sleeps/message, {BUSY} connections", "run_python", MOST_SLEEPS)


def other_bars():
    yield at_most(echo_key(1000), "p99", "p99, 1,000 connections, 64 bytes", GREEN, LIMIT, 1.3, microseconds,
                  "epoll by hand")
    for mine, name in ((GREEN, "green run"), ("green_server", "green_server")):
        yield at_least("short", f"connections/s, {SHORT} at a time, {name}", mine, NATIVE, 1.5, "native threads")
        yield at_least("short", f"connections per second of the server's CPU, {name}", mine, NATIVE, 1.5,
                       "native threads", "per_cpu")
    for mine, name in (("green_server", "green_server"), ("run_small", "green run, stacks of 64 KB"),
                       (GREEN, "green run, stacks of 8 MB")):
        yield at_most("idle", "total", f"memory of one of {IDLE:,} idle connections, {name}", mine, "small_pthreads",
                      0.5, kilobytes, "native threads with stacks of 64 KB")


def goals_of(settings):
    """The bars that can be judged by SETTINGS."""
    keys = {setting.key for setting in settings}
    return [bar for setting, bar in [*echo_bars(), *python_bars(), *other_bars()] if setting in keys]
