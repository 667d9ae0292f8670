# SPDX-License-Identifier: MIT
"""ticker.py SECONDS - a thread that ticks every 10 ms beside one that computes: how many ticks, and how late, in us"""

import sys
import threading
import time

INTERVAL = 0.01
over = False
lateness = []


def compute():
    value = 0
    while not over:
        value = (value * 31 + 7) % 1000003


def tick():
    while not over:
        start = time.monotonic()
        time.sleep(INTERVAL)
        lateness.append(time.monotonic() - start - INTERVAL)


threads = [threading.Thread(target=body) for body in (compute, tick)]
for thread in threads:
    thread.start()
time.sleep(float(sys.argv[1]))
over = True
for thread in threads:
    thread.join()
print(len(lateness), int(sorted(lateness)[len(lateness) // 2] * 1e6))
