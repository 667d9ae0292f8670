# SPDX-License-Identifier: MIT
"""core_greenlet.py - greenlet, and CPython's own generators"""
import greenlet
import harness


def switch(times):
    over = False

    def back():
        while not over:
            parent.switch()

    parent, other = greenlet.getcurrent(), greenlet.greenlet(back)
    for _ in range(times // 2):
        other.switch()
    over = True
    other.switch()


def create(times):
    for _ in range(times):
        greenlet.greenlet(int).switch()


harness.main({"switch": switch, "create": create})
