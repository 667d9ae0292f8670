# SPDX-License-Identifier: MIT
"""core_asyncio.py - asyncio, or with the word uvloop before the rest asyncio on uvloop"""
import asyncio
import os
import random
import sys
import time

import harness

if sys.argv[1] == "uvloop":
    import uvloop
    del sys.argv[1]
    uvloop.install()


async def in_two(function, times):
    other = asyncio.create_task(function(times // 2))
    await function(times // 2)
    await other


async def yields(half):
    for _ in range(half):
        await asyncio.sleep(0)


async def yield_turn(times):
    await in_two(yields, times)


async def nothing():
    pass


async def spawn(times):
    for _ in range(times):
        await asyncio.create_task(nothing())


async def hand_over(times, limit=None):
    ping, pong = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def acquire(semaphore):
        if limit:
            async with asyncio.timeout(limit):
                await semaphore.acquire()
        else:
            await semaphore.acquire()

    async def pongs():
        for _ in range(times // 2):
            await acquire(ping)
            pong.release()

    other = asyncio.create_task(pongs())
    for _ in range(times // 2):
        ping.release()
        await acquire(pong)
    await other


async def mutex_free(times):
    mutex = asyncio.Lock()
    for _ in range(times):
        await mutex.acquire()
        mutex.release()


async def mutex_busy(times):
    mutex = asyncio.Lock()

    async def locks(half):
        for _ in range(half):
            await mutex.acquire()
            await asyncio.sleep(0)
            mutex.release()
    await in_two(locks, times)


async def queue(times):
    items = asyncio.Queue(1)

    async def gets():
        for _ in range(times):
            await items.get()

    getter = asyncio.create_task(gets())
    for _ in range(times):
        await items.put(None)
    await getter


async def queue_free(times):
    items = asyncio.Queue(1)
    for _ in range(times):
        await items.put(None)
        await items.get()


def far_away():
    return harness.HOUR * (1 + random.random())


def never():
    raise SystemExit("a timer that was an hour away has fired")


async def arm_all():
    loop = asyncio.get_running_loop()
    return [loop.call_later(far_away(), never) for _ in range(harness.size)]


async def timer(times):
    loop, _armed = asyncio.get_running_loop(), await arm_all()
    harness.begin()
    for _ in range(times):
        loop.call_later(far_away(), never).cancel()
    harness.end()


async def timer_churn(times):
    loop, armed = asyncio.get_running_loop(), await arm_all()
    harness.begin()
    for _ in range(times):
        place = int(random.random() * harness.size)
        armed[place].cancel()
        armed[place] = loop.call_later(far_away(), never)
    harness.end()


async def timer_wait(times):
    _armed = await arm_all()
    harness.begin()
    await hand_over(times, 60)
    harness.end()


async def timer_due(times):
    loop, fired = asyncio.get_running_loop(), []
    all_fired = loop.create_future()

    def comes_due():
        fired.append(None)
        if len(fired) == times:
            all_fired.set_result(None)

    for _ in range(times):
        loop.call_later(0.001 + random.random() * 0.05, comes_due)
    time.sleep(0.06)
    harness.begin()
    await all_fired
    harness.end()


async def memory(count):
    never_set = asyncio.Event()
    harness.hold("begin")
    _tasks = [asyncio.create_task(never_set.wait()) for _ in range(count)]
    await asyncio.sleep(0)
    harness.hold("ready")
    os._exit(0)


harness.main({name: (lambda times, function=function: asyncio.run(function(times))) for name, function in {
    "yield": yield_turn,
    "spawn": spawn,
    "park": hand_over,
    "mutex_free": mutex_free,
    "mutex_busy": mutex_busy,
    "queue": queue,
    "queue_free": queue_free,
    "timer": timer,
    "timer_churn": timer_churn,
    "timer_wait": timer_wait,
    "timer_due": timer_due,
    "memory": memory,
}.items()})
