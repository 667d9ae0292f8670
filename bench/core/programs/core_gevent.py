# SPDX-License-Identifier: MIT
"""core_gevent.py - gevent"""
import gevent
import gevent.event
import gevent.lock
import gevent.queue
import harness


def in_two(function, times):
    other = gevent.spawn(function, times // 2)
    function(times // 2)
    other.join()


def yield_turn(times):
    def yields(half):
        for _ in range(half):
            gevent.sleep(0)
    in_two(yields, times)


def spawn(times):
    for _ in range(times):
        gevent.spawn(int).join()


def hand_over(times, limit=None):
    ping, pong = gevent.lock.Semaphore(0), gevent.lock.Semaphore(0)

    def pongs():
        for _ in range(times // 2):
            ping.acquire(timeout=limit)
            pong.release()

    other = gevent.spawn(pongs)
    for _ in range(times // 2):
        ping.release()
        pong.acquire(timeout=limit)
    other.join()


def mutex_free(times):
    mutex = gevent.lock.BoundedSemaphore(1)
    for _ in range(times):
        mutex.acquire()
        mutex.release()


def mutex_busy(times):
    mutex = gevent.lock.BoundedSemaphore(1)

    def locks(half):
        for _ in range(half):
            mutex.acquire()
            gevent.sleep(0)
            mutex.release()
    in_two(locks, times)


def passing(queue, times):
    def gets():
        for _ in range(times):
            queue.get()

    getter = gevent.spawn(gets)
    for _ in range(times):
        queue.put(None)
    getter.join()


def queue_free(times):
    queue = gevent.queue.Queue(1)
    for _ in range(times):
        queue.put(None)
        queue.get()


def memory(count):
    never = gevent.event.Event()
    harness.hold("begin")
    tasks = [gevent.spawn(never.wait) for _ in range(count)]
    gevent.sleep(0)
    harness.hold("ready")
    del tasks


harness.main({
    "yield": yield_turn,
    "spawn": spawn,
    "park": hand_over,
    "timer_wait": lambda times: hand_over(times, 60),
    "mutex_free": mutex_free,
    "mutex_busy": mutex_busy,
    "queue": lambda times: passing(gevent.queue.Queue(1), times),
    "queue_free": queue_free,
    "channel": lambda times: passing(gevent.queue.Channel(), times),
    "memory": memory,
})
