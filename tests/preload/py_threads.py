#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""py_threads.py - what CPython offers for threads, and its sockets, selectors, children and signals beside them"""

import errno
import os
import queue
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def in_threads(count, body):
    """Runs BODY(i) in COUNT threads at once."""
    threads = [threading.Thread(target=body, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say_late(what, start, least, most):
    took = time.monotonic() - start
    print(what, "in time" if least <= took <= most else f"took {took}")


def locks():
    lock, total = threading.Lock(), [0]

    def add(i):
        for _ in range(20):
            with lock:
                total[0] += i

    in_threads(8, add)
    print("lock", total[0])
    with lock:
        print("timed", lock.acquire(timeout=0.005), lock.acquire(blocking=False))
    again = threading.RLock()
    with again, again:
        seen = []
        in_threads(1, lambda i: seen.append(again.acquire(blocking=False)))
        print("rlock", seen)


def conditions():
    condition, following = threading.Condition(), [0]

    def turn(i):
        with condition:
            condition.wait_for(lambda: following[0] == i)
            print("turn", i)
            following[0] += 1
            condition.notify_all()

    in_threads(5, turn)
    with condition:
        print("condition", condition.wait(timeout=0.005))


def events():
    event, room, seen = threading.Event(), threading.Semaphore(2), []
    waiters = [threading.Thread(target=lambda: seen.append(event.wait(5))) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    print("event", event.wait(0.005))
    event.set()
    for waiter in waiters:
        waiter.join()
    print("event", seen)
    print("semaphore", room.acquire(timeout=1), room.acquire(timeout=1), room.acquire(timeout=0.005))
    meeting, leaders = threading.Barrier(4), []
    in_threads(4, lambda i: leaders.append(meeting.wait()))
    print("barrier", sorted(leaders))


def queues():
    jobs, done = queue.Queue(3), queue.Queue()

    def work():
        while (job := jobs.get()) is not None:
            done.put(job * job)
            jobs.task_done()
        jobs.task_done()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for job in [*range(20), None, None, None]:
        jobs.put(job)
    jobs.join()
    for worker in workers:
        worker.join()
    print("queue", sum(done.get() for _ in range(20)), done.empty())
    try:
        done.get(timeout=0.005)
    except queue.Empty:
        print("queue empty")


def timers():
    fired = threading.Event()
    timer = threading.Timer(0.005, fired.set)
    timer.start()
    print("timer", fired.wait(5))
    timer.join()
    never = threading.Timer(5, print, ("fired",))
    never.start()
    never.cancel()
    never.join()
    own = threading.local()
    own.value, seen = "main", []
    in_threads(2, lambda i: seen.append(hasattr(own, "value")))
    print("local", own.value, seen)


def executors():
    with ThreadPoolExecutor(4) as pool:
        print("map", list(pool.map(lambda x: x + 1, range(10))))
        print("future", pool.submit(pow, 2, 10).result(), type(pool.submit(int, "x").exception()).__name__)


def echo(peer):
    with peer:
        while data := peer.recv(100):
            peer.sendall(data)


def sockets():
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    results = [None] * 10

    def accept(_):
        for _ in range(len(results)):
            threading.Thread(target=echo, args=(listener.accept()[0],)).start()

    def client(i):
        with socket.create_connection(address, timeout=5) as peer:
            for number in range(5):
                text = b"%d:%d" % (i, number)
                peer.sendall(text)
                results[i] = peer.recv(100) == text
            peer.settimeout(0.005)
            try:
                peer.recv(1)
            except TimeoutError:
                results[i] = (results[i], "timeout")

    acceptor = threading.Thread(target=accept, args=(0,))
    acceptor.start()
    in_threads(len(results), client)
    acceptor.join()
    print("echo", all(result == (True, "timeout") for result in results))
    listener.setblocking(False)
    try:
        listener.accept()
    except BlockingIOError as error:
        print("accept", errno.errorcode[error.errno])
    listener.close()


def multiplexing():
    ends, other = socket.socketpair()
    print("select", select.select([ends], [], [], 0.005)[0])
    threading.Timer(0.005, other.send, (b"x",)).start()
    print("select", select.select([ends], [], [], 5)[0] == [ends], ends.recv(1))
    with selectors.EpollSelector() as selector:
        selector.register(ends, selectors.EVENT_READ, "data")
        print("epoll", selector.select(0.005))
        threading.Timer(0.005, other.send, (b"y",)).start()
        print("epoll", [key.data for key, _ in selector.select(5)], ends.recv(1))
    poll = select.poll()
    poll.register(ends, select.POLLIN)
    print("poll", poll.poll(5))
    ends.close()
    other.close()


def pipes():
    reading, writing = os.pipe()
    data = os.urandom(300000)

    def write(_):
        at = 0
        while at < len(data):
            at += os.write(writing, data[at:])
        os.close(writing)

    thread = threading.Thread(target=write, args=(0,))
    thread.start()
    pieces = []
    while piece := os.read(reading, 50000):
        pieces.append(piece)
    thread.join()
    os.close(reading)
    print("pipe", b"".join(pieces) == data)


def children():
    outputs = [None] * 4

    def child(i):
        outputs[i] = subprocess.run(["cat"], input=b"%d" % i, capture_output=True, check=True).stdout

    in_threads(4, child)
    print("subprocess", outputs)
    try:
        subprocess.run(["sleep", "5"], timeout=0.01, check=False)
    except subprocess.TimeoutExpired:
        print("subprocess timeout")
    print("system", os.waitstatus_to_exitcode(os.system("exit 3")))


def forks():
    def fork(i):
        pid = os.fork()
        if pid == 0:
            inner = threading.Thread(target=time.sleep, args=(0.001,))
            inner.start()
            inner.join()
            os._exit(10 + i)
        if i:
            ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    ends = []
    for i in range(2):
        in_threads(1, lambda _, i=i: fork(i))
    ends.append(os.waitstatus_to_exitcode(os.wait()[1]))
    print("fork", ends)


def signals():
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(signal.Signals(number).name))

    def send():
        # The sender blocks the signal, so that it can only be taken by main.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)

    def later():
        threading.Timer(0.01, send).start()

    class Woken(Exception):
        """Raised by the handler that ends accept."""

    start = time.monotonic()
    later()
    while not seen and time.monotonic() < start + 3:
        time.sleep(0.03)
    say_late(f"sleep {seen}", start, 0.025, 3)

    def end_it(number, frame):
        raise Woken

    signal.signal(signal.SIGUSR1, end_it)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        try:
            later()
            listener.accept()
        except Woken:
            print("accept was ended by a handler")
    signal.signal(signal.SIGALRM, end_it)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        threading.Event().wait(5)
    except Woken:
        print("wait was ended by an alarm")


def sleeping():
    start = time.monotonic()
    in_threads(50, lambda i: time.sleep(0.1))
    say_late("50 sleeps", start, 0.09, 1)


def main():
    for part in (locks, conditions, events, queues, timers, executors, sockets, multiplexing, pipes, children,
                 forks, signals, sleeping):
        part()
        sys.stdout.flush()
    print("threads left", threading.active_count() - 1)


if __name__ == "__main__":
    main()
