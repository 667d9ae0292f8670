# SPDX-License-Identifier: MIT
"""shapes.py - the shapes of traffic that echo servers are measured with, and who is measured with which, how often"""
from typing import NamedTuple

from kinds import LIMIT

CONNECTIONS = (1, 8, 64, 1000, 10000)
MANY = CONNECTIONS[-1]
SIZES = (64, 4096)
PIPELINE = 16               # messages in flight on a connection, where there is more than one
SOME = (64, 1000)           # connections of servers that no bar is about; and where CPU has a bar
MAIN = (LIMIT, "green_tasks", "run_pthreads", "c_pthreads", "c_st", "c_uv", "go")
THREADS = ("run_pthreads", "c_pthreads")    # bench/served has these with as many connections as there are
LONGER = 3                  # times as long is measured with so many, who get their turns less often


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
        return [f"--seconds={seconds * (LONGER if self.count >= MANY else 1)}", f"--size={self.size}", f"--pipeline={self.pipeline}"]


EVERY = [Shape(count, size, flight) for flight in (1, PIPELINE) for size in SIZES for count in CONNECTIONS]
JUDGED = [*map(Shape, CONNECTIONS), *(Shape(count, SIZES[1]) for count in SOME),
          *(Shape(count, pipeline=PIPELINE) for count in SOME)]
HUGE = Shape(MANY, SIZES[1], PIPELINE)      # more than a gigabyte in sockets


def bears(kind, shape):
    return shape.count <= (1 if kind.serial else kind.most)


def main_rounds(kind, shape, rounds, full):
    if not full and (shape == HUGE or shape.count == MANY and kind.key in THREADS):
        return 0
    return rounds.judged if shape in JUDGED else rounds.shapes


class Rounds(NamedTuple):
    """How often: of what a bar is about, of the same servers with other shapes, of other servers."""

    judged: int = 9
    shapes: int = 3
    others: int = 5


def plan(kinds, rounds, full):
    """From (kind, shape) to the number of rounds."""
    cells = {}
    for kind in kinds:
        if kind.key in MAIN:
            cells.update({(kind, shape): main_rounds(kind, shape, rounds, full) for shape in EVERY})
        else:
            cells.update({(kind, Shape(count)): rounds.others for count in ((1,) if kind.serial else SOME)})
    return {cell: number for cell, number in cells.items() if number and bears(*cell)}


def chosen(kinds, shapes, rounds):
    """All KINDS with all SHAPES, as somebody has asked."""
    return {(kind, shape): rounds.judged for kind in kinds for shape in shapes if bears(kind, shape)}
