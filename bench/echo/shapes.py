# SPDX-License-Identifier: MIT
"""shapes.py - the shapes of traffic that echo servers are measured with, and who is measured with which, how often"""
from typing import NamedTuple

from kinds import LIMIT

CONNECTIONS = (1, 8, 64, 1000, 10000)
SIZES = (64, 4096)
PIPELINE = 16               # messages in flight on a connection, where there is more than one
SOME = (64, 1000)           # connections with which longer messages and more in flight are tried
OTHERS = (1, 64, 1000)      # connections of servers that no bar is about
MAIN = (LIMIT, "green_tasks", "run_pthreads", "c_pthreads", "c_st", "c_uv", "go")
THREADS = ("run_pthreads", "c_pthreads")    # bench/served has these with as many connections as there are


class Shape(NamedTuple):
    count: int
    size: int = SIZES[0]
    pipeline: int = 1

    @property
    def plain(self):
        return self[1:] == Shape(1)[1:]

    @property
    def name(self):
        words = [f"{self.count:,} connection{'s' * (self.count > 1)}"]
        words += [f"{self.size:,} bytes"] * (self.size != SIZES[0])
        words += [f"{self.pipeline} in flight"] * (self.pipeline > 1)
        return ", ".join(words)

    def order(self):
        """What most people look for first."""
        return self.pipeline, self.size, self.count

    def load(self, seconds):
        """Arguments of the load client."""
        return [f"--seconds={seconds}", f"--size={self.size}", f"--pipeline={self.pipeline}"]


def main_shapes(full):
    if full:
        return [Shape(count, size, flight) for flight in (1, PIPELINE) for size in SIZES for count in CONNECTIONS]
    return [*map(Shape, CONNECTIONS), *(Shape(count, SIZES[1]) for count in SOME),
            *(Shape(count, pipeline=PIPELINE) for count in SOME)]


def bears(kind, shape):
    return shape.count <= (1 if kind.serial else kind.most)


def plan(kinds, rounds, other_rounds, full):
    """From (kind, shape) to the number of rounds: many where a bar is judged, fewer with the rest."""
    cells = {}
    for kind in kinds:
        main = kind.key in MAIN
        for shape in main_shapes(full) if main else map(Shape, OTHERS):
            if bears(kind, shape) and (full or kind.key not in THREADS or shape.count < CONNECTIONS[-1]):
                cells[kind, shape] = rounds if main else other_rounds
    return cells


def chosen(kinds, shapes, rounds):
    """All KINDS with all SHAPES, as somebody has asked."""
    return {(kind, shape): rounds for kind in kinds for shape in shapes if bears(kind, shape)}
