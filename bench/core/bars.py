# SPDX-License-Identifier: MIT
"""bars.py - what each figure of libgreen has to reach, judged round by round"""
import statistics



class Bar:
    """LIMIT and FIGURE: from the figures of one round to a number, None if that round lacks them; at most LIMIT is met."""

    def __init__(self, what, words, figure, limit, show):
        self.what, self.words, self.figure, self.limit, self.show = what, words, figure, limit, show

    def judge(self, rounds):
        """Rows of (figure, limit), of the rounds that have both."""
        pairs = ((self.figure(values), self.limit(values)) for values in rounds)
        return [(figure, limit) for figure, limit in pairs if figure is not None and limit]


def cell(key):
    return lambda values: values.get(key)


def best(*keys):
    return lambda values: min((values[key] for key in keys if key in values), default=None)


def times(factor, key):
    return lambda values: values[key] * factor if key in values else None


def total(*keys):
    return lambda values: sum(values[key] for key in keys) if all(key in values for key in keys) else None


def always(limit):
    return lambda values: limit


def ns(value):
    return f"{value:,.1f} ns" if value < 100 else f"{value:,.0f} ns"


PEERS = ("boost_context.switch", "boost_context.switch_fiber", "c_libc.switch", "greenlet.switch")


def all_bars():
    for key, name in (("green_context.switch", "context switch alone"), ("green_core.switch", "green_switch")):
        yield Bar(name, "best switch of the peers", cell(key), best(*PEERS), ns)
        yield Bar(name, "six-register reference", cell(key), cell("asm_switch.switch"), ns)
        yield Bar(name, "1/50 of libc's swapcontext", cell(key), times(1 / 50, "c_libc.switch"), ns)
    yield Bar("switch with TLS of one's own", "green_yield + wrfsbase", cell("run.yield"),
              total("green_core.yield", "asm_switch.wrfsbase"), ns)
    yield Bar("spawn, run, join", "Go's", cell("green_core.spawn"), cell("go.spawn"), ns)
    yield Bar("spawn, run, join", "1/20 of kernel threads'", cell("green_core.spawn"), times(1 / 20, "c_libc.spawn"), ns)
    yield Bar("park and wake", "2 × green_switch", cell("green_core.park"), times(2, "green_core.switch"), ns)
    yield Bar("next of a generator", "1/10 of CPython's", cell("green_core.next"), times(1 / 10, "python.next"), ns)


def verdict(pairs):
    """Words, and whether it is met: by the median of the rounds' ratios, with their range."""
    ratios = [figure / limit for figure, limit in pairs]
    middle = statistics.median(ratios)
    kept = sum(ratio <= 1 for ratio in ratios)
    span = f"×{middle:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    rounds = "in all rounds" if kept in (0, len(ratios)) else f"in {max(kept, len(ratios) - kept)} of {len(ratios)} rounds"
    return (f"met, {span}, {rounds}" if middle <= 1 else f"**missed**, {span}, {rounds}"), middle <= 1
