# SPDX-License-Identifier: MIT
"""bars.py - what each figure of libgreen has to reach, judged round by round"""
import statistics

from cases import ARMED


class Bar:
    """LIMIT and FIGURE: from the figures of one round to a number, None if that round lacks them.

    LEAST: the figure shall be at least the limit, not at most.
    """

    def __init__(self, what, words, figure, limit, show, least=False):
        self.what, self.words, self.figure, self.limit, self.show, self.least = what, words, figure, limit, show, least

    def judge(self, rounds):
        """Rows of (figure, limit), of the rounds that have both."""
        pairs = ((self.figure(values), self.limit(values)) for values in rounds)
        return [(figure, limit) for figure, limit in pairs if figure is not None and limit]

    def verdict(self, pairs):
        """Words, and whether it is met: by the median of the rounds' ratios, with their range."""
        ratios = [figure / limit for figure, limit in pairs]
        middle = statistics.median(ratios)
        kept = [ratio >= 1 if self.least else ratio <= 1 for ratio in ratios]
        met = middle >= 1 if self.least else middle <= 1
        agree = sum(good == met for good in kept)
        span = f"×{middle:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        rounds = "in all rounds" if agree == len(ratios) else f"in {agree} of {len(ratios)} rounds"
        words = "met" if met else f"**missed** by {abs(middle - 1):.0%}"
        return f"{words}, {span}, {rounds}", met


class Asked(dict):
    """Stands for a round that has every figure; its keys are those that somebody has asked for."""

    def __missing__(self, key):
        self[key] = 1.0
        return 1.0

    def __contains__(self, key):
        return self[key] > 0

    def get(self, key, _default=None):
        return self[key]


def keys_of(bars):
    """The figures that BARS are about."""
    asked = Asked()
    for bar in bars:
        bar.figure(asked)
        bar.limit(asked)
    return set(asked)


def figure(key):
    return lambda values: values.get(key)


def best(*keys):
    return lambda values: min((values[key] for key in keys if key in values), default=None)


def times(factor, key):
    return lambda values: values[key] * factor if key in values else None


def total(*keys):
    return lambda values: sum(values[key] for key in keys) if all(key in values for key in keys) else None


def always(limit):
    return lambda values: limit


def more_than(key, other):
    return lambda values: values[key] - values[other] if key in values and other in values else None


def ns(value):
    return f"{value:,.1f} ns" if value < 100 else f"{value:,.0f} ns"


def kilobytes(value):
    return f"{value / 1024:.2f} KB"


def milliseconds(value):
    return f"{value:.2f} ms"


PEERS = ("boost_context.switch", "boost_context.switch_fiber", "c_libc.switch", "greenlet.switch")


def all_bars():
    for key, name in (("green_context.switch", "context switch alone"), ("green_core.switch", "green_switch")):
        yield Bar(name, "best switch of the peers", figure(key), best(*PEERS), ns)
        yield Bar(name, "six-register reference", figure(key), figure("asm_switch.switch"), ns)
        yield Bar(name, "1/50 of libc's swapcontext", figure(key), times(1 / 50, "c_libc.switch"), ns)
    yield Bar("switch with TLS of one's own", "green_yield + wrfsbase", figure("run.yield"),
              total("green_core.yield", "asm_switch.wrfsbase"), ns)
    yield Bar("spawn, run, join", "Go's", figure("green_core.spawn"), figure("go.spawn"), ns)
    yield Bar("spawn, run, join", "1/20 of kernel threads'", figure("green_core.spawn"),
              times(1 / 20, "c_libc.spawn"), ns)
    yield Bar("park and wake", "2 × green_switch", figure("green_core.park"), times(2, "green_core.switch"), ns)
    yield Bar("next of a generator", "1/10 of CPython's", figure("green_core.next"), times(1 / 10, "python.next"), ns)
    for key, name in (("timer", "green_watch_timer"), ("timer_call", "green_call_later"),
                      ("timer_churn", "a random timer")):
        yield Bar(f"arm and cancel: {name}", f"100 ns with {ARMED:,} armed", figure(f"green_core.{key}"),
                  always(100), ns)
    for key, name in (("memory", "default stack"), ("memory_small", "stack of 64 KB")):
        yield Bar(f"one of a million parked tasks, {name}", "4.5 KB", figure(f"green_core.{key}"), always(4.5 * 1024),
                  kilobytes)
    yield Bar("green run true, by the clock", "3 ms more than true", more_than("green run true", "true"), always(3),
              milliseconds)
    yield Bar("green run true, CPU", "3 ms more than true", more_than("green run true, CPU", "true, CPU"), always(3),
              milliseconds)
