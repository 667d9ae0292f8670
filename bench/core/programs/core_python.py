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


harness.main({"next": next_value})
