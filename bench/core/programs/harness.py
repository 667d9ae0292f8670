# SPDX-License-Identifier: MIT
"""harness.py - what the Python programs of the benchmark have in common; the command line is that of harness.h"""
import sys
import time

begun = ended = None
size = 1000000
HOUR = 3600


def now():
    return time.process_time_ns(), time.perf_counter_ns()


def begin():
    """What was done so far was preparation."""
    global begun, ended
    begun, ended = now(), None


def end():
    """What comes now is clean-up."""
    global ended
    ended = ended or now()


def hold(word):
    print(word, flush=True)
    if not sys.stdin.readline():
        sys.exit(1)


def main(cases):
    global size
    name, numbers = sys.argv[1], [int(word) for word in sys.argv[2:]]
    times, warm, size = numbers + [0, size][len(numbers) - 1:]
    for count in [warm] * bool(warm) + [times]:
        begin()
        cases[name](count)
        end()
    print(ended[0] - begun[0], ended[1] - begun[1])
