# SPDX-License-Identifier: MIT
"""core_python.py - CPython's own generators"""
import harness


def gives():
    while True:
        yield


def next_value(times):
    generator = gives()
    for _ in range(times):
        next(generator)


def delegates(inner):
    yield from inner


def chain(times):
    generator = gives()
    for _ in range(9):
        generator = delegates(generator)
    for _ in range(times):
        next(generator)


harness.main({"next": next_value, "chain": chain})
